"""What the commands take from their surroundings: AWS, and time. A caller may give its own `Runtime` as click's `obj`.

The profile and `AWS_ENDPOINT_URL` are boto3's own. The region is that of AWS's own tools: `AWS_REGION` before
`AWS_DEFAULT_REGION` and the profile's, of which boto3 does not know the first.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import boto3
import typer
from botocore.config import Config

from thingbridge.aws.clients import Clients
from thingbridge.pacing import TokenBucket

THREADS: Final = 16
"""Calls in flight at the same time: 80 per second at up to 200 ms each."""

# Adaptive: when AWS throttles, all threads slow down together instead of each one retrying harder.
CONFIG: Final = Config(
    retries={"mode": "adaptive", "total_max_attempts": 8},
    max_pool_connections=THREADS,
    connect_timeout=5,
    read_timeout=30,
    tcp_keepalive=True,
)


def connect(profile: str | None, region: str | None) -> Clients:
    """Clients with a person's credentials, and with time-outs and retries for a person who waits.

    Raises botocore's ProfileNotFound.
    """
    # None instead of an empty name: boto3 would look for a profile without a name.
    region = region or os.environ.get("AWS_REGION") or None
    return Clients(boto3.Session(profile_name=profile or None, region_name=region), config=CONFIG)


@dataclass(frozen=True)
class Clock:
    """`now`: seconds that never go back. `sleep`: waits for seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def pace(self, rate: float) -> TokenBucket:
        """Keeps calls below `rate` per second."""
        return TokenBucket(rate=rate, now=self.now, sleep=self.sleep)


@dataclass(frozen=True)
class Runtime:
    """`connect` takes a profile and a region, None for boto3's own choice."""

    connect: Callable[[str | None, str | None], Clients] = connect
    clock: Clock = field(default_factory=Clock)

    @classmethod
    def of(cls, context: typer.Context) -> Runtime:
        """The runtime that the command was started with."""
        return context.find_object(cls) or cls()
