"""Secrets of Secrets Manager, cached for a few minutes so that a rotation needs no deployment."""

import time
from collections.abc import Callable
from typing import Final

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import translate_errors
from thingbridge.errors import Misconfigured

TIME_TO_LIVE: Final = 300.0
"""Seconds: the time within which a rotated secret is picked up, and the default of AWS's own secret caches."""


class Secrets:
    """The secrets that a process reads, by ARN."""

    def __init__(self, clients: Clients, *, now: Callable[[], float] = time.monotonic) -> None:
        self._clients, self._now = clients, now
        self._cache: dict[str, tuple[float, str]] = {}

    def read(self, arn: str, *, refresh: bool = False, max_age: float = TIME_TO_LIVE) -> str:
        """The secret's text, from the cache unless it is older than `max_age` seconds or `refresh` is set.

        Raises Busy or Misconfigured.
        """
        cached = self._cache.get(arn)
        if cached and not refresh and self._now() - cached[0] < max_age:
            return cached[1]
        with translate_errors(f"read the secret {arn}"):
            answer = self._clients("secretsmanager").get_secret_value(SecretId=arn)
        if "SecretString" not in answer:
            raise Misconfigured(f"read the secret {arn}: it must be text, not binary")
        text = str(answer["SecretString"])
        self._cache[arn] = (self._now(), text)
        return text
