"""Which fields of a state are newer than the written ones: an older message must not overwrite a newer state."""

from collections.abc import Mapping
from typing import Any, Final

MAX_REMEMBERED: Final = 50_000
"""Things remembered in one execution environment: about 10 MB."""

FROM_JOINS_ALONE: Final = "activated"
"""The field that only joins report: it counts as newer even in a late join."""


class NewestStates:
    """The time of the newest state written for each thing by this execution environment.

    States of uplinks and joins replace each other; states without `lastSeen` replace only each other.
    """

    def __init__(self) -> None:
        self._newest: dict[tuple[str, bool], str] = {}

    def newer_fields(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> dict[str, Any]:
        """The part of a state that nothing newer was written for; a repeated state counts as newer."""
        if received_at is None or received_at >= self._newest.get(_kind(thing_name, state), ""):
            return dict(state)
        return {field: value for field, value in state.items() if field == FROM_JOINS_ALONE}

    def written(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> None:
        """Remember that a state of that time is in the shadow."""
        kind = _kind(thing_name, state)
        newest = max(received_at or "", self._newest.pop(kind, ""))
        if newest:
            if len(self._newest) >= MAX_REMEMBERED:
                del self._newest[next(iter(self._newest))]
            self._newest[kind] = newest


def _kind(thing_name: str, state: Mapping[str, Any]) -> tuple[str, bool]:
    return thing_name, "lastSeen" in state
