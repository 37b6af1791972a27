"""The boto3 clients of a function: one of each for the life of its sandbox, made when first needed.

A client costs tens of milliseconds of a cold start, so a function pays only for those it uses.
"""

from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config

_CONFIG: Final = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "max_attempts": 4},
    tcp_keepalive=True,
)


@cache
def client(service: str) -> Any:
    """The client of a service by its boto3 name (`iot`, `iot-data`, `logs`, `secretsmanager`)."""
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]
