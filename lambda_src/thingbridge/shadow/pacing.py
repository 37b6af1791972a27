"""When a shadow that is written at intervals is written, and with what. Pure: a row goes in, a row comes out.

A row contains the newest value of every field with its time, what was last written to the shadow, and at most one
*scheduled write*: its owner must write the shadow when it is due. So no state is lost between writes, and a shadow is
written once per interval. Rows are stored with optimistic locking; every step can be repeated, and messages may arrive
in any order.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

OVERDUE_SECONDS: Final = 1800.0
"""A write that is overdue for so long has failed for good (its message is a dead letter): the next message owns it."""

COMPLETE_EVERY_SECONDS: Final = 86_400.0
"""How often a write contains all fields, not only those that changed: this undoes changes by others."""

KEPT_BY_OTHERS: Final = frozenset({"fCntDown"})
"""Reported by a join, then counted by others: never written again unchanged."""

Path = tuple[str, ...]


@dataclass(frozen=True)
class ScheduledWrite:
    """A future write. `owner` identifies the message that writes; `due`: Unix seconds."""

    owner: str
    due: float


@dataclass(frozen=True)
class Row:
    """The state of one thing's shadow. Paths name fields: `("decodedPayload", "moisture")`.

    `fields`: time and value; `written`: the values in the shadow. `written_at`, `complete_at`: Unix seconds of the last
    write, and of the last one with all fields. `newest`: the time of the newest message in the shadow.
    """

    fields: Mapping[Path, tuple[str, Any]] = field(default_factory=dict)
    written: Mapping[Path, Any] = field(default_factory=dict)
    written_at: float = 0.0
    complete_at: float = 0.0
    newest: str = ""
    scheduled: ScheduledWrite | None = None

    def text(self) -> str:
        """The row as JSON."""
        return json.dumps(
            {
                "fields": [[path, at, value] for path, (at, value) in self.fields.items()],
                "written": [[path, value] for path, value in self.written.items()],
                "written_at": self.written_at,
                "complete_at": self.complete_at,
                "newest": self.newest,
                "scheduled": [self.scheduled.owner, self.scheduled.due] if self.scheduled else None,
            },
            separators=(",", ":"),
        )

    @classmethod
    def read(cls, text: str | None) -> "Row":
        """The row that `text` returned; an empty row for None."""
        if text is None:
            return cls()
        row = json.loads(text)
        return cls(
            fields={tuple(path): (at, value) for path, at, value in row["fields"]},
            written={tuple(path): value for path, value in row["written"]},
            written_at=row["written_at"],
            complete_at=row["complete_at"],
            newest=row["newest"],
            scheduled=ScheduledWrite(*row["scheduled"]) if row["scheduled"] else None,
        )


def receive(row: Row, state: Mapping[str, Any], received_at: str, owner: str, now: float, interval: float) -> Row:
    """The row after a message. Its scheduled write has `owner` when this message must write.

    `owner` is the same each time the message arrives, so that interrupted handling is resumed.
    """
    fields = _newest(row.fields, {path: (received_at, value) for path, value in _leaves(state)})
    scheduled = row.scheduled
    if scheduled is None and fields != row.fields:
        scheduled = ScheduledWrite(owner, max(now, row.written_at + interval))
    elif scheduled and scheduled.due + OVERDUE_SECONDS < now:
        scheduled = ScheduledWrite(owner, now)
    return replace(row, fields=fields, scheduled=scheduled)


def delay(scheduled: ScheduledWrite, now: float) -> int:
    """Whole seconds until a write is due, 0 when it is."""
    return max(0, math.ceil(scheduled.due - now))


def unwritten(row: Row, now: float, shared: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The state that a write must contain now: the changes since the last one, or from time to time everything.

    `shared` names the fields that others write as well: of those, everything newer than the last write, changed or not.
    """
    complete = now - row.complete_at >= COMPLETE_EVERY_SECONDS

    def is_due(path: Path, at: str, value: Any) -> bool:
        if path not in row.written or row.written[path] != value:
            return True
        return at > row.newest if path[0] in shared else complete and path[0] not in KEPT_BY_OTHERS

    return _nested({path: (at, value) for path, (at, value) in row.fields.items() if is_due(path, at, value)})


def wrote(written: Row, current: Row, owner: str, now: float, interval: float) -> Row:
    """The row after `unwritten(written)` was written; `current` is the row as it is by now.

    Fields that arrived in the meantime need another write, which `owner` owns.
    """
    complete = now - written.complete_at >= COMPLETE_EVERY_SECONDS
    scheduled = current.scheduled
    if scheduled and written.scheduled and scheduled.owner == written.scheduled.owner:
        more = dict(current.fields) != dict(written.fields)
        scheduled = ScheduledWrite(owner, now + interval) if more else None
    return replace(
        current,
        written={path: value for path, (_, value) in written.fields.items()},
        written_at=now,
        complete_at=now if complete else written.complete_at,
        newest=max((at for at, _ in written.fields.values()), default=""),
        scheduled=scheduled,
    )


def _leaves(state: Mapping[str, Any], at: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, value in state.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*at, name))
        else:
            yield (*at, name), value


def _newest(known: Mapping[Path, tuple[str, Any]], new: Mapping[Path, tuple[str, Any]]) -> dict[Path, tuple[str, Any]]:
    """The newest value of each field; of a field and a field below it, the newer one."""
    fields = {path: max(known.get(path, each), each, key=_order) for path, each in {**known, **new}.items()}
    gone = set()
    for path, (at, _) in fields.items():
        for above in (path[:length] for length in range(1, len(path))):
            if above in fields:
                gone.add(above if fields[above][0] < at else path)
    return {path: each for path, each in fields.items() if path not in gone}


def _order(field: tuple[str, Any]) -> tuple[str, str]:
    # Of two values with the same time, always the same one.
    return field[0], json.dumps(field[1], sort_keys=True)


def _nested(fields: Mapping[Path, tuple[str, Any]]) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for path, (_, value) in sorted(fields.items(), key=lambda item: (item[1][0], len(item[0]))):
        part = state
        for name in path[:-1]:
            if not isinstance(part.get(name), dict):
                part[name] = {}
            part = part[name]
        part[path[-1]] = value
    return state
