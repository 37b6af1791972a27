"""Which fields of a state are newer than those in the shadow: a late message must not overwrite a newer state.

A message in time is written without reading the shadow, unless this execution environment knows a newer one. Any other
is compared with the shadow as it was read, and written only to that version of it.
"""

from collections.abc import Mapping
from typing import Any, Final

from thingbridge.shadow.metadata import timestamps
from thingbridge.shadow.state import DECODED_PAYLOAD
from thingbridge.shadow.times import seconds, sortable

MAX_REMEMBERED: Final = 50_000
"""Things remembered in one execution environment: about 10 MB."""

LAST_SEEN: Final = "lastSeen"
ACTIVATED: Final = "activated"
DOWNLINK_COUNTER: Final = "fCntDown"

SKEW_SECONDS: Final = 5.0
"""How far the clock of the network may be ahead of that of AWS IoT, with which it is compared."""


class NewestStates:
    """The time of the newest state written for each thing by this execution environment.

    States of uplinks and joins replace each other; states without `lastSeen` replace only each other.
    """

    def __init__(self) -> None:
        self._newest: dict[tuple[str, bool], str] = {}

    def has_newer(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> bool:
        """Whether a newer state was written; a state without a time is as new as its arrival."""
        return received_at is not None and received_at < self._newest.get(_kind(thing_name, state), "")

    def written(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> None:
        """Remember that a state of that time, or a newer one, is in the shadow."""
        kind = _kind(thing_name, state)
        newest = max(received_at or "", self._newest.pop(kind, ""))
        if newest:
            if len(self._newest) >= MAX_REMEMBERED:
                del self._newest[next(iter(self._newest))]
            self._newest[kind] = newest


def newer_fields(state: Mapping[str, Any], received_at: str | None, document: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a state that is newer than a shadow document (`GetThingShadow`); all of it without a time.

    The document has two kinds of times. `lastSeen` is that of the newest uplink or join; its metadata say when AWS IoT
    wrote a field. What was written before a message was received is older than the message; of what was written later,
    nothing more is known, so it stays.
    """
    if received_at is None:
        return dict(state)
    shadow = _Shadow(document, seconds(received_at))
    newest = received_at > (sortable(shadow.reported.get(LAST_SEEN)) or "")
    if LAST_SEEN not in state:
        newest = received_at > (sortable(shadow.reported.get(ACTIVATED)) or "")
    fields = {}
    for name, value in state.items():
        if name == DECODED_PAYLOAD and not newest:
            if members := _members(value, shadow.reported.get(name), shadow.metadata.get(name), shadow):
                fields[name] = members
        elif _is_newer(name, value, received_at, newest, shadow):
            fields[name] = value
    return fields


class _Shadow:
    """The reported part of a document, as a message that was received at `at` (Unix seconds) finds it."""

    def __init__(self, document: Mapping[str, Any], at: float) -> None:
        self.reported: Mapping[str, Any] = document.get("state", {}).get("reported") or {}
        self.metadata: Mapping[str, Any] = document.get("metadata", {}).get("reported") or {}
        self._at = at

    def was_written_before(self, metadata: object) -> bool:
        """Whether a field with this metadata was written before the message was received."""
        written_at = max(timestamps(metadata), default=None)
        return written_at is not None and written_at + SKEW_SECONDS < self._at


def _is_newer(name: str, value: Any, received_at: str, newest: bool, shadow: _Shadow) -> bool:
    """`newest`: whether the message is newer than the last one of its kind."""
    if name == ACTIVATED:
        # Only joins report it: the newest join counts, even if an uplink is newer.
        return received_at > (sortable(shadow.reported.get(name)) or "")
    if name == DOWNLINK_COUNTER:
        known = shadow.reported.get(name)
        if known is None or shadow.was_written_before(shadow.metadata.get(name)):
            return True
        # Counted up within a session; a join, which sets 0, may come after downlinks of its session.
        return newest and isinstance(known, int | float) and value > known
    return newest


def _members(state: Mapping[str, Any], reported: object, metadata: object, shadow: _Shadow) -> dict[str, Any]:
    """The members of a late decoded payload that replace older ones. A missing one may have been removed since."""
    if not isinstance(reported, dict) or not isinstance(metadata, dict):
        return {}
    members = {}
    for name, value in state.items():
        if name not in reported:
            continue
        if isinstance(value, dict) and value and isinstance(reported[name], dict):
            if below := _members(value, reported[name], metadata.get(name), shadow):
                members[name] = below
        elif shadow.was_written_before(metadata.get(name)):
            members[name] = value
    return members


def _kind(thing_name: str, state: Mapping[str, Any]) -> tuple[str, bool]:
    return thing_name, LAST_SEEN in state
