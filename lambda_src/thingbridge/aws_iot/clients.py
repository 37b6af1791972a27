"""The boto3 clients of a function: one of each for the life of its sandbox, made when first needed.

A client costs tens of milliseconds of a cold start, so a function pays only for those it uses. Every call is counted,
since quotas and prices go by calls.
"""

import threading
from collections import Counter
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


_calls: Counter[str] = Counter()
_counting: Final = threading.Lock()


@cache
def client(service: str) -> Any:
    """The client of a service by its boto3 name (`iot`, `iot-data`, `logs`, `secretsmanager`)."""
    made = boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]
    made.meta.events.register("before-send", _count)
    return made


def take_calls() -> dict[str, int]:
    """Calls since this was asked last, by operation (`DescribeThing`); each try counts, as it does for AWS."""
    with _counting:
        taken = dict(_calls)
        _calls.clear()
    return taken


def _count(event_name: str, **_: Any) -> None:
    with _counting:
        _calls[event_name.rpartition(".")[2]] += 1
