"""Permissions that were granted a moment ago: retried for some seconds, unlike any other error."""

import itertools

import pytest

from thingbridge.aws.errors import NotPermitted
from thingbridge.aws.propagation import PROPAGATED_WITHIN, retry_until_permitted
from thingbridge.errors import Busy, ThingbridgeError


def run(*outcomes: ThingbridgeError | None) -> tuple[int, float, bool]:
    """Calls made, seconds slept and whether it succeeded, for work with these outcomes, the last of them forever."""
    clock, calls = [0.0], []
    remaining = itertools.chain(outcomes, itertools.repeat(outcomes[-1]))

    def work() -> None:
        calls.append(1)
        if error := next(remaining):
            raise error

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    try:
        retry_until_permitted(work, now=lambda: clock[0], sleep=sleep)
    except NotPermitted:
        return len(calls), clock[0], False
    return len(calls), clock[0], True


def test_permitted_work_is_done_once() -> None:
    assert run(None) == (1, 0, True)


def test_work_is_retried_until_the_permission_arrives() -> None:
    assert run(NotPermitted(), NotPermitted(), None) == (3, 2, True)


def test_a_permission_that_never_arrives_is_an_error_in_the_end() -> None:
    _, waited, succeeded = run(NotPermitted())
    assert not succeeded
    assert PROPAGATED_WITHIN - 2 <= waited < PROPAGATED_WITHIN


def test_another_error_is_not_retried() -> None:
    with pytest.raises(Busy):
        run(Busy())
