"""Secrets from Secrets Manager, kept in memory for a few minutes so that a rotation needs no deployment."""

import time
from collections.abc import Callable
from typing import Final

from thingbridge.aws_iot.clients import client
from thingbridge.aws_iot.errors import told_apart

TIME_TO_LIVE: Final = 300.0
"""Seconds: the time within which a rotated secret is picked up, and the default of AWS's own secret caches."""

_cache: dict[str, tuple[float, str]] = {}


def secret(
    arn: str,
    *,
    refresh: bool = False,
    max_age: float = TIME_TO_LIVE,
    now: Callable[[], float] = time.monotonic,
) -> str:
    """The secret's text. `refresh` reads it anew, `max_age` (seconds) when it was read longer ago than that.

    Raises Busy or Refused.
    """
    known = _cache.get(arn)
    if known and not refresh and now() - known[0] < max_age:
        return known[1]
    with told_apart(f"read the secret {arn}"):
        text = str(client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    _cache[arn] = (now(), text)
    return text
