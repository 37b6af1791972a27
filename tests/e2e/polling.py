"""Waiting for what is caused elsewhere: look again until it is seen, never sleep and hope."""

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def eventually(what: str, look: Callable[[], Seen], timeout: float = 60.0) -> Seen:
    """Look until something is seen (a true value); AssertionError naming it when the time is over."""
    deadline = time.monotonic() + timeout
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not seen within {timeout:g} s: {what}"
        time.sleep(0.05)
    return seen
