"""Secrets of Secrets Manager, cached for a few minutes so that a rotation needs no deployment."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import answered, code, translate_errors
from thingbridge.errors import Misconfigured

TIME_TO_LIVE: Final = 300.0
"""Seconds: the time within which a rotated secret is picked up, and the default of AWS's own secret caches."""


@dataclass(frozen=True)
class _Version:
    """A version of a secret, when it was read, and when it was created, both in seconds since the epoch."""

    id: str
    text: str
    created: float
    read: float


class Secrets:
    """The secrets that a process reads, by ARN."""

    def __init__(self, clients: Clients, *, now: Callable[[], float] = time.time) -> None:
        self._clients, self._now = clients, now
        self._current: dict[str, _Version] = {}
        self._previous: dict[str, tuple[str, str | None]] = {}

    def read(self, arn: str, *, refresh: bool = False, max_age: float = TIME_TO_LIVE) -> str:
        """The secret's text, from the cache unless it is older than `max_age` seconds or `refresh` is set.

        Raises Busy or Misconfigured.
        """
        return self._read(arn, 0.0 if refresh else max_age).text

    def read_previous(self, arn: str, within: float) -> str | None:
        """The text before the last rotation, if that was less than `within` seconds ago; None otherwise.

        Reads what `read` has cached, and AWS once per rotation. Raises Busy or Misconfigured.
        """
        current = self._read(arn, TIME_TO_LIVE)
        if self._now() - current.created >= within:
            return None
        successor, text = self._previous.get(arn, ("", None))
        if successor != current.id:
            text = self._read_previous(arn)
            self._previous[arn] = (current.id, text)
        return text

    def _read(self, arn: str, max_age: float) -> _Version:
        cached = self._current.get(arn)
        if cached and self._now() - cached.read < max_age:
            return cached
        with translate_errors(f"read the secret {arn}"):
            answer = self._clients.of(arn, "secretsmanager").get_secret_value(SecretId=arn)
        if "SecretString" not in answer:
            raise Misconfigured(f"read the secret {arn}: it must be text, not binary")
        text, created = str(answer["SecretString"]), answer["CreatedDate"].timestamp()
        self._current[arn] = version = _Version(answer["VersionId"], text, created, self._now())
        return version

    def _read_previous(self, arn: str) -> str | None:
        with translate_errors(f"read the previous version of the secret {arn}"):
            try:
                answer = self._clients.of(arn, "secretsmanager").get_secret_value(
                    SecretId=arn, VersionStage="AWSPREVIOUS"
                )
            except answered() as error:
                if code(error) == "ResourceNotFoundException":  # never rotated
                    return None
                raise
        return str(answer["SecretString"]) if "SecretString" in answer else None
