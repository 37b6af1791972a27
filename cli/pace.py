"""Keeping below a rate. What the rate is for is not known here."""

import time
from collections.abc import Callable


class Pace:
    """At most `rate` turns a second, evenly spread: bursts are what AWS throttles. For one thread."""

    def __init__(
        self,
        rate: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / rate
        self._now = now
        self._sleep = sleep
        self._next = now()

    def wait(self) -> None:
        """Return when it is the caller's turn."""
        if (early := self._next - self._now()) > 0:
            self._sleep(early)
        self._next = max(self._next, self._now()) + self._interval
