"""Room in a full shadow: which members of the decoded payload are removed, so that the newest ones fit.

A shadow merges, so a decoder that names its members after what it saw (a beacon, a day) fills the 8 KB of desired and
reported state. Its oldest members give way: those that the metadata of the document show as written first.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from thingbridge.shadow.metadata import timestamps
from thingbridge.shadow.state import DECODED_PAYLOAD

TARGETS: Final = (6 * 1024, 4 * 1024, 2 * 1024)
"""Bytes of desired and reported state to come down to, one after the other while AWS IoT still refuses the shadow.

Well below the limit, so that a shadow that has filled up once does not do so again with the next message.
"""

LEAST: Final = 1024
"""The fewest bytes that are removed."""

Path = tuple[str, ...]


class Made(NamedTuple):
    """A state that fits: `state` removes members by null; `removed` are their paths in the decoded payload."""

    state: Mapping[str, Any]
    removed: tuple[Path, ...]


def made(document: Mapping[str, Any], state: Mapping[str, Any], target: int) -> Made:
    """The state with nulls for the oldest members of the shadow, until desired and reported have `target` bytes.

    What the state itself reports stays. `removed` is empty if nothing else can give way.
    """
    sections = document.get("state", {})
    reported = sections.get("reported") or {}
    payload, new = reported.get(DECODED_PAYLOAD), state.get(DECODED_PAYLOAD, {})
    if not isinstance(payload, dict):
        return Made(state, ())
    excess = size({"desired": sections.get("desired") or {}, "reported": _merged(reported, state)}) - target
    # At least `LEAST`: AWS IoT refused the shadow, however it counts.
    excess = max(excess, LEAST)
    metadata = document.get("metadata", {}).get("reported", {}).get(DECODED_PAYLOAD, {})
    removed: set[Path] = set()
    for _, path, bytes_ in sorted(_members(payload, metadata, new, ())):
        if excess <= 0:
            break
        removed.add(path)
        excess -= bytes_
    if not removed:
        return Made(state, ())
    nulls = _nulls(payload, new, removed, ())
    return Made({**state, DECODED_PAYLOAD: _joined(nulls, new)}, tuple(sorted(removed)))


def size(value: object) -> int:
    """Bytes of a value as compact JSON."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def _members(payload: Mapping[str, Any], metadata: Any, new: Any, path: Path) -> Iterator[tuple[int, Path, int]]:
    """Time, path and bytes of each member that the new state does not report."""
    for name, value in payload.items():
        known = metadata.get(name) if isinstance(metadata, dict) else None
        at = (*path, name)
        reported_now = isinstance(new, Mapping) and name in new
        if isinstance(value, dict) and value and (not reported_now or isinstance(new[name], Mapping)):
            yield from _members(value, known, new[name] if reported_now else {}, at)
        elif not reported_now:
            yield max(timestamps(known), default=0), at, size({name: value})


def _nulls(payload: Mapping[str, Any], new: Any, removed: set[Path], path: Path) -> dict[str, Any]:
    """The nulls that remove these members. An object that would be left empty is removed as a whole."""
    nulls: dict[str, Any] = {}
    for name, value in payload.items():
        at = (*path, name)
        reported_now = isinstance(new, Mapping) and name in new
        if at in removed:
            nulls[name] = None
        elif isinstance(value, dict) and value:
            below = _nulls(value, new[name] if reported_now else {}, removed, at)
            whole = not reported_now and len(below) == len(value) and all(each is None for each in below.values())
            if below:
                nulls[name] = None if whole else below
    return nulls


def _joined(nulls: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    joined = {**nulls, **new}
    for name in nulls.keys() & new.keys():
        if isinstance(nulls[name], dict) and isinstance(new[name], Mapping):
            joined[name] = _joined(nulls[name], new[name])
    return joined


def _merged(reported: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """A shadow after an update, as AWS IoT merges it: objects are merged, null removes, anything else replaces."""
    merged = dict(reported)
    for name, value in state.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            known = merged.get(name)
            merged[name] = _merged(known if isinstance(known, dict) else {}, value)
        else:
            merged[name] = value
    return merged
