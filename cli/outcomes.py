"""What became of the devices of things: the stack tells it in each thing's shadow, under `provisioning`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from cli.aws import THREADS, StackAccess
from thingbridge.pacing import TokenBucket

PROVISIONING: Final = "provisioning"
"""Field of the shadow: `{state, step, reason, digest, at}`."""

FAILED: Final = "failed"
_RETRYING: Final = "retrying"

LOOK_EVERY: Final = 0.5
"""Seconds between two looks at a shadow."""


def is_outcome(told: Any, before: Any) -> bool:
    """Whether the stack is done with a device. `before`: what was told earlier, perhaps of an earlier thing."""
    return isinstance(told, dict) and told != before and told.get("state") != _RETRYING


def described(told: Mapping[str, Any]) -> str:
    """`failed at the Join Server: the reason (2026-11-21T10:00:00Z)`, of what is told."""
    where = f" at {told['step']}" if told.get("step") else ""
    why = f": {told['reason']}" if told.get("reason") else ""
    when = f" ({told['at']})" if told.get("at") else ""
    return f"{told.get('state', '–')}{where}{why}{when}"


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

    def look(name: str) -> Any:
        return stack.shadow(name).get(PROVISIONING)

    with ThreadPoolExecutor(THREADS) as pool:
        while waiting and now() - last < patience:
            began, names = now(), list(waiting)
            for start in range(0, len(names), THREADS):
                some = names[start : start + THREADS]
                for _ in some:
                    pace.acquire()
                for name, told in zip(some, pool.map(look, some), strict=True):
                    if is_outcome(told, before[name]):
                        del waiting[name]
                        last = now()
                        yield name, told
            sleep(max(0.0, began + LOOK_EVERY - now()))
