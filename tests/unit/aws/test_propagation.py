"""Rights that were just given: a refusal is waited out for some seconds, and no other error is."""

import itertools

import pytest

from thingbridge.aws_iot.errors import NotPermitted
from thingbridge.aws_iot.propagation import KNOWN_WITHIN, once_permitted
from thingbridge.errors import Busy, ThingbridgeError


def doing(*outcomes: ThingbridgeError | None) -> tuple[list[int], float]:
    """Calls made and seconds slept for work with these outcomes, the last of them for ever."""
    clock, calls = [0.0], []
    remaining = itertools.chain(outcomes, itertools.repeat(outcomes[-1]))

    def work() -> None:
        calls.append(1)
        if error := next(remaining):
            raise error

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    try:
        once_permitted(work, now=lambda: clock[0], sleep=sleep)
    except NotPermitted:
        calls.append(-1)
    return calls, clock[0]


def test_what_is_permitted_is_done_once() -> None:
    assert doing(None) == ([1], 0)


def test_a_right_that_comes_late_is_waited_for() -> None:
    assert doing(NotPermitted(), NotPermitted(), None) == ([1, 1, 1], 2)


def test_a_right_that_never_comes_is_an_error_in_the_end() -> None:
    calls, waited = doing(NotPermitted())
    assert calls[-1] == -1
    assert KNOWN_WITHIN - 2 <= waited < KNOWN_WITHIN


def test_another_error_is_not_waited_out() -> None:
    with pytest.raises(Busy):
        doing(Busy())
