"""The token bucket, on a clock that only sleeping advances."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.pacing import TokenBucket


class Clock:
    """Seconds since the start; only sleeping advances it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


def bucket(clock: Clock, rate: float, burst: float = 1) -> TokenBucket:
    return TokenBucket(rate=rate, burst=burst, now=clock, sleep=clock.sleep)


def test_a_burst_passes_at_once_and_the_rest_at_the_rate() -> None:
    clock = Clock()
    calls = bucket(clock, rate=2, burst=3)
    passed = []
    for _ in range(6):
        calls.acquire()
        passed.append(clock.now)
    assert passed == pytest.approx([0, 0, 0, 0.5, 1.0, 1.5])


def test_a_pause_allows_no_more_than_the_burst() -> None:
    clock = Clock()
    calls = bucket(clock, rate=2, burst=3)
    clock.now = 100
    for _ in range(4):
        calls.acquire()
    assert clock.now == pytest.approx(100.5)


@given(
    rate=st.floats(0.5, 50),
    burst=st.integers(1, 10),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_no_interval_has_more_calls_than_the_rate_allows(rate: float, burst: int, pauses: list[float]) -> None:
    clock = Clock()
    calls = bucket(clock, rate, burst)
    passed = []
    for pause in pauses:
        clock.now += pause
        calls.acquire()
        passed.append(clock.now)
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - begin) * rate + 1e-6
