"""The pace at which AWS is asked."""

import pytest

from cli.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_turns_are_evenly_spread() -> None:
    clock = Clock()
    pace = Pace(80, now=clock.now, sleep=clock.sleep)
    for _ in range(81):
        pace.wait()
    assert clock.time == pytest.approx(101.0)


def test_time_that_was_not_used_is_not_made_up_for() -> None:
    clock = Clock()
    pace = Pace(10, now=clock.now, sleep=clock.sleep)
    pace.wait()
    clock.time = 200.0
    for _ in range(11):
        pace.wait()
    assert clock.time == pytest.approx(201.0)
