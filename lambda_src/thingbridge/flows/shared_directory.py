"""The directory that all copies of all functions share: what the table says of a device, and what a look taught.

It saves calls of the registry, and nothing depends on it: what can't be read is looked up, what can't be written is
looked up again.
"""

import time
from collections.abc import Callable
from enum import Enum
from typing import Final

from thingbridge.aws.directory_table import DirectoryTable
from thingbridge.aws.queues import Queue
from thingbridge.diagnostics import emit
from thingbridge.errors import ThingbridgeError
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import directory
from thingbridge.registry.directory import Fact

COMPLETE_KNOWN_FOR: Final = 60.0
"""Seconds after which it is read again whether the table is complete."""

EVENTS_COUNTED_EVERY: Final = 5.0
"""Seconds after which the events that wait are counted again. A thing that a person has just made may still be missed:
its event undoes that (`flows.directory`)."""


class Hint(Enum):
    """What the table says of a device whose thing it does not know."""

    ASK = "look it up in the registry"
    NEW = "it has no thing"
    UNREADABLE = "the table can't be read"


class SharedDirectory:
    """The table, and the queues of events that it has not learned from yet. `now` returns Unix seconds."""

    def __init__(
        self, table: DirectoryTable, events: tuple[Queue, ...] = (), *, now: Callable[[], float] = time.time
    ) -> None:
        """Without `events`, no device counts as new."""
        self._table, self._events, self._now = table, events, now
        self._complete_until = self._read_again_at = self._count_again_at = 0.0
        self._events_wait = True

    def time(self) -> int:
        """The time of a look at the registry that begins now, in microseconds."""
        return int(self._now() * 1_000_000)

    def look(self, device: EndDeviceIdentifiers) -> str | Hint:
        """Name of the device's thing, or why the table does not know it."""
        try:
            fact = self._table.read(directory.key_of_device(device))
            if fact is None and self._is_new(device):
                return Hint.NEW
        except ThingbridgeError as error:
            emit("WARN", "directory_not_read", reason=str(error))
            return Hint.UNREADABLE
        return (fact and fact.thing_name) or Hint.ASK

    def learn(self, device: EndDeviceIdentifiers, thing_name: str, as_of: int, *, made_at: int = 0) -> None:
        """Write what a look at the registry, which began at `as_of`, found."""
        try:
            self._table.write(directory.key_of_device(device), Fact(thing_name, as_of, made_at))
        except ThingbridgeError as error:
            emit("WARN", "directory_not_written", thing=thing_name, reason=str(error))

    def _is_new(self, device: EndDeviceIdentifiers) -> bool:
        """Whether a device without an item has no thing.

        Not without a DevEUI: the thing of such a device may stand in the table under a DevEUI. A thing without one
        stands under its device id.
        """
        if not device.dev_eui or not self._is_complete():
            return False
        keys = device.dev_eui, directory.key_of_id(device.device_id)
        return all(self._table.read(key, consistent=True) is None for key in keys)

    def _is_complete(self) -> bool:
        """Whether every thing is in the table: a survey is through, and no event waits."""
        now = self._now()
        if not self._events:
            return False
        if self._read_again_at <= now:
            self._complete_until, self._read_again_at = self._table.complete_until(), now + COMPLETE_KNOWN_FOR
        if self._complete_until <= now:
            return False
        if self._count_again_at <= now:
            self._events_wait = any(queue.waiting() for queue in self._events)
            self._count_again_at = now + EVENTS_COUNTED_EVERY
        return not self._events_wait
