"""Rate limiting with the caller's clock and sleep: a token bucket whose callers choose the rate, and an even pace that
follows the limit of a server.
"""

import time
from collections.abc import Callable
from typing import Final

SHARE_OF_LIMIT: Final = 0.8
"""The part of a server's limit that is used: the rest is for retries, and for other clients."""


LONGEST_WAIT: Final = 240.0
"""Seconds between two calls of one caller, at most: an invocation has 300. A limit that many callers share may be too
low for that; then the server's own answers pace them."""


class TokenBucket:
    """Allows `rate` calls per second, and up to `burst` at once after a pause.

    `now` returns monotonic seconds; `sleep` waits for a number of seconds.
    """

    def __init__(
        self,
        *,
        rate: float,
        burst: float = 1.0,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._burst, self._now, self._sleep = rate, burst, now, sleep
        self._tokens, self._at = burst, now()

    def acquire(self) -> None:
        """Wait until the next call may be made."""
        self._fill()
        if self._tokens < 1:
            self._sleep((1 - self._tokens) / self._rate)
            self._fill()
        # A sleep that ended a little early is compensated by the next one.
        self._tokens -= 1

    def _fill(self) -> None:
        now = self._now()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now


class Pace:
    """Even calls of one of several callers, which share a rate per minute. Without a rate, nothing waits.

    `rate` None: a part of the limit that the server reports. `now` returns monotonic seconds; `sleep` waits for a
    number of seconds.
    """

    def __init__(
        self,
        *,
        rate: float | None,
        callers: int,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._fixed, self._rate, self._callers = rate is not None, rate, callers
        self._now, self._sleep = now, sleep
        self._called_at: float | None = None

    def wait(self, at_most: float) -> bool:
        """Wait until the next call may be made; False, at once, if that takes longer than `at_most` seconds."""
        pause = self._pause()
        if pause > at_most:
            return False
        if pause:
            self._sleep(pause)
        self._called_at = self._now()
        return True

    def follow(self, limit: float | None) -> None:
        """Adopt the limit per minute that the server reports; None: it reports none."""
        if limit and not self._fixed:
            self._rate = SHARE_OF_LIMIT * limit

    def _pause(self) -> float:
        if self._rate is None or self._called_at is None:
            return 0.0
        return max(0.0, self._called_at + min(LONGEST_WAIT, 60 * self._callers / self._rate) - self._now())
