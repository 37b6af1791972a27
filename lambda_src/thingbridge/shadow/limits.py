"""The part of a decoder's output that a shadow can hold: a decoder may return any JSON, a shadow accepts less.

Limits: AWS IoT Core Device Shadow service, quotas and error messages: 8 KB for desired and reported together, eight
levels, no null in a list, no NaN, UTF-8.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

MAX_LEVELS: Final = 8
"""Levels of `reported`; its own members are the first."""

MAX_PAYLOAD_BYTES: Final = 7 * 1024
"""Of the document's 8 KB; the rest is for other fields. The size of `desired` is unknown without reading it."""

NAMED_AT_MOST: Final = 5
"""Members named in one log entry, of those that were omitted."""

Path = tuple[str, ...]


def fitting(payload: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The part of a decoder's output that a shadow can hold; which part was omitted and why (None: nothing).

    A member that does not fit is omitted with everything below it; the others stay. null stays: it removes a field from
    the shadow that the device no longer reports. If it has too many bytes, nothing is kept.
    """
    faults = dict(_faults(payload, (), 1))
    kept = _without(payload, faults.keys(), ())
    size = len(json.dumps(kept, separators=(",", ":")).encode())
    if size > MAX_PAYLOAD_BYTES:
        return {}, f"it has {size} bytes, the limit is {MAX_PAYLOAD_BYTES}"
    if not faults:
        return kept, None
    return kept, "; ".join(_some([f"{'.'.join(path)[:100]!a} {reason}" for path, reason in faults.items()]))


def beside_state(names: Sequence[str]) -> str:
    """Why the members of a decoder's output beside its `state` are not reported. `names`: theirs."""
    named = ", ".join(_some([f"{name[:100]!a}" for name in names]))
    return f"the decoder returns an object 'state', which is reported alone, without {named}: move them into it"


def _some(named: Sequence[str]) -> list[str]:
    more = len(named) - NAMED_AT_MOST
    return [*named[:NAMED_AT_MOST], *([f"{more} more"] if more > 0 else [])]


def _faults(value: object, path: Path, level: int) -> Iterator[tuple[Path, str]]:
    """The outermost members that don't fit. `level`: that of `value` itself."""
    if isinstance(value, Mapping):
        if value and level >= MAX_LEVELS:
            yield path, f"is deeper than {MAX_LEVELS} levels"
            return
        for name, member in value.items():
            if not _encodable(name):
                yield (*path, name), "has a name that is not Unicode"
            else:
                yield from _faults(member, (*path, name), level + 1)
    elif reason := _fault_of_value(value, level):
        yield path, reason


def _fault_of_value(value: object, level: int) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a JSON number"
    if isinstance(value, str) and not _encodable(value):
        return "is not Unicode"
    if isinstance(value, list):
        if level >= MAX_LEVELS and value:
            return f"is deeper than {MAX_LEVELS} levels"
        if None in value:
            return "is a list that contains null"
        # A list is written as a whole, so one member that does not fit excludes the list.
        for member in value:
            for _, reason in _faults(member, (), level + 1):
                return f"is a list in which something {reason}"
    return None


def _without(value: Any, paths: Any, path: Path) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _without(member, paths, (*path, name)) for name, member in value.items() if (*path, name) not in paths
        }
    return value


def _encodable(text: str) -> bool:
    # A lone half of a surrogate pair: JSON can spell it, UTF-8 can't.
    return not any("\ud800" <= character <= "\udfff" for character in text)
