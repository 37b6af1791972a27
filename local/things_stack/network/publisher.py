"""Publishing: messages about a device are collected while state changes and delivered when the lock is released."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from local.things_stack.description.proto3_json import Json
from local.things_stack.network.application_up import TOPICS, Published, application_up, correlation_id
from local.things_stack.servers import ApplicationServer, DeviceKey

_ORIGINS = {"uplink_message": "gs:uplink", "join_accept": "gs:up", "downlink_queue_invalidated": "ns:downlink"}
"""Kind → prefix of the correlation id of a message that no earlier message led to."""


class Send(Protocol):
    """Queues a message about a device for delivery at the end of the transaction."""

    def __call__(self, device: DeviceKey, kind: str, content: Json, dev_addr: str | None = None) -> Published:
        """`content` is the value of the field `kind`; `dev_addr` is given when it differs from the one recorded."""


class Publisher:
    """`published` holds every message that was published, oldest first."""

    def __init__(self, server: ApplicationServer, lock: threading.RLock, deliver: Callable[[Published], None]) -> None:
        self.published: deque[Published] = deque(maxlen=100_000)
        self._server, self._lock, self._deliver = server, lock, deliver

    @contextmanager
    def transaction(self) -> Iterator[Send]:
        """Holds the lock while state changes and messages are collected, then delivers them without it: an integration
        that waits for its broker must not block the API. What was collected before an exception is delivered too."""
        outbox: list[Published] = []

        def send(device: DeviceKey, kind: str, content: Json, dev_addr: str | None = None) -> Published:
            ids = self._server.devices[device]["ids"] | ({"dev_addr": dev_addr} if dev_addr else {})
            downlink = content.get("downlink", content)
            correlation_ids = downlink.get("correlation_ids") or [correlation_id(_ORIGINS.get(kind, "as:up"))]
            message = application_up(ids, kind, content, correlation_ids, time.time_ns())
            outbox.append(Published(device[0], kind, TOPICS[kind], message))
            return outbox[-1]

        try:
            with self._lock:
                yield send
        finally:
            for published in outbox:
                self.publish(published)

    def publish(self, published: Published) -> Published:
        published.published_at = time.time()
        self.published.append(published)
        self._deliver(published)
        return published
