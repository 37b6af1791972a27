"""The boto3 clients of a process: one per service, created when first needed and kept.

Creating a client costs tens of milliseconds, so a function creates only those it uses. Every call is counted,
because quotas and prices apply per call.
"""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Protocol

import boto3
from botocore.config import Config

FUNCTION: Final = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "max_attempts": 4},
    tcp_keepalive=True,
)
"""Time-outs and retries that leave a Lambda function time to record a failure."""


class Session(Protocol):
    """The part of a boto3 session that creates clients; localstack-client has the same."""

    @property
    def client(self) -> Callable[..., Any]:
        """Creates a client of a service by its boto3 name (`iot`, `iot-data`, `logs`), with a `config`."""


class Clients:
    """Clients of one account and region. `session` None: credentials and region as boto3 finds them."""

    def __init__(self, session: Session | None = None, *, config: Config = FUNCTION) -> None:
        self._session: Any = session
        self._config = config
        self._created: dict[str, Any] = {}
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, service: str) -> Any:
        """The client of a service by its boto3 name (`iot`, `iot-data`, `logs`, `secretsmanager`)."""
        created = self._created.get(service)
        return created if created is not None else self._create(service)

    def take_calls(self) -> dict[str, int]:
        """Calls by operation (`DescribeThing`) since the last time; each retry counts, as it does for AWS."""
        with self._lock:
            taken = dict(self._calls)
            self._calls.clear()
        return taken

    def _create(self, service: str) -> Any:
        # Creating clients from one session is not thread-safe.
        with self._lock:
            if service not in self._created:
                self._session = self._session or boto3.Session()
                client = self._session.client(service, config=self._config)
                client.meta.events.register("before-send", self._count)
                self._created[service] = client
            return self._created[service]

    def _count(self, event_name: str, **_: Any) -> None:
        with self._lock:
            self._calls[event_name.rpartition(".")[2]] += 1
