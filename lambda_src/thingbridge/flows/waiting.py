"""Messages of devices whose thing can't be found or created now, because AWS limits the rate: they wait in a queue.

The flow `upstream` sends them there, and every later message of the same device as long as one of it waits: the queue
keeps the order of a device's messages. They are handled like any other message, at a rate that AWS permits.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.aws.queues import Queue
from thingbridge.aws.waiting_devices import WaitingDevices
from thingbridge.diagnostics import emit
from thingbridge.errors import BadInput, Throttled, Unexpected
from thingbridge.flows.upstream import Upstream
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.messaging import upstream

MOST_ATTEMPTS: Final = 10
"""Deliveries after which a message that fails is given up. One that AWS throttles is not: only time is missing."""

LONGEST_PAUSE: Final = 1220
"""Seconds between two deliveries of a throttled message, at most. With them, the thousand that a queue permits take
longer than the 14 days that it keeps a message."""


@dataclass(frozen=True)
class WaitingQueue:
    """Where messages wait. The message group is the device: SQS delivers its messages in order, one after the other."""

    devices: WaitingDevices
    queue: Queue
    now: Callable[[], float] = time.time

    def has(self, device: EndDeviceIdentifiers) -> bool:
        """Whether messages of the device wait. Raises Busy or Misconfigured."""
        return self.devices.has(device.device_id)

    def join(self, device: EndDeviceIdentifiers, event: Mapping[str, Any]) -> None:
        """Have a message wait, the rule's output `{"topic", "payload"}`. Raises Busy or Misconfigured.

        Repeated, because the first time failed or was not answered, it joins once.
        """
        message_id = _id(event)
        # First: a message in the queue that nothing is known of would be overtaken by the next one.
        self.devices.joined(device.device_id, message_id, self.now())
        body = json.dumps({"topic": event.get("topic"), "payload": event.get("payload")})
        self.queue.send_in_order(body, group=device.device_id, deduplication_id=message_id)


@dataclass(frozen=True)
class WaitingMessages:
    """Handles the messages that wait. `upstream`: the flow of a message, which sends none back here."""

    upstream: Upstream
    devices: WaitingDevices
    dead_letters: Queue

    def handle(self, body: str, received: int) -> None:
        """Handle a message, which was delivered so often. Raises what is to be retried."""
        event = _event(body)
        try:
            self.upstream.handle(event)
        except Throttled:
            raise
        except Exception as error:
            if received < MOST_ATTEMPTS:
                raise
            self._give_up(event, error)
        device_id = _device(event, self.upstream.stack_name)
        if device_id:
            self.devices.left(device_id, _id(event))

    def _give_up(self, event: Mapping[str, Any], error: Exception) -> None:
        """Move a message to the dead letters, so that those behind it are handled."""
        message_id = _id(event)
        group = _device(event, self.upstream.stack_name) or message_id
        self.dead_letters.send_in_order(json.dumps(event), group=group, deduplication_id=message_id)
        reason = str(Unexpected.describe(error))
        emit("ERROR", "event_moved_to_dead_letters", topic=event.get("topic"), message_id=message_id, reason=reason)


def _event(body: str) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    # What can't be read is handled like a message without a topic: it is recorded where its sender looks.
    return event if isinstance(event, dict) else {"topic": None, "payload": ""}


def _id(event: Mapping[str, Any]) -> str:
    """The same for each delivery of a message: the messages of a device differ at least by their time."""
    return hashlib.sha256(f"{event.get('topic')} {event.get('payload')}".encode(errors="surrogatepass")).hexdigest()


def _device(event: Mapping[str, Any], stack_name: str) -> str | None:
    try:
        return upstream.parse(event, stack_name).device.device_id
    except BadInput:
        return None
