"""When a shadow is written that may be written only so often, and what. Pure: a row goes in, the next one comes out.

A row keeps the newest value of every field with the time it was told, what the shadow was last given, and at most one
*turn*: whoever holds it owes the shadow a write. So no state is lost while a turn is out, and a shadow is written once
in an interval. Rows are stored with compare-and-swap; every step can be repeated, and messages may come in any order.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

OVERDUE_SECONDS: Final = 1800.0
"""A turn due so long ago has failed for good (its message is a dead letter): the next message takes it over."""

WHOLE_EVERY_SECONDS: Final = 86_400.0
"""So often a write holds all fields, not only those that changed: it makes good what others did to the shadow."""

KEPT_BY_OTHERS: Final = frozenset({"fCntDown"})
"""Reported by a join, then counted elsewhere: not for repeating."""

Path = tuple[str, ...]


@dataclass(frozen=True)
class Turn:
    """A write that is owed. `ticket` names who owes it, `due` when (seconds since 1970)."""

    ticket: str
    due: float


@dataclass(frozen=True)
class Row:
    """What is known of one thing's shadow. Paths name fields: `("decodedPayload", "moisture")`.

    `written_at`, `whole_at`: seconds since 1970. `told`: the time of the newest message in the shadow.
    """

    fields: Mapping[Path, tuple[str, Any]] = field(default_factory=dict)
    written: Mapping[Path, Any] = field(default_factory=dict)
    written_at: float = 0.0
    whole_at: float = 0.0
    told: str = ""
    turn: Turn | None = None

    def text(self) -> str:
        """The row as JSON."""
        return json.dumps(
            {
                "fields": [[path, at, value] for path, (at, value) in self.fields.items()],
                "written": [[path, value] for path, value in self.written.items()],
                "written_at": self.written_at,
                "whole_at": self.whole_at,
                "told": self.told,
                "turn": [self.turn.ticket, self.turn.due] if self.turn else None,
            },
            separators=(",", ":"),
        )

    @classmethod
    def read(cls, text: str) -> "Row":
        """The row of a text that `text` gave."""
        row = json.loads(text)
        return cls(
            fields={tuple(path): (at, value) for path, at, value in row["fields"]},
            written={tuple(path): value for path, value in row["written"]},
            written_at=row["written_at"],
            whole_at=row["whole_at"],
            told=row["told"],
            turn=Turn(*row["turn"]) if row["turn"] else None,
        )


def receive(row: Row, state: Mapping[str, Any], told_at: str, ticket: str, now: float, interval: float) -> Row:
    """The row after a message. It holds the turn `ticket` when this message owes the write.

    `ticket` is the same each time the message comes, so that one whose handling broke off goes on.
    """
    fields = _newest(row.fields, {path: (told_at, value) for path, value in _leaves(state)})
    turn = row.turn
    if turn is None and fields != row.fields:
        turn = Turn(ticket, max(now, row.written_at + interval))
    elif turn and turn.due + OVERDUE_SECONDS < now:
        turn = Turn(ticket, now)
    return replace(row, fields=fields, turn=turn)


def delay(turn: Turn, now: float) -> int:
    """Whole seconds until a turn is due, 0 when it is."""
    return max(0, math.ceil(turn.due - now))


def unwritten(row: Row, now: float, shared: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What a write has to hold now: what changed since the last one, or from time to time everything.

    `shared` names the fields that others write as well: of those it is what was told since, changed or not.
    """
    whole = now - row.whole_at >= WHOLE_EVERY_SECONDS

    def is_due(path: Path, at: str, value: Any) -> bool:
        if path not in row.written or row.written[path] != value:
            return True
        return at > row.told if path[0] in shared else whole and path[0] not in KEPT_BY_OTHERS

    return _nested({path: (at, value) for path, (at, value) in row.fields.items() if is_due(path, at, value)})


def wrote(written: Row, current: Row, ticket: str, now: float, interval: float) -> Row:
    """The row after `unwritten(written)` was written; `current` is the row as it is by now.

    What came in meanwhile calls for another turn, with a `ticket` of its own.
    """
    whole = now - written.whole_at >= WHOLE_EVERY_SECONDS
    turn = current.turn
    if turn and written.turn and turn.ticket == written.turn.ticket:
        more = dict(current.fields) != dict(written.fields)
        turn = Turn(ticket, now + interval) if more else None
    return replace(
        current,
        written={path: value for path, (_, value) in written.fields.items()},
        written_at=now,
        whole_at=now if whole else written.whole_at,
        told=max((at for at, _ in written.fields.values()), default=""),
        turn=turn,
    )


def _leaves(state: Mapping[str, Any], at: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, value in state.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*at, name))
        else:
            yield (*at, name), value


def _newest(known: Mapping[Path, tuple[str, Any]], told: Mapping[Path, tuple[str, Any]]) -> dict[Path, tuple[str, Any]]:
    """Of each field the newest value; of a field and a field below it, the newer one."""
    fields = {path: max(known.get(path, each), each, key=_time) for path, each in {**known, **told}.items()}
    gone = set()
    for path, (at, _) in fields.items():
        for above in (path[:length] for length in range(1, len(path))):
            if above in fields:
                gone.add(above if fields[above][0] < at else path)
    return {path: each for path, each in fields.items() if path not in gone}


def _time(told: tuple[str, Any]) -> tuple[str, str]:
    # Two values of one time: any, but the same one whichever came first.
    return told[0], json.dumps(told[1], sort_keys=True)


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
