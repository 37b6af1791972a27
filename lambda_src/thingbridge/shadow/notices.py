"""What the log of a thing has said before: a lasting condition is recorded once, not with each message."""

from typing import Final

MAX_REMEMBERED: Final = 50_000
"""Notices remembered in one execution environment: about 10 MB."""


class Notices:
    """The notices of this execution environment; another one has its own, so that a notice returns now and then."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], None] = {}

    def first(self, thing_name: str, notice: str) -> bool:
        """Whether this notice is the first of its kind for the thing."""
        key = (thing_name, notice)
        if key in self._given:
            return False
        if len(self._given) >= MAX_REMEMBERED:
            del self._given[next(iter(self._given))]
        self._given[key] = None
        return True
