"""Rate limiting: a token bucket with the caller's clock and sleep. The callers choose the rate."""

import time
from collections.abc import Callable


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
