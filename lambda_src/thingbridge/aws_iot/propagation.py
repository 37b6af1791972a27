"""Rights that were given a moment ago: IAM makes a change known everywhere within seconds, not at once.

An apply gives a function rights and calls it in the next second, so a first refusal says nothing yet.
"""

import time
from collections.abc import Callable
from typing import Final

from thingbridge.aws_iot.errors import NotPermitted

KNOWN_WITHIN: Final = 20.0
PAUSE: Final = 1.0
"""Seconds."""


def once_permitted(
    work: Callable[[], None],
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Do `work`, which can be repeated, again while AWS refuses for want of a right. Raises NotPermitted in the end."""
    deadline = now() + KNOWN_WITHIN
    while True:
        try:
            return work()
        except NotPermitted:
            if now() + PAUSE >= deadline:
                raise
            sleep(PAUSE)
