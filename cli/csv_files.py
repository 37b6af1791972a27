"""CSV files as spreadsheets write them: encoding, separator, header and rows. What a row means is up to the caller."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import Final, TextIO

from cli.errors import WrongUsage

_SEPARATOR: Final = re.compile(r'"?sep=([;,\t|])"?[;,]*', re.IGNORECASE)


def rows(path: Path, required: Collection[str]) -> Iterator[tuple[int, dict[str | None, str]]]:
    """Every row of a file that isn't empty: its number in a spreadsheet, and its cells by column.

    A cell beyond the header has the column None. Raises WrongUsage when the file can't be read, or has no column of a
    `required` name.
    """
    try:
        with path.open(encoding=encoding(path), newline="") as file:
            header, numbered = table(file)
            columns = [name.strip() for name in header]
            if missing := sorted(set(required) - set(columns)):
                named = " and ".join(required)
                columns_of = "column" if len(required) == 1 else "columns"
                raise WrongUsage(f"{path} must have the {columns_of} {named}; {' and '.join(missing)} is missing")
            for number, cells in numbered:
                beyond: dict[str | None, str] = {None: cells[len(columns)]} if len(cells) > len(columns) else {}
                yield number, {**dict(zip(columns, (cell.strip() for cell in cells), strict=False)), **beyond}
    except UnicodeError as error:
        raise WrongUsage(f"{path} must be UTF-8 or UTF-16 text: save it as “CSV UTF-8”") from error
    except csv.Error as error:
        raise WrongUsage(f"{path} is not valid CSV: {error}") from error


def table(file: TextIO) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header, and the number and cells of every row that isn't empty.

    Raises csv.Error, also while the rows are read.
    """
    first, delimiter, number = _header_line(file)
    # Strict: a quote that is never closed would otherwise swallow the rest of the file as one value.
    cells_of = csv.reader(chain([first], file), delimiter=delimiter, skipinitialspace=True, strict=True)
    numbered = ((at, cells) for at, cells in enumerate(cells_of, number) if any(cell.strip() for cell in cells))
    header = _without_empty_end(next(numbered)[1], 0)
    return header, ((at, _without_empty_end(cells, len(header))) for at, cells in numbered)


def encoding(path: Path) -> str:
    """The encoding of a file by its first bytes: UTF-8 unless they are those of UTF-16."""
    with path.open("rb") as file:
        start = file.read(2)
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if len(start) == 2 and 0 in start:  # a file without a byte order mark: its first character is ASCII
        return "utf-16-le" if start[0] else "utf-16-be"
    return "utf-8-sig"


def _header_line(file: TextIO) -> tuple[str, str, int]:
    """The header of a CSV file, the character that separates its columns, and its row in a spreadsheet.

    A line `sep=;` before it, which Excel reads and writes, says which character that is. Spreadsheets don't show it.
    """
    number, separator = 1, ""
    while line := file.readline():
        if named := _SEPARATOR.fullmatch(line.rstrip("\r\n")):
            separator = named[1]
        elif line.strip():
            break
        else:
            number += 1
    if not line:
        raise csv.Error("it has no header")
    return line, separator or max(";,\t", key=line.count), number


def _without_empty_end(cells: list[str], least: int) -> list[str]:
    """A row without the empty cells that a spreadsheet adds at its end, but at least `least` of them."""
    used = len(cells)
    while used > least and not cells[used - 1].strip():
        used -= 1
    return cells[:used]
