"""boto3 clients that are lent to one test after the other, because creating one takes longer than most tests of it."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

Handler = Callable[..., Any]


class LentClients:
    """The part of a boto3 session that creates clients. Each is lent to one caller until all are taken back.

    Whatever a test registers on a client of its own (answers, counts) is unregistered then.
    """

    def __init__(self, session: boto3.Session) -> None:
        self._session = session
        self._free: dict[tuple[str, str | None, int], list[Any]] = defaultdict(list)
        self._lent: list[tuple[tuple[str, str | None, int], Any]] = []
        self._registered: list[tuple[Any, str, Handler]] = []

    def client(self, service: str, *, region_name: str | None = None, config: Config | None = None) -> Any:
        """A client that nothing is registered on."""
        # The configurations are constants of their modules.
        kind = service, region_name, id(config)
        client = self._free[kind].pop() if self._free[kind] else self._created(service, region_name, config)
        self._lent.append((kind, client))
        return client

    def in_region(self, name: str) -> "InRegion":
        """The same for another region."""
        return InRegion(self, name)

    def take_back(self) -> None:
        """Make the clients as they were, for the next test."""
        while self._registered:
            events, name, handler = self._registered.pop()
            events.unregister(name, handler)
        while self._lent:
            kind, client = self._lent.pop()
            self._free[kind].append(client)

    def _created(self, service: str, region_name: str | None, config: Config | None) -> Any:
        client = self._session.client(service, region_name=region_name, config=config)
        events = client.meta.events
        register = events.register

        def remembered(name: str, handler: Handler, *arguments: Any, **options: Any) -> None:
            register(name, handler, *arguments, **options)
            self._registered.append((events, name, handler))

        events.register = remembered
        return client


@dataclass(frozen=True)
class InRegion:
    """Lent clients of one region."""

    lent: LentClients
    region_name: str

    def client(self, service: str, *, config: Config | None = None) -> Any:
        return self.lent.client(service, region_name=self.region_name, config=config)
