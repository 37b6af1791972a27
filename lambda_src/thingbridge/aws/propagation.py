"""Permissions that were granted a moment ago: IAM propagates a change within seconds, not at once.

An apply grants a function its permissions and invokes it a second later, so a first refusal proves nothing yet.
"""

import time
from collections.abc import Callable
from typing import Final

from thingbridge.aws.errors import NotPermitted

PROPAGATED_WITHIN: Final = 20.0
PAUSE: Final = 1.0
"""Seconds."""


def retry_until_permitted(
    work: Callable[[], None],
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Do `work`, which must be repeatable, again while AWS refuses it for a missing permission.

    Raises NotPermitted when it is still refused after `PROPAGATED_WITHIN`.
    """
    deadline = now() + PROPAGATED_WITHIN
    while True:
        try:
            return work()
        except NotPermitted:
            if now() + PAUSE >= deadline:
                raise
            sleep(PAUSE)
