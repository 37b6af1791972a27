"""The clients of a process: one per service, created when first needed and kept.

They are boto3's, except where `direct` has one for the calls that every message costs. Importing boto3 takes a quarter
of a second and creating a client tens of milliseconds, so a function pays only for those it uses. Every call is
counted, because quotas and prices apply per call.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from botocore.config import Config

    from thingbridge.aws.direct import Direct


@functools.cache
def for_functions() -> Config:
    """Time-outs and retries that leave a Lambda function time to record a failure."""
    from botocore.config import Config

    from thingbridge.aws.connection import CONNECT_SECONDS, READ_SECONDS
    from thingbridge.aws.retries import ATTEMPTS

    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        tcp_keepalive=True,
    )


class Session(Protocol):
    """The part of a boto3 session that creates clients; localstack-client has the same."""

    @property
    def client(self) -> Callable[..., Any]:
        """Creates a client of a service by its boto3 name (`iot`, `iot-data`, `logs`), with a `config`."""


class Clients:
    """Clients of one account and region.

    `session` None: credentials and region as boto3 finds them. `config` None: that of functions. `direct` None: boto3
    makes every call.
    """

    def __init__(
        self, session: Session | None = None, *, config: Config | None = None, direct: Direct | None = None
    ) -> None:
        self._session: Any = session
        self._config = config
        self._direct = direct
        self._created: dict[str, Any] = {}
        self._boto3: dict[str, Any] = {}
        self._attempts: dict[str, int] = {}
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, service: str) -> Any:
        """The client of a service by its boto3 name (`iot`, `iot-data`, `logs`, `secretsmanager`)."""
        created = self._created.get(service)
        return created if created is not None else self._create(service)

    def of(self, arn: str, service: str) -> Any:
        """The client of a service in the region of an ARN, by boto3 where that is not the region of all others."""
        region = arn.split(":")[3] if arn.count(":") >= 3 else ""
        usual = self._direct.region if self._direct else self.boto3_client(service).meta.region_name
        return self(service) if region in {"", usual} else self.boto3_client(service, region)

    def try_at_most(self, service: str, attempts: int) -> None:
        """Have the client of a service, if it is yet to be created, send each request at most that often."""
        self._attempts[service] = attempts

    def take_calls(self) -> dict[str, int]:
        """Calls by operation (`DescribeThing`) since the last time; each retry counts, as it does for AWS."""
        with self._lock:
            taken = dict(self._calls)
            self._calls.clear()
        return taken

    def counted(self, operation: str) -> None:
        """Count a call that is made."""
        with self._lock:
            self._calls[operation] += 1

    def boto3_client(self, service: str, region: str | None = None) -> Any:
        """boto3's client of a service, also of one that has a direct client. `region` None: that of all others."""
        kind = f"{service} {region or ''}"
        # Creating clients from one session is not thread-safe.
        with self._lock:
            if kind not in self._boto3:
                if self._session is None:
                    import boto3

                    self._session = boto3.Session()
                elsewhere = {"region_name": region} if region else {}
                client = self._session.client(service, config=self._settings(service), **elsewhere)
                client.meta.events.register("before-send", self._sent)
                self._boto3[kind] = client
            return self._boto3[kind]

    def _create(self, service: str) -> Any:
        client = None
        if self._direct:
            attempts = self._attempts.get(service)
            client = self._direct.client(service, self.counted, self.boto3_client, attempts)
        # Two threads may create it at the same time: one client is kept.
        return self._created.setdefault(service, client or self.boto3_client(service))

    def _settings(self, service: str) -> Config:
        config = self._config or for_functions()
        if service not in self._attempts:
            return config
        from botocore.config import Config

        return config.merge(Config(retries={"mode": "standard", "total_max_attempts": self._attempts[service]}))

    def _sent(self, event_name: str, **_: Any) -> None:
        self.counted(event_name.rpartition(".")[2])
