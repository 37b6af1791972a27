"""A provider that holds one MQTT connection: opened again with growing pauses, messages published with QoS 1 or 0.

Who the client is and where it connects is its subclasses' business (`aws_iot`, `mqtt_provider`).
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local import mqtt
from local.things_stack import schema
from local.things_stack.description import DOWNLINKS
from local.things_stack.errors import ApiError
from local.things_stack.messages import Published
from local.things_stack.provider_status import Status

Json = dict[str, Any]
ACKNOWLEDGED_WITHIN = 5.0
"""Seconds a broker has for CONNACK, SUBACK and PUBACK."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
"""Seconds between two attempts to connect: doubled each time."""


class NotConfigured(Exception):
    """The integration lacks what a connection needs; the text says what."""


class KeptConnection(ABC):
    """A thread keeps it connected until `stop`; `status.reason` says why it is not."""

    qos = 1

    def __init__(
        self, name: str, status: Status, push: Callable[[str, list[Json], bool], None], changed: Callable[[], None]
    ) -> None:
        self.status = status
        self._push, self._changed = push, changed
        self._stopping = threading.Event()
        self._connection: mqtt.MqttConnection | None = None
        self._thread = threading.Thread(target=self._keep_connected, name=name, daemon=True)
        self._work = ThreadPoolExecutor(1, thread_name_prefix="downlinks")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._connection is not None:
            self._connection.close()
        self._thread.join(1)  # if it is still connecting it will see that it should stop
        self._work.shutdown(wait=False, cancel_futures=True)
        self._report("stopped", "")

    def deliver(self, published: Published, /) -> bool:
        """Publish; True once the broker has acknowledged it (QoS 1) or it was sent (QoS 0)."""
        topic = self._topic(published)
        if self._connection is None or topic is None:
            return False
        try:
            self._connection.publish(topic, published.body, qos=self.qos, timeout=ACKNOWLEDGED_WITHIN)
        except mqtt.MqttError:
            return False
        return True

    @abstractmethod
    def _topic(self, published: Published) -> str | None:
        """Where a message is published; None: nowhere."""

    @abstractmethod
    def _connect(self) -> mqtt.MqttConnection:
        """Open and subscribe. Raises NotConfigured, MqttError or what boto3 raises."""

    def _keep_connected(self) -> None:
        pause = SHORTEST_PAUSE
        while not self._stopping.is_set():
            try:
                connection = self._connection = self._connect()
                if self._stopping.is_set():
                    connection.close()
                    return
                self._report("connected", "")
                pause = SHORTEST_PAUSE
                reason = connection.wait_until_closed()
                connection.close()
            except (NotConfigured, mqtt.MqttError, ClientError, BotoCoreError) as error:
                reason = str(error)
            self._connection = None
            if not self._stopping.is_set():
                self._report("failed", reason)
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _report(self, state: str, reason: str) -> None:
        self.status.state, self.status.reason = state, reason
        self._changed()

    def _subscribe(self, connection: mqtt.MqttConnection, topics: dict[str, bool]) -> None:
        """Take downlinks on `topics`, each with whether it replaces the queue."""
        try:
            for topic, replace in topics.items():
                connection.subscribe(topic, lambda message, replace=replace: self._downlink(message.payload, replace))
        except mqtt.MqttError:
            connection.close()
            raise

    def _downlink(self, body: bytes, replace: bool) -> None:
        """A message on downlink/push or downlink/replace. Refusals are only kept in the status: MQTT has no answer."""
        self._work.submit(self._queue, body, replace)

    def _queue(self, body: bytes, replace: bool) -> None:
        try:
            problems: list[schema.Problem] = []
            request = schema.read(json.loads(body), DOWNLINKS, "", problems)
            if problems:
                raise ValueError("; ".join(f"{problem.where} {problem.reason}" for problem in problems))
            self._push(request["end_device_ids"]["device_id"], request.get("downlinks", []), replace)
        except (ApiError, ValueError, KeyError) as error:
            self.status.refused_downlinks.append(
                str(error) if not isinstance(error, KeyError) else f"{error} is missing"
            )
