"""The outcome of creating or claiming a thing's device: each thing's shadow reports it under `provisioning`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Final

from cli.aws import AppliedStack
from cli.errors import NotKnownInTime
from cli.runtime import THREADS
from thingbridge.pacing import TokenBucket
from thingbridge.registry.status import PROVISIONING, RETRYING

READS_PER_SECOND: Final = 80.0
"""Far below AWS IoT's quota for shadows (400 per second in an account), which the fleet's own writes need."""

POLL_SECONDS: Final = 0.5
"""Between two reads of the same shadow."""


def read(stack: AppliedStack, name: str) -> Any:
    """What a thing's shadow reports of its device now, None if nothing."""
    return stack.shadows.reported(name).get(PROVISIONING)


def read_all(
    stack: AppliedStack,
    names: Iterable[str],
    pace: TokenBucket,
    read: Callable[[AppliedStack, str], Any] = read,
) -> Iterator[tuple[str, Any]]:
    """Thing and what `read` returns for it, in order; several shadows are read at once."""
    with ThreadPoolExecutor(THREADS) as pool:
        remaining = iter(names)
        while batch := list(islice(remaining, THREADS)):
            for _ in batch:
                pace.acquire()
            yield from zip(batch, pool.map(lambda name: read(stack, name), batch), strict=True)


def is_outcome(reported: Any, before: Any) -> bool:
    """Whether the stack is done with a device. `before`: what was reported earlier, perhaps of an earlier thing."""
    return isinstance(reported, dict) and reported != before and reported.get("state") != RETRYING


def description(reported: Mapping[str, Any]) -> str:
    """`failed at the Join Server: the reason (2026-11-21T10:00:00Z)`."""
    where = f" at {reported['step']}" if reported.get("step") else ""
    why = f": {reported['reason']}" if reported.get("reason") else ""
    when = f" ({reported['at']})" if reported.get("at") else ""
    return f"{reported.get('state', '–')}{where}{why}{when}"


def wait(stack: AppliedStack, name: str, before: Any, timeout: float) -> dict[str, Any]:
    """The outcome for one thing. Raises NotKnownInTime after `timeout` seconds.

    `before`: what was reported before the thing was created. The shadow of an earlier thing of that name may remain.
    """
    deadline = stack.clock.now() + timeout
    while True:
        reported = read(stack, name)
        if is_outcome(reported, before):
            return dict(reported)
        if stack.clock.now() >= deadline:
            so_far = f", so far: {description(reported)}" if isinstance(reported, dict) and reported != before else ""
            raise NotKnownInTime(
                f"the outcome for the device is not known after {timeout:g} s{so_far}; "
                f"`thingbridge things show {name}` shows it later"
            )
        stack.clock.sleep(POLL_SECONDS)


def wait_for_all(
    stack: AppliedStack, before: Mapping[str, Any], *, patience: float, pace: TokenBucket
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Thing and outcome, as they arrive, until all are known or none arrived for `patience` seconds.

    `before`: what was reported of each thing earlier, None if nothing.
    """
    clock = stack.clock
    waiting, last = dict.fromkeys(before), clock.now()

    while waiting and clock.now() - last < patience:
        began = clock.now()
        for name, reported in read_all(stack, list(waiting), pace):
            if is_outcome(reported, before[name]):
                del waiting[name]
                last = clock.now()
                yield name, reported
        clock.sleep(max(0.0, began + POLL_SECONDS - clock.now()))
