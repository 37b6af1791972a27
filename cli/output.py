"""How results reach people and programs: tables or JSON on standard output, all else on standard error.

Everything that is printed is text: names of devices, log entries and messages of others are shown as they are, without
markup or emoji codes, and without the control characters that a terminal would obey.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import typer
from rich.console import Console, ConsoleOptions
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from thingbridge.registry.attributes import SECRETS

HIDDEN: Final = "hidden, --show-keys shows it"
_WIDE: Final = 10_000
"""Columns of a pipe or a file, which have no width: enough that every table has the width of its content."""

_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters, halves of surrogate pairs, and separators of lines and paragraphs."""

_REORDERING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of the text around them, so that it reads as something else."""


class _TextConsole(Console):
    """A console on which every string is text. What is styled is given as `rich.text.Text`, made with `plain`."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Called by rich for every string, those in the cells of a table included."""
        return super().render_str(plain(text), **{**options, "markup": False, "emoji": False})

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Called by rich for everything: what was made without `plain` reaches no terminal unescaped either."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text="\n".join(map(plain, segment.text.split("\n"))))


def out() -> Console:
    """Standard output as it is now; a test or a caller may have replaced it."""
    return _TextConsole(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else _WIDE)


def err() -> Console:
    """Standard error as it is now."""
    return _TextConsole(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _WIDE)


def plain(text: str) -> str:
    r"""A text as a terminal can show it: characters that it would obey are spelled as in JSON, such as `\u001b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(each) if _is_obeyed(each) else each for each in text)


def _is_obeyed(character: str) -> bool:
    return unicodedata.category(character) in _UNPRINTABLE or character in _REORDERING


def _spelled(character: str) -> str:
    return json.dumps(character)[1:-1] if character != "\x7f" else r"\u007f"


def say(text: str) -> None:
    """A line for a person, which is not part of the result."""
    err().print(text, soft_wrap=True)


def count(number: int, what: str) -> str:
    """A number of something in words: `1 thing`, `2,003 things`."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def fitted(
    console: Console, names: Sequence[str], rows: Iterable[Sequence[str]], optional: Sequence[str]
) -> tuple[Table, list[str]]:
    """A table that is no wider than the console, and the columns that were left out for it, the last `optional` first.

    What is still too wide is folded within its column.
    """
    kept, left_out, cells = list(names), list[str](), [dict(zip(names, row, strict=True)) for row in rows]
    remaining, unlimited = list(optional), console.options.update(max_width=_WIDE)
    while True:
        table = Table(*(Column(each, overflow="fold") for each in kept))
        for row in cells:
            table.add_row(*(row[each] for each in kept))
        if not remaining or console.measure(table, options=unlimited).maximum <= console.width:
            return table, left_out
        left_out.append(remaining.pop())
        kept.remove(left_out[-1])


def print_json(value: Any) -> None:
    """The result for a program."""
    typer.echo(json.dumps(value, indent=2))


def shown(attributes: Mapping[str, str], *, keys: bool) -> dict[str, str | None]:
    """Attributes with None for keys and claim codes, unless `keys`: their presence may be seen."""
    return {name: None if name in SECRETS and not keys else value for name, value in sorted(attributes.items())}


def progress(*, quiet: bool) -> Progress:
    """A bar on standard error that leaves nothing behind; none if it is not a terminal."""
    console = err()
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
