"""Messages in which one field is wrong: every field of every kind of message, with every type that it must not have.

What a message looks like comes from the description of the API (`local.things_stack.description.application_up`) and
from the examples in `tests/data/events`; nothing here is random.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from local.things_stack.description.application_up import APPLICATION_UP
from local.things_stack.description.messages import UP_KINDS
from local.things_stack.description.schema import Many, Scalar, Table, Type
from tests import events
from tests.sizes import size
from thingbridge.messaging.topics import UPSTREAM_EVENTS

Path = tuple[str | int, ...]


def nested(levels: int) -> Any:
    """Objects and lists in each other, so many levels deep."""
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"deeper": value}
    return value


WRONG: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1.5, 2**32, 10**30, 10**400, float("nan"), float("inf")),
    *("", "x", "5", "AQ", "!not base64", "ü", "\ud800", "\0", "a/b", "+/#", "2026-13-45T99:99:99Z", "A" * 5000),
    *([], [None], [1, "a", {}, []], [[[]]], {}, {"": {}}, {"key": 1}, {"timestamp": "x"}),
    *(nested(60), nested(150)),
)
"""A value of each type and beyond each limit. In the place of some field, each is right; in most, it is wrong."""

RIGHT: Final[Mapping[str, Any]] = {
    "device_id": "tank-7",
    "dev_eui": "A81758FFFE0312AB",
    "join_eui": "A81758FFFE000001",
    "dev_addr": "260B1C2D",
    "application_id": "farm-app",
    "session_key_id": "AYxyz0ABCDAAAAAAAAAAAA==",
    "frm_payload": "AQ==",
    "f_cnt": 6,
    "last_f_cnt_down": 5,
}
"""The values of fields that a message must have for it to be about the device of the examples."""

_OF_A_KIND: Final[Mapping[str, Any]] = {
    "string": "text",
    "hex": "00",
    "bytes": "AQ==",
    "bool": True,
    "int": 1,
    "int64": "1",
    "number": 1.5,
    "time": "2026-01-02T14:39:58.127630782Z",
    "duration": "0.5s",
    "struct": {"level": 5},
}


def right(type_: Type, name: str = "") -> Any:
    """A value of a type of the API with all of its fields."""
    match type_:
        case Scalar():
            return RIGHT.get(name, type_.one_of[0] if type_.one_of else _OF_A_KIND[type_.kind])
        case Many():
            return [right(type_.of, name)]
        case Table():
            return {"user": right(type_.of)}
    return {field: right(of, field) for field, of in type_.items()}


@dataclass(frozen=True)
class Message:
    """A message of The Things Stack; `event` is the end of its topic."""

    event: str
    body: Mapping[str, Any]


def messages() -> dict[str, Message]:
    """Right messages by name: one of each kind with every field of the API, and the examples, which have few."""
    common = {name: type_ for name, type_ in APPLICATION_UP.items() if name not in UP_KINDS}
    found = {
        f"all fields of {kind}": Message(_event(kind), right({**common, kind: APPLICATION_UP[kind]}))
        for kind in UP_KINDS
    }
    for path in sorted((events.FOLDER / "things_stack").iterdir()):
        body = events.load(f"things_stack/{path.stem}")
        (kind,) = body.keys() & set(UP_KINDS)
        found[path.stem] = Message(_event(kind), body)
    return found


def _event(kind: str) -> str:
    return UPSTREAM_EVENTS.get(kind, kind.replace("_", "/"))


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """The place of every field of a message, the message itself first."""
    yield at
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from paths(part, (*at, name))


def replaced(value: Any, at: Path, by: Any) -> Any:
    """The same message with another value in that place."""
    if not at:
        return by
    if isinstance(value, list):
        return [replaced(part, at[1:], by) if index == at[0] else part for index, part in enumerate(value)]
    return {name: replaced(part, at[1:], by) if name == at[0] else part for name, part in value.items()}


def removed(value: Any, at: Path) -> Any:
    """The same message without that field."""
    if isinstance(value, list):
        kept = [part for index, part in enumerate(value) if (index,) != at]
        return [removed(part, at[1:]) if (index,) == at[:1] and at[1:] else part for index, part in enumerate(kept)]
    return {
        name: removed(part, at[1:]) if name == at[0] else part for name, part in value.items() if (name,) != tuple(at)
    }


def malformed(body: Any) -> Iterator[tuple[str, bytes]]:
    """Every wrong form of a message: where it is wrong, in words, and its bytes."""
    for at in paths(body):
        where = ".".join(map(str, at)) or "the message"
        for wrong in WRONG:
            yield f"{where} = {wrong!r:.40}", encoded(replaced(body, at, wrong))
        if at:
            yield f"without {where}", encoded(removed(body, at))


def chosen(body: Any, seed: str) -> Iterator[tuple[str, bytes]]:
    """All of them under `make soak`; otherwise one in thirty-one, in which each field and each wrong value occurs."""
    every = size(31, 1)
    return islice(malformed(body), sum(map(ord, seed)) % every, None, every)


def encoded(value: Any) -> bytes:
    """As a careless sender writes JSON: with NaN, and with halves of surrogate pairs."""
    return json.dumps(value).encode()
