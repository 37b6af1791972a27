"""Publishing: messages about a device are collected while state changes and delivered when the lock is released."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from local.things_stack.description.proto3_json import Json
from local.things_stack.network.application_up import (
    SCHEDULED,
    TO_APPLICATION,
    TOPICS,
    Published,
    application_up,
    correlation_id,
)
from local.things_stack.servers import DeviceKey, Servers

NO_ADDRESS = ""
"""In place of a device's address: the Application Server publishes by itself, and names none."""


@dataclass
class Send:
    """Collects the messages of one transaction. `origins` are the correlation ids of what led to them."""

    origins: list[str]
    _servers: Servers
    _metadata: Callable[[DeviceKey, str], Json]
    outbox: list[Published] = field(default_factory=list)

    def __call__(
        self, device: DeviceKey, kind: str, content: Json, dev_addr: str | None = None, *, described: bool = True
    ) -> Published:
        """`content` is the value of the field `kind`; `dev_addr` is given when it differs from the one recorded.
        `described`: with what the deployment adds about the device."""
        ids = {**self._servers.application.devices[device]["ids"]}
        if dev_addr is not None:
            ids |= {"dev_addr": dev_addr}
        own = content.get("downlink", content).get("correlation_ids") or []
        if kind == "downlink_sent":
            network = [each for each in self.origins if not each.startswith(TO_APPLICATION)]
            own = sorted({*own, *network, *map(correlation_id, SCHEDULED)})
            content = content | {"correlation_ids": own}
        if described:
            content = content | self._metadata(device, kind)
        message = application_up(ids, kind, content, sorted({*own, *self.origins}), time.time_ns())
        self.outbox.append(Published(device[0], kind, TOPICS[kind], message))
        return self.outbox[-1]


class Publisher:
    """`published` holds every message that was published, oldest first. `metadata`: what a deployment adds to the
    content of a message of a kind about a device."""

    def __init__(
        self, servers: Servers, lock: threading.RLock, deliver: Callable[[Published], None],
        metadata: Callable[[DeviceKey, str], Json],
    ) -> None:  # fmt: skip
        self.published: deque[Published] = deque(maxlen=100_000)
        self._servers, self._lock, self._deliver, self._metadata = servers, lock, deliver, metadata

    @contextmanager
    def transaction(self, *origins: str) -> Iterator[Send]:
        """Holds the lock while state changes and messages are collected, then delivers them without it: an integration
        that waits for its broker must not block the API. What was collected before an exception is delivered too.
        `origins`: kinds of correlation ids, such as `gs:uplink`."""
        send = Send([correlation_id(each) for each in origins], self._servers, self._metadata)
        try:
            with self._lock:
                yield send
        finally:
            for published in send.outbox:
                self.publish(published)

    def publish(self, published: Published) -> Published:
        published.published_at = time.time()
        self.published.append(published)
        self._deliver(published)
        return published
