"""A provider with one MQTT connection: reconnects with increasing pauses, publishes messages with QoS 1 or 0.

Subclasses (`aws_iot`, `mqtt`) define the address, the identity of the client and the topics.
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from local import mqtt
from local.things_stack.description import schema
from local.things_stack.description.errors import ApiError
from local.things_stack.description.messages import DOWNLINKS
from local.things_stack.description.proto3_json import Json
from local.things_stack.network.application_up import Published
from local.things_stack.providers.status import Status

ACKNOWLEDGED_WITHIN = 5.0
"""Seconds within which a broker must send CONNACK, SUBACK and PUBACK."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
"""Seconds between two attempts to connect; the pause doubles each time."""


class NotConfigured(Exception):
    """A setting that the connection needs is missing; the text says which."""


class KeptConnection(ABC):
    """A thread keeps the connection open until `stop`; `status.reason` says why it is not open."""

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
        self._thread.join(1)  # a thread that is still connecting notices `_stopping` afterwards
        self._work.shutdown(wait=False, cancel_futures=True)
        self._report("stopped", "")

    def deliver(self, published: Published, /) -> bool:
        """Publishes; True when the broker has acknowledged the message (QoS 1) or it was sent (QoS 0)."""
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
        """The topic of a message; None when it is not published."""

    @abstractmethod
    def _connect(self) -> mqtt.MqttConnection:
        """Connects and subscribes. Raises NotConfigured, MqttError, or an exception of boto3."""

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
        """Receives downlinks on `topics`: topic → whether its downlinks replace the queue."""
        try:
            for topic, replace in topics.items():
                connection.subscribe(topic, partial(self._downlink, replace=replace))
        except mqtt.MqttError:
            connection.close()
            raise

    def _downlink(self, message: mqtt.Message, *, replace: bool) -> None:
        """A message on downlink/push or downlink/replace. Rejections are only recorded in the status."""
        self._work.submit(self._queue, message.payload, replace)

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
