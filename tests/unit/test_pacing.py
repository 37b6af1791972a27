"""The token bucket and the pace, on a clock that only sleeping advances."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import Clock
from thingbridge.pacing import LONGEST_WAIT, Pace, TokenBucket


def bucket(clock: Clock, rate: float, burst: float = 1) -> TokenBucket:
    return TokenBucket(rate=rate, burst=burst, now=clock, sleep=clock.wait)


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


def test_several_callers_keep_one_rate_together(clock: Clock) -> None:
    pace = Pace(rate=30, callers=2, now=clock, sleep=clock.wait)
    passed = []
    for _ in range(4):
        assert pace.wait(60)
        passed.append(clock.now)
    assert passed == pytest.approx([0, 4, 8, 12])


def test_a_call_that_would_have_to_wait_for_too_long_is_not_waited_for(clock: Clock) -> None:
    pace = Pace(rate=30, callers=2, now=clock, sleep=clock.wait)
    assert pace.wait(0)
    assert not pace.wait(3.9)
    assert clock.now == 0
    assert pace.wait(4.1)


def test_a_limit_that_is_reported_is_followed_in_part_and_never_overrides_a_rate(clock: Clock) -> None:
    for rate, seconds in ((None, 60 / 8), (60, 1)):
        clock.now = 0
        pace = Pace(rate=rate, callers=1, now=clock, sleep=clock.wait)
        pace.follow(10)
        pace.follow(None)
        for _ in range(2):
            pace.wait(60)
        assert clock.now == pytest.approx(seconds)


def test_a_limit_that_is_too_low_for_all_callers_stops_none_of_them(clock: Clock) -> None:
    pace = Pace(rate=None, callers=100, now=clock, sleep=clock.wait)
    pace.follow(1)
    assert pace.wait(0)
    assert pace.wait(LONGEST_WAIT)
    assert clock.now == LONGEST_WAIT


def test_without_a_rate_nothing_waits(clock: Clock) -> None:
    pace = Pace(rate=None, callers=2, now=clock, sleep=clock.wait)
    assert all(pace.wait(0) for _ in range(9))
