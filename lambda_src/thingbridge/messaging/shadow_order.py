"""Which states are still news: messages come in any order, and an older one must not set a shadow back."""

from collections.abc import Mapping
from typing import Any, Final

MAX_REMEMBERED: Final = 50_000
"""Things remembered in one sandbox: about 10 MB."""

OF_THE_JOIN: Final = "activated"
"""The field that uplinks don't tell: a join that comes late is news in it alone."""


class NewestStates:
    """The time of the newest state that was written for each thing, as far as one sandbox knows.

    States of uplinks and joins replace one another; those that don't tell `lastSeen` only each other.
    """

    def __init__(self) -> None:
        self._newest: dict[tuple[str, bool], str] = {}

    def news(self, thing_name: str, state: Mapping[str, Any], told_at: str | None) -> dict[str, Any]:
        """The part of a state that nothing newer has been written for; a repeated state is news again."""
        if told_at is None or told_at >= self._newest.get(_kind(thing_name, state), ""):
            return dict(state)
        return {field: value for field, value in state.items() if field == OF_THE_JOIN}

    def written(self, thing_name: str, state: Mapping[str, Any], told_at: str | None) -> None:
        """Remember that a state of that time is in the shadow."""
        kind = _kind(thing_name, state)
        newest = max(told_at or "", self._newest.pop(kind, ""))
        if newest:
            if len(self._newest) >= MAX_REMEMBERED:
                del self._newest[next(iter(self._newest))]
            self._newest[kind] = newest


def _kind(thing_name: str, state: Mapping[str, Any]) -> tuple[str, bool]:
    return thing_name, "lastSeen" in state
