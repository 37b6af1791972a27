"""What is kept of a device's readings, and which changes of level they cause. Pure: a row goes in, a row comes out.

A row contains the marks of each field with levels, its level, and the changes of level that have not been reported
yet. A change is *claimed* by the invocation that reports it; one that was claimed and not completed within
`CLAIMED_FOR_MS` is claimed by the next reading of the device. Rows are stored with optimistic locking, so each change
is made once, whichever execution environments handle the readings.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from thingbridge.errors import BadInput
from thingbridge.telemetry import levels
from thingbridge.telemetry.levels import Mark
from thingbridge.telemetry.schema import NORMAL, Field

CLAIMED_FOR_MS: Final = 30_000
"""Longer than an invocation of the function can take: whoever claimed a change before has failed."""

MOST_CHANGES: Final = 50
"""Changes that wait to be reported, of one device: more are dropped, the oldest first, because a row is paid for by
its size. So many are reached only while notifications fail for long."""


@dataclass(frozen=True)
class Claim:
    """Who reports a change: an invocation, from a time in Unix milliseconds on."""

    by: str
    at: int


@dataclass(frozen=True)
class Change:
    """A change of a field's level. `at`: the time of the reading that caused it; `decided`: when, unique in the row.

    Both in Unix milliseconds.
    """

    field: str
    before: str
    level: str
    value: float
    at: int
    decided: int
    claim: Claim

    def deduplication_id(self, device: str) -> str:
        """The same each time the change is notified, and another one for every other change."""
        return hashlib.sha256(f"{device}\n{self.field}\n{self.decided}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class FieldState:
    """The state of one field. Times in Unix milliseconds, 0 for never.

    `newest`, `normal_at`: the newest reading, and the newest at no level. `alert_at`, `alert_value`: the reading that
    caused the last change to a level of alert.
    """

    marks: Mapping[str, Mark] = field(default_factory=dict)
    level: str = NORMAL
    newest: int = 0
    normal_at: int = 0
    alert_at: int = 0
    alert_value: float | None = None


@dataclass(frozen=True)
class Row:
    """What is kept of one device. `decided`: when the last change was decided, in Unix milliseconds.

    `settings_version`: the version of the shadow with the settings by which the last reading was evaluated.
    """

    fields: Mapping[str, FieldState] = field(default_factory=dict)
    changes: Sequence[Change] = ()
    decided: int = 0
    settings_version: int = 0

    @property
    def newest(self) -> int:
        """The time of the newest reading of any field."""
        return max((each.newest for each in self.fields.values()), default=0)

    def claimed_by(self, invocation: str) -> tuple[Change, ...]:
        """The changes that this invocation reports."""
        return tuple(each for each in self.changes if each.claim.by == invocation)

    def text(self) -> str:
        """The row as JSON."""
        fields = {
            name: {**asdict(each), "marks": {level: [mark.at, mark.raised] for level, mark in each.marks.items()}}
            for name, each in self.fields.items()
        }
        row = {
            "fields": fields,
            "changes": [asdict(each) for each in self.changes],
            "decided": self.decided,
            "settings_version": self.settings_version,
        }
        return json.dumps(row, separators=(",", ":"), sort_keys=True)

    @classmethod
    def read(cls, text: str | None) -> "Row":
        """The row that `text` returned; an empty row for None. Raises BadInput for any other text."""
        if text is None:
            return cls()
        try:
            row = json.loads(text)
            fields = {name: _field_state(each) for name, each in row["fields"].items()}
            changes = tuple(Change(**{**each, "claim": Claim(**each["claim"])}) for each in row["changes"])
            return cls(fields, changes, int(row["decided"]), int(row["settings_version"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput("row", "is not a stored state of alerts") from error


def receive(row: Row, fields: Mapping[str, Field], values: Mapping[str, float], at: int, claim: Claim) -> Row:
    """The row after a reading of that time. `fields`: those with levels, by the device's own thresholds.

    The claim is for the changes that the reading causes, and for those that another invocation has left behind.
    """
    row = replace(row, changes=tuple(_claimed(each, claim) for each in row.changes))
    for name, each in fields.items():
        if name in values:
            row = _receive(row, name, each, values[name], at, claim)
    return replace(row, changes=row.changes[-MOST_CHANGES:])


def completed(row: Row, changes: Sequence[Change]) -> Row:
    """The row without changes that were reported."""
    done = {each.decided for each in changes}
    return replace(row, changes=tuple(each for each in row.changes if each.decided not in done))


def _receive(row: Row, name: str, field: Field, value: float, at: int, claim: Claim) -> Row:
    state = row.fields.get(name, FieldState())
    marks = levels.marked(state.marks, field, value, at)
    level = levels.level(marks, field)
    normal = levels.level_of(field, value) == NORMAL
    after = replace(
        state,
        marks={each.name: marks[each.name] for each in field.levels if each.name in marks},
        level=level,
        newest=max(state.newest, at),
        normal_at=max(state.normal_at, at) if normal else state.normal_at,
    )
    if level == state.level:
        return replace(row, fields={**row.fields, name: after})
    if level != NORMAL:
        after = replace(after, alert_at=at, alert_value=value)
    decided = max(claim.at, row.decided + 1)
    change = Change(name, state.level, level, value, at, decided, claim)
    return replace(row, fields={**row.fields, name: after}, changes=(*row.changes, change), decided=decided)


def _claimed(change: Change, claim: Claim) -> Change:
    if change.claim.by == claim.by or change.claim.at + CLAIMED_FOR_MS > claim.at:
        return change
    return replace(change, claim=claim)


def _field_state(stored: Mapping[str, Any]) -> FieldState:
    marks = {level: Mark(int(at), bool(raised)) for level, (at, raised) in stored["marks"].items()}
    return FieldState(**{**stored, "marks": marks})
