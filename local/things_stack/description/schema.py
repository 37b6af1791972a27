"""The types that values of a request can have, and how a JSON value is read against one of them.

The fields of each message are in `messages`. Reading returns the value as The Things Stack stores it (EUIs and keys in
upper case, enumerations by their long name) and collects problems instead of raising, so that one request shows all of
its errors at once.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MASK = "mask"


@dataclass(frozen=True)
class Scalar:
    """A value without fields. `kind` is one of string, hex, enum, bytes, bool, int, int64, number, time, duration,
    struct, mask; lengths are characters of a string and bytes of `bytes`, `hex` has an exact length in bytes."""

    kind: str
    pattern: str = ""
    shortest: int = 0
    longest: int | None = None
    least: float | None = None
    most: float | None = None
    one_of: tuple[str, ...] = ()
    none_of: tuple[int, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Many:
    """A list of `of`, at most `longest`."""

    of: Type
    longest: int | None = None


@dataclass(frozen=True)
class Table:
    """A JSON object with free keys (grammar `key`) and values `of`, at most `longest` entries."""

    of: Type
    key: str = ""
    longest: int | None = None


Message = Mapping[str, Any]
Type = Scalar | Many | Table | Message


@dataclass(frozen=True)
class Problem:
    """One error in a request: `kind` is field, type, enum, grammar, mask, query, path, method or host. `unreadable` is
    the path that the answer names if the value can't be read at all, None if it is read and then found invalid."""

    kind: str
    where: str
    reason: str
    unreadable: str | None = None


def read(value: Any, expected: Type, where: str, problems: list[Problem]) -> Any:
    """Returns `value` in canonical form; appends to `problems` every mismatch with `expected`."""
    match expected:
        case Scalar():
            return _read_scalar(value, expected, where, problems)
        case Many():
            if not isinstance(value, list):
                problems.append(_not_of_type(where, "must be a list"))
                return []
            if expected.longest is not None and len(value) > expected.longest:
                problems.append(Problem("grammar", where, f"must have at most {expected.longest} items"))
            return [read(item, expected.of, f"{where}[{i}]", problems) for i, item in enumerate(value)]
        case Table():
            if not isinstance(value, dict):
                problems.append(_not_of_type(where, "must be an object"))
                return {}
            if expected.longest is not None and len(value) > expected.longest:
                problems.append(Problem("grammar", where, f"must have at most {expected.longest} entries"))
            for key in value:
                if expected.key and not re.fullmatch(expected.key, key):
                    problems.append(Problem("grammar", f"{where}[{key}]", f"the key must match {expected.key}"))
            return {key: read(item, expected.of, f"{where}[{key}]", problems) for key, item in value.items()}
        case _:
            return _read_message(value, expected, where, problems)


def _read_message(value: Any, expected: Message, where: str, problems: list[Problem]) -> dict[str, Any]:
    if not isinstance(value, dict):
        problems.append(_not_of_type(where, "must be an object"))
        return {}
    known = {}
    for name, item in value.items():
        path = f"{where}.{name}" if where else name
        if name not in expected:
            problems.append(Problem("field", path, "is not a field of this message"))
        elif item is not None:  # proto3 JSON: null means that the field is absent
            known[name] = read(item, expected[name], path, problems)
    return known


def _not_of_type(where: str, reason: str, kind: str = "type") -> Problem:
    """A value that can't be read: the answer names the message that it is in, without index."""
    return Problem(kind, where, reason, re.sub(r"\[[^\]]*\]$", "", where.rpartition(".")[0]))


class _Wrong(Exception):
    """Raised by a reader: the problem's kind and reason."""


def _read_scalar(value: Any, expected: Scalar, where: str, problems: list[Problem]) -> Any:
    try:
        return _READERS[expected.kind](value, expected)
    except _Wrong as wrong:
        kind, reason = wrong.args
        if expected.kind == "hex":  # read by code of its own, which knows the whole path
            problems.append(Problem(kind, where, reason, where))
        elif kind in ("type", "enum"):
            problems.append(_not_of_type(where, reason, kind))
        else:
            problems.append(Problem(kind, where, reason))
        return [] if expected.kind == MASK else value


def _bool(value: Any, _: Scalar) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("type", "must be true or false")
    return value


def _int(value: Any, expected: Scalar) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Wrong("type", "must be a whole number")
    least = 0 if expected.least is None else expected.least
    if value < least or (expected.most is not None and value > expected.most):
        raise _Wrong("grammar", f"must be between {least} and {expected.most}")
    if value in expected.none_of:
        raise _Wrong("grammar", f"must not be {value}")
    return value


def _int64(value: Any, expected: Scalar) -> str:
    """proto3 JSON represents 64-bit integers as strings and accepts numbers too."""
    return str(_int(int(value) if isinstance(value, str) and value.isdecimal() else value, expected))


def _number(value: Any, _: Scalar) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Wrong("type", "must be a number")
    return value


def _struct(value: Any, _: Scalar) -> Any:
    if not isinstance(value, dict):
        raise _Wrong("type", "must be an object")
    return value


def _mask(value: Any, _: Scalar) -> list[str]:
    """`{"paths": ["a", "b.c"]}` as The Things Stack documents it, or `"a,b.c"` as proto3 JSON has it."""
    if isinstance(value, str):
        return [path for path in value.split(",") if path]
    paths = value.get("paths", []) if isinstance(value, dict) and set(value) <= {"paths"} else None
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise _Wrong("type", 'must be {"paths": [...]} or a comma-separated string')
    return paths


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("type", "must be a string")
    return value


def _string(value: Any, expected: Scalar) -> str:
    text = _text(value)
    if expected.one_of and text not in expected.one_of:
        raise _Wrong("grammar", f"is not one of {', '.join(expected.one_of)}")
    if len(text) < expected.shortest:
        raise _Wrong("grammar", f"must have at least {expected.shortest} characters")
    if expected.longest is not None and len(text) > expected.longest:
        raise _Wrong("grammar", f"must have at most {expected.longest} characters")
    if expected.pattern and not re.fullmatch(expected.pattern, text):
        raise _Wrong("grammar", f"must match {expected.pattern}")
    return text


def _enum(value: Any, expected: Scalar) -> str:
    name = expected.aliases.get(_text(value), value)
    if name not in expected.one_of:
        raise _Wrong("enum", f"is not one of {', '.join(expected.one_of)}")
    return str(name)


def _hex(value: Any, expected: Scalar) -> str:
    """Hexadecimal, or base64 as proto3 JSON has bytes."""
    digits = 2 * (expected.longest or 0)
    if re.fullmatch(f"[0-9A-Fa-f]{{{digits}}}", _text(value)):
        return str(value).upper()
    try:
        decoded = base64.b64decode(value, validate=True)
    except binascii.Error:
        decoded = b""
    if len(decoded) != expected.longest:
        raise _Wrong("grammar", f"must be {digits} hexadecimal digits")
    return decoded.hex().upper()


def _bytes(value: Any, expected: Scalar) -> str:
    try:
        length = len(base64.b64decode(_text(value), validate=True))
    except binascii.Error:
        raise _Wrong("type", "must be base64") from None
    if expected.longest is not None and length > expected.longest:
        raise _Wrong("grammar", f"must have at most {expected.longest} bytes")
    return str(value)


def _time(value: Any, _: Scalar) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", _text(value)):
        raise _Wrong("type", "must be an RFC 3339 time")
    return str(value)


def _duration(value: Any, _: Scalar) -> str:
    if not re.fullmatch(r"-?\d+(\.\d{1,9})?s", _text(value)):
        raise _Wrong("type", "must be a duration such as 1.5s")
    return str(value)


_READERS: Mapping[str, Callable[[Any, Scalar], Any]] = {
    "bool": _bool,
    "int": _int,
    "int64": _int64,
    "number": _number,
    "struct": _struct,
    MASK: _mask,
    "string": _string,
    "enum": _enum,
    "hex": _hex,
    "bytes": _bytes,
    "time": _time,
    "duration": _duration,
}


def without_oneofs(path: str, oneofs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The JSON paths that a field mask path stands for; empty when it names an alternative without its oneof."""
    steps = path.split(".")
    alternatives = {alternative for several in oneofs.values() for alternative in several}
    if any(step in alternatives and before not in oneofs for before, step in zip(["", *steps], steps, strict=False)):
        return []
    named = [step for step in steps if step not in oneofs]
    return [".".join([*named, each]) for each in oneofs[steps[-1]]] if steps[-1] in oneofs else [".".join(named)]


def has_path(message: Message, path: str) -> bool:
    """Whether `path` (dotted, as in a field mask) names a field of `message` or of a nested message."""
    at: Type = message
    for step in path.split("."):
        if isinstance(at, Table):
            at = at.of
        elif isinstance(at, Mapping) and step in at:
            at = at[step]
        else:
            return False
    return True
