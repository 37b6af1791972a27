"""When a shadow that is written at intervals is written, and with what. Pure: a row goes in, a row comes out.

A row contains the newest value of every field with its time, what was last written to the shadow, and at most one
*scheduled write*: its owner must write the shadow when it is due. So no state is lost between writes, and a shadow is
written once per interval. Rows are stored with optimistic locking; every step can be repeated, and messages may arrive
in any order.

A decoder may name its members after what it saw (a beacon, a day), so the decoded payload of a row is bounded: its
oldest members are removed, from the shadow by null, and a message that is older than those no longer adds any.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from thingbridge.errors import BadInput
from thingbridge.shadow.state import DECODED_PAYLOAD

OVERDUE_SECONDS: Final = 1800.0
"""A write that is overdue for so long has failed for good (its message is a dead letter): the next message owns it."""

COMPLETE_EVERY_SECONDS: Final = 86_400.0
"""How often a write contains all fields, not only those that changed: this undoes changes by others."""

KEPT_BY_OTHERS: Final = frozenset({"fCntDown"})
"""Reported by a join, then counted by others: never written again unchanged."""

MAX_PAYLOAD_BYTES: Final = 4 * 1024
"""What the members of the decoded payload may have together in the shadow. They take about four times that of a row.

The members of the newest message always stay: `limits` bounds them.
"""

Path = tuple[str, ...]
Fields = Mapping[Path, tuple[str, Any]]


@dataclass(frozen=True)
class ScheduledWrite:
    """A future write. `owner` identifies the message that writes; `due`: Unix seconds."""

    owner: str
    due: float


@dataclass(frozen=True)
class Row:
    """The state of one thing's shadow. Paths name fields: `("decodedPayload", "moisture")`.

    `fields`: time and value; `written`: the values in the shadow. `written_at`, `complete_at`: Unix seconds of the last
    write, and of the last one with all fields. `newest`: the time of the newest message in the shadow. `forgotten`: the
    time of the newest member that was removed for lack of room, empty if none was.
    """

    fields: Fields = field(default_factory=dict)
    written: Mapping[Path, Any] = field(default_factory=dict)
    written_at: float = 0.0
    complete_at: float = 0.0
    newest: str = ""
    forgotten: str = ""
    scheduled: ScheduledWrite | None = None

    def text(self) -> str:
        """The row as JSON. Of what was written, only the differences from the fields: rows are paid for by size."""
        return json.dumps(
            {
                "fields": [[path, at, value] for path, (at, value) in self.fields.items()],
                "unwritten": [path for path in self.fields if path not in self.written],
                "written": [
                    [path, value]
                    for path, value in self.written.items()
                    if path not in self.fields or not _same(self.fields[path][1], value)
                ],
                "written_at": self.written_at,
                "complete_at": self.complete_at,
                "newest": self.newest,
                "forgotten": self.forgotten,
                "scheduled": [self.scheduled.owner, self.scheduled.due] if self.scheduled else None,
            },
            separators=(",", ":"),
        )

    @classmethod
    def read(cls, text: str | None) -> "Row":
        """The row that `text` returned; an empty row for None. Raises BadInput for any other text."""
        if text is None:
            return cls()
        try:
            return cls._read(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput("row", "is not a stored state of a shadow") from error

    @classmethod
    def _read(cls, row: Mapping[str, Any]) -> "Row":
        fields = {tuple(path): (at, value) for path, at, value in row["fields"]}
        unwritten = {tuple(path) for path in row["unwritten"]}
        written = {path: value for path, (_, value) in fields.items() if path not in unwritten}
        return cls(
            fields=fields,
            written=written | {tuple(path): value for path, value in row["written"]},
            written_at=row["written_at"],
            complete_at=row["complete_at"],
            newest=row["newest"],
            forgotten=row["forgotten"],
            scheduled=ScheduledWrite(*row["scheduled"]) if row["scheduled"] else None,
        )


def receive(row: Row, state: Mapping[str, Any], received_at: str, owner: str, now: float, interval: float) -> Row:
    """The row after a message. Its scheduled write has `owner` when this message must write.

    `owner` is the same each time the message arrives, so that interrupted handling is resumed.
    """
    new = {path: (received_at, value) for path, value in _leaves(state) if not _is_forgotten(row, path, received_at)}
    after = _bounded(replace(row, fields=_newest(row.fields, new)), MAX_PAYLOAD_BYTES)
    scheduled = row.scheduled
    if scheduled is None and after.fields != row.fields:
        scheduled = ScheduledWrite(owner, max(now, row.written_at + interval))
    elif scheduled and scheduled.due + OVERDUE_SECONDS < now:
        scheduled = ScheduledWrite(owner, now)
    return replace(after, scheduled=scheduled)


def shortened(row: Row) -> Row:
    """The row without the older half of its decoded payload, for a shadow that has less room than usual."""
    return _bounded(row, _payload_bytes(row) // 2)


def delay(scheduled: ScheduledWrite, now: float) -> int:
    """Whole seconds until a write is due, 0 when it is."""
    return max(0, math.ceil(scheduled.due - now))


def unwritten(row: Row, now: float, shared: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The state that a write must contain now: the changes since the last one, or from time to time everything.

    `shared` names the fields that others write as well: of those, everything newer than the last write, changed or not.
    """
    complete = now - row.complete_at >= COMPLETE_EVERY_SECONDS

    def is_due(path: Path, at: str, value: Any) -> bool:
        if path not in row.written or not _same(row.written[path], value):
            return True
        return at > row.newest if path[0] in shared else complete and path[0] not in KEPT_BY_OTHERS

    return _nested(
        {_removable(row, path): (at, value) for path, (at, value) in row.fields.items() if is_due(path, at, value)}
    )


def wrote(written: Row, current: Row, owner: str, now: float, interval: float) -> Row:
    """The row after `unwritten(written)` was written; `current` is the row as it is by now.

    Fields that arrived in the meantime need another write, which `owner` owns.
    """
    if not _owns(written, current):
        return _wrote_out_of_turn(written, current, owner, now, interval)
    fields = _with_restored(written, current)
    more = fields != dict(written.fields)
    complete = now - written.complete_at >= COMPLETE_EVERY_SECONDS
    row = replace(
        current,
        fields=fields,
        written={path: value for path, (_, value) in written.fields.items()},
        written_at=now,
        complete_at=now if complete else written.complete_at,
        newest=max((at for at, _ in written.fields.values()), default=""),
        scheduled=ScheduledWrite(owner, now + interval) if more else None,
    )
    return _without_removed(row)


def refused(written: Row, current: Row, owner: str, now: float, interval: float) -> Row:
    """The row after AWS IoT refused the whole of `unwritten(written)`, for whatever reason: it is still unwritten, and
    part of the next message's write. `current` and `owner`: as for `wrote`.
    """
    if not _owns(written, current):
        return current
    more = dict(current.fields) != dict(written.fields)
    return replace(current, written_at=now, scheduled=ScheduledWrite(owner, now + interval) if more else None)


def _owns(written: Row, current: Row) -> bool:
    """Whether a write is still that of the writer who began it: a slow one may have lost it to another."""
    if written.scheduled is None or current.scheduled is None:
        return False
    return written.scheduled.owner == current.scheduled.owner


def _wrote_out_of_turn(written: Row, current: Row, owner: str, now: float, interval: float) -> Row:
    """The row after a write that another writer had done already, which may have set the shadow back.

    What is in the shadow now is unknown where the two differ, so that is written again.
    """
    fields = _with_restored(written, current)
    known = {
        path: value
        for path, value in current.written.items()
        if path not in written.fields or _same(written.fields[path][1], value)
    }
    due = any(path not in known or not _same(known[path], value) for path, (_, value) in fields.items())
    scheduled = current.scheduled or (ScheduledWrite(owner, now + interval) if due else None)
    return replace(current, fields=fields, written=known, written_at=max(current.written_at, now), scheduled=scheduled)


def _with_restored(written: Row, current: Row) -> dict[Path, tuple[str, Any]]:
    """The current fields, and a null for each member that was removed in the meantime and is in the shadow again."""
    restored = {
        path: (at, None)
        for path, (at, value) in written.fields.items()
        if value is not None and _is_forgotten(current, path, at)
    }
    return {**current.fields, **restored}


def _is_forgotten(row: Row, path: Path, at: str) -> bool:
    """Whether a member is as old as those that were removed for lack of room."""
    return path[0] == DECODED_PAYLOAD and path not in row.fields and at <= row.forgotten


def _bounded(row: Row, limit: int) -> Row:
    """The row without the oldest members of its decoded payload, so that it has at most `limit` bytes.

    They become null, which removes them from the shadow with the next write: also those that the row does not know as
    written, because a write that was interrupted is in the shadow and not in the row.
    """
    excess = _payload_bytes(row) - limit
    payload = sorted((at, path) for path, (at, _) in row.fields.items() if path[0] == DECODED_PAYLOAD)
    fields, forgotten, gone = dict(row.fields), row.forgotten, set()
    for at, path in payload:
        if excess <= 0 or at == payload[-1][0]:
            break
        if not (bytes_ := _bytes(row, path)):
            continue
        excess -= bytes_
        forgotten = max(forgotten, at)
        if fields[path][1] is None:
            gone.add(path)
        fields[path] = (at, None)
    bounded = replace(row, fields=fields, forgotten=forgotten)
    return _without(bounded, gone | _doubtful_nulls(bounded, limit))


def _doubtful_nulls(row: Row, limit: int) -> set[Path]:
    """The oldest nulls for members that are probably not in the shadow, if all of them have more than `limit` bytes."""
    nulls = sorted(
        (at, path)
        for path, (at, value) in row.fields.items()
        if value is None and path[0] == DECODED_PAYLOAD and path not in row.written
    )
    excess, gone = sum(_bytes_of_name(path) for _, path in nulls) - limit, set()
    for _, path in nulls:
        if excess <= 0:
            break
        excess -= _bytes_of_name(path)
        gone.add(path)
    return gone


def _payload_bytes(row: Row) -> int:
    payload = [path for path in row.fields if path[0] == DECODED_PAYLOAD]
    objects = {path[:length] for path in payload for length in range(2, len(path))}
    return sum(_bytes(row, path) for path in payload) + sum(_bytes_of_name(path) for path in objects)


def _bytes(row: Row, path: Path) -> int:
    """What a member takes of the shadow, 0 for one that its next write removes."""
    _, value = row.fields[path]
    if value is None and row.written.get(path, 0) is not None:
        return 0
    return _bytes_of_name(path) + len(json.dumps(value, separators=(",", ":")))


def _bytes_of_name(path: Path) -> int:
    return len(path[-1].encode()) + len('"":,')


def _removable(row: Row, path: Path) -> Path:
    """The path of a member, or, for one that is removed, of the outermost object that would be left empty."""
    at, value = row.fields[path]
    if value is not None or path[0] != DECODED_PAYLOAD or at > row.forgotten:
        return path
    kept = [each for each, (_, value) in row.fields.items() if value is not None]
    lengths = range(2, len(path))
    return next((path[:n] for n in lengths if not any(each[:n] == path[:n] for each in kept)), path)


def _without_removed(row: Row) -> Row:
    """The row without the members that were removed for lack of room and are no longer in the shadow."""
    return _without(
        row,
        {
            path
            for path, (at, value) in row.fields.items()
            if value is None and path[0] == DECODED_PAYLOAD and at <= row.forgotten and row.written.get(path, 0) is None
        },
    )


def _without(row: Row, gone: set[Path]) -> Row:
    if not gone:
        return row
    return replace(
        row,
        fields={path: each for path, each in row.fields.items() if path not in gone},
        written={path: value for path, value in row.written.items() if path not in gone},
    )


def _same(one: Any, other: Any) -> bool:
    # In Python, True equals 1: JSON knows the difference, also within a list.
    if type(one) is not type(other):
        return False
    return bool(one == other) and (not isinstance(one, list) or json.dumps(one) == json.dumps(other))


def _leaves(state: Mapping[str, Any], at: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, value in state.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*at, name))
        else:
            yield (*at, name), value


def _newest(known: Fields, new: Fields) -> dict[Path, tuple[str, Any]]:
    """The newest value of each field; of a field and a field below it, the newer one."""
    fields = {**known, **{path: max(known.get(path, each), each, key=_order) for path, each in new.items()}}
    gone = set()
    for path, (at, _) in fields.items():
        for above in (path[:length] for length in range(1, len(path))):
            if above in fields:
                gone.add(above if fields[above][0] < at else path)
    return {path: each for path, each in fields.items() if path not in gone}


def _order(field: tuple[str, Any]) -> tuple[str, str]:
    # Of two values with the same time, always the same one.
    return field[0], json.dumps(field[1], sort_keys=True)


def _nested(fields: Fields) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for path, (_, value) in sorted(fields.items(), key=lambda item: (item[1][0], len(item[0]))):
        part = state
        for name in path[:-1]:
            if not isinstance(part.get(name), dict):
                part[name] = {}
            part = part[name]
        part[path[-1]] = value
    return state
