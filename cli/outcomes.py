"""What became of the devices of things: the stack tells it in each thing's shadow, under `provisioning`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Final

from cli.aws import THREADS, StackAccess
from thingbridge.pacing import TokenBucket

PROVISIONING: Final = "provisioning"
"""Field of the shadow: `{state, step, reason, digest, at}`."""

FAILED: Final = "failed"
RETRYING: Final = "retrying"

LOOKS_A_SECOND: Final = 80.0
"""Far below AWS IoT's quota for shadows (400 a second in an account), which the fleet's own writes need."""

LOOK_EVERY: Final = 0.5
"""Seconds between two looks at a shadow."""


def is_outcome(told: Any, before: Any) -> bool:
    """Whether the stack is done with a device. `before`: what was told earlier, perhaps of an earlier thing."""
    return isinstance(told, dict) and told != before and told.get("state") != RETRYING


def described(told: Mapping[str, Any]) -> str:
    """`failed at the Join Server: the reason (2026-11-21T10:00:00Z)`, of what is told."""
    where = f" at {told['step']}" if told.get("step") else ""
    why = f": {told['reason']}" if told.get("reason") else ""
    when = f" ({told['at']})" if told.get("at") else ""
    return f"{told.get('state', '–')}{where}{why}{when}"


def look(stack: StackAccess, names: Iterable[str], pace: TokenBucket) -> Iterator[tuple[str, Any]]:
    """Thing and what is told of its device now, None without a word; several shadows at once, and in order."""
    with ThreadPoolExecutor(THREADS) as pool:
        ahead = iter(names)
        while some := list(islice(ahead, THREADS)):
            for _ in some:
                pace.acquire()
            yield from zip(some, pool.map(lambda name: stack.shadow(name).get(PROVISIONING), some), strict=True)


def follow(
    stack: StackAccess,
    before: Mapping[str, Any],
    *,
    patience: float,
    pace: TokenBucket,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Thing and outcome, as they come, until all are known or none came for `patience` seconds.

    `before`: what was told of each thing earlier, None without.
    """
    waiting, last = dict.fromkeys(before), now()

    while waiting and now() - last < patience:
        began = now()
        for name, told in look(stack, list(waiting), pace):
            if is_outcome(told, before[name]):
                del waiting[name]
                last = now()
                yield name, told
        sleep(max(0.0, began + LOOK_EVERY - now()))
