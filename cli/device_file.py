"""Files of end devices: CSV and JSON as The Things Stack and spreadsheets write them, row by row, never as a whole.

What a row means: device_record.py. Rows of CSV: csv_files.py. Where an object in a JSON file ends: json_objects.py.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

from cli import csv_files, json_objects
from cli.device_record import (
    COLUMNS,
    DEFAULTS_COLUMN,
    SESSION_COLUMNS,
    THING_NAME_COLUMN,
    Columns,
    DeviceRecord,
    check_row_joins,
    column,
    fault,
    from_cell,
    from_json,
    json_label,
    record,
    row_has_session,
    safe_label,
    to_json,
)
from cli.errors import Failed
from thingbridge.errors import BadInput
from thingbridge.registry.attributes import SECRETS, Attribute

_NAME: Final = re.compile(r"(?!.*[0-9A-F]{16})[a-z_@][\w. -]{0,49}", re.IGNORECASE)
"""The name of a column or field, as opposed to a value in its place, which may be a key."""

_UNNAMED: Final = "something without a name"
_IGNORED_AT_MOST: Final = 100

_NO_OBJECT: Final = "must be a whole JSON object, as `jq .` writes it"
_NOT_CLOSED: Final = "is not closed: the file ends within it, and nothing after this row was read"


class Format(StrEnum):
    """The format of a file of devices."""

    CSV = "csv"
    JSON_LINES = "jsonl"


@dataclass(frozen=True)
class Row:
    """One row: its number as a spreadsheet or an editor shows it, and the device, or what is wrong with it.

    `has_secrets`: something is written where a key or claim code belongs. A row that can't be read may have some.
    `has_session`: the device has a session, which a thing can't carry. `label`: which device a fault is about, its
    DevEUI if that can be read.
    """

    number: int
    device: DeviceRecord | None
    fault: str = ""
    has_secrets: bool = True
    has_session: bool = False
    label: str = ""


@dataclass
class DeviceFile:
    """A file with a device in each row. `defaults`: attributes for devices that have none of their own.

    `ignored` fills while rows are read: columns or fields that a thing can't carry. `now`: when claim codes must be
    valid.
    """

    path: Path
    defaults: Mapping[str, str] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def rows(self) -> Iterator[Row]:
        """Every row, in order; empty rows are skipped. Raises Failed when the file can't be read."""
        try:
            with self.path.open(encoding=csv_files.encoding(self.path), newline="") as file:
                start = file.readline()
                while start and not start.strip():
                    start = file.readline()
                if not start:
                    raise Failed(f"{self.path} is empty: it must have a header row and a row for each device")
                file.seek(0)
                yield from self._json(file) if start.lstrip().startswith(("{", "[")) else self._csv(file)
        except UnicodeError as error:
            raise Failed(f"{self.path} must be UTF-8 or UTF-16 text: save it as “CSV UTF-8”") from error
        except OSError as error:
            raise Failed(f"{self.path} can't be read: {error.strerror}") from error

    def has_secrets(self) -> bool:
        """Whether any row has a key or claim code, well written or not. Raises Failed when the file can't be read."""
        return any(row.has_secrets for row in self.rows())

    def _csv(self, file: TextIO) -> Iterator[Row]:
        try:
            header, rows = csv_files.table(file)
            attributes = self._columns([name.strip() for name in header])
            for number, cells in rows:
                yield self._csv_row(number, cells, header, attributes)
        except csv.Error as error:
            raise Failed(f"{self.path} is not valid CSV: {error}") from error

    def _columns(self, header: list[str]) -> list[str | None]:
        found: list[str | None] = [
            THING_NAME_COLUMN if name.lower() == THING_NAME_COLUMN else column(name) for name in header
        ]
        self._ignore(
            name
            for name, known in zip(header, found, strict=True)
            if not known and name and name.lower() not in {*SESSION_COLUMNS, DEFAULTS_COLUMN}
        )
        if Attribute.DEV_EUI not in found:
            raise Failed(
                f"{self.path} has no column dev_eui: its first row must be the header of The Things Stack's CSV, "
                f"such as {';'.join(list(COLUMNS.values())[:7])}"
            )
        duplicates = {known for known in found if known and found.count(known) > 1}
        if duplicates:
            raise Failed(f"{self.path} has two columns for {', '.join(sorted(duplicates))}: keep one of them")
        return found

    def _ignore(self, names: Iterable[str]) -> None:
        """Remember names of columns or fields that a thing can't carry; a value in their place is not repeated."""
        for name in names:
            if len(self.ignored) < _IGNORED_AT_MOST:
                self.ignored.add(name if _NAME.fullmatch(name) else _UNNAMED)

    def _csv_row(self, number: int, cells: list[str], header: list[str], attributes: list[str | None]) -> Row:
        if len(cells) != len(header):
            return Row(number, None, f"must have {len(header)} fields, as the header has; got {len(cells)}")
        given = {known: cell.strip() for known, cell in zip(attributes, cells, strict=True) if known}
        by_column = {name.strip().lower(): cell.strip() for name, cell in zip(header, cells, strict=True)}
        has_session = row_has_session(by_column)
        try:
            check_row_joins(by_column)
            values = {known: from_cell(known, cell) for known, cell in given.items()}
        except BadInput as error:
            has_secrets = has_session or any(given.get(each) for each in SECRETS)
            return Row(number, None, fault(error, COLUMNS, given), has_secrets, has_session, safe_label(given))
        for column_of_default in by_column.get(DEFAULTS_COLUMN, "").split():
            values.pop(column(column_of_default) or "", None)
        row = self._row(number, values, values.pop(THING_NAME_COLUMN, None), COLUMNS)
        return replace(row, has_secrets=row.has_secrets or has_session, has_session=has_session)

    def _json(self, file: TextIO) -> Iterator[Row]:
        for part in json_objects.parts(file):
            try:
                value = json.loads(part.text)
                if not isinstance(value, dict):
                    raise ValueError
                described = from_json(value, self.now)
            except BadInput as error:
                yield Row(part.number, None, fault(error, {}), label=json_label(value))
            except (ValueError, RecursionError):
                yield Row(part.number, None, _NO_OBJECT if part.closed else _NOT_CLOSED)
            else:
                self._ignore(described.ignored)
                own = "ids" not in value
                row = self._row(part.number, described.values, described.thing_name, {} if own else COLUMNS)
                # An end device of The Things Stack may have keys of its session as well.
                yield row if own else replace(row, has_secrets=True, has_session=described.has_session)

    def _row(
        self, number: int, values: Mapping[str, Any], thing_name: str | None, spellings: Mapping[Attribute, str]
    ) -> Row:
        has_secrets = any(values.get(each) for each in SECRETS)
        try:
            return Row(number, record(values, thing_name, self.defaults, keyless=True), has_secrets=has_secrets)
        except BadInput as error:
            return Row(number, None, fault(error, spellings, values), has_secrets, label=safe_label(values))


class DeviceWriter:
    """Writes things as a file that `DeviceFile` reads. `keys`: include root keys and claim codes.

    Which columns a CSV file has depends on all of its things: they are held, compressed, until the writer is closed.
    `default_frequency_plan_id` is called if a thing names none. `without_plan`: things that have none then (CSV).
    """

    def __init__(
        self, file: TextIO, form: Format, *, keys: bool, default_frequency_plan_id: Callable[[], str] | None = None
    ) -> None:
        self._file, self._form, self._keys = file, form, keys
        self._plan = default_frequency_plan_id
        self.without_plan = 0
        self._columns = Columns(keys)
        self._held = io.BytesIO()
        self._holding = gzip.open(self._held, "wt", compresslevel=1, encoding="utf-8")  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self._holding.close()
        if self._form is Format.CSV and not failed:
            self._write_csv()

    def write(self, thing_name: str, attributes: Mapping[str, str]) -> None:
        """Write one thing."""
        if self._form is Format.JSON_LINES:
            self._file.write(json.dumps(to_json(thing_name, attributes, keys=self._keys)) + "\n")
            return
        if not attributes.get(Attribute.FREQUENCY_PLAN_ID):
            if self._plan:
                self._columns.default_frequency_plan_id, self._plan = self._plan(), None
            self.without_plan += not self._columns.default_frequency_plan_id
        self._columns.add(attributes)
        self._holding.write(json.dumps([thing_name, dict(attributes)]) + "\n")

    def _write_csv(self) -> None:
        writer = csv.DictWriter(self._file, self._columns.header(), delimiter=";", lineterminator="\n")
        writer.writeheader()
        self._held.seek(0)
        with gzip.open(self._held, "rt", encoding="utf-8") as held:
            writer.writerows(self._columns.row(*json.loads(line)) for line in held)
