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

SURVEY_KNOWN_FOR: Final = 60.0
"""Seconds after which it is read again whether surveys notice lost events."""

EVENTS_COUNTED_EVERY: Final = 5.0
"""Seconds after which the events that wait are counted again. A thing that a person has just made may still be missed:
its event undoes that (`flows.directory`)."""

TRUSTED_FOR: Final = 86_400.0
"""Seconds after which a thing is looked up again where no survey would have noticed a lost event."""

ATTEMPTS: Final = 5


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
        """`events`: the queue of the directory, then its dead letters; without them, no device counts as new."""
        self._table, self._events, self._now = table, events, now
        self._complete_until = self._read_again_at = self._count_again_at = 0.0
        self._events_wait = True

    def time(self) -> int:
        """The time of a look at the registry that begins now, in microseconds."""
        return int(self._now() * 1_000_000)

    def look(self, device: EndDeviceIdentifiers) -> Fact | Hint:
        """The device's thing, whose name then is known, or why the table does not know it."""
        try:
            fact = self._table.read(directory.key_of_device(device))
            if fact is None and self._is_new(device):
                return Hint.NEW
            if fact and fact.as_of < self.time() - TRUSTED_FOR * 1_000_000 and not self._is_surveyed():
                return Hint.ASK
        except ThingbridgeError as error:
            emit("WARN", "directory_not_read", reason=str(error))
            return Hint.UNREADABLE
        return fact if fact and fact.thing_name else Hint.ASK

    def learn(self, device: EndDeviceIdentifiers, thing_name: str, as_of: int) -> None:
        """Write what a look at the registry, which began at `as_of`, found."""
        try:
            self._table.write(directory.key_of_device(device), Fact(thing_name, as_of))
        except ThingbridgeError as error:
            emit("WARN", "directory_not_written", thing=thing_name, reason=str(error))

    def learn_made(self, device: EndDeviceIdentifiers, thing_name: str, as_of: int) -> None:
        """Write that the thing was made, because no other was known; `as_of`: a moment before."""
        try:
            key = directory.key_of_device(device)
            insists = bool(self._events)
            written = self._table.write(key, Fact(thing_name, as_of, made_at=as_of), unless_other=insists)
            if insists and not written:
                self._insist(key, thing_name, made_at=as_of)
        except ThingbridgeError as error:
            emit("WARN", "directory_not_written", thing=thing_name, reason=str(error))

    def _insist(self, key: str, thing_name: str, made_at: int) -> None:
        """Write that a message has made a thing, although the table has learned something of its device meanwhile.

        The directory looks again at what the table had: the event of a thing that a person made came too early to undo
        the message's, and nothing shows whether that still exists.
        """
        for _ in range(ATTEMPTS):
            known = self._table.read(key, consistent=True)
            if known is None or (known.thing_name == thing_name and known.made_at):
                return
            if self._table.write(key, Fact(thing_name, known.as_of + 1, made_at)):
                if known.thing_name != thing_name:
                    self._events[0].send([directory.event(known.thing_name or thing_name, known.as_of)])
                return

    def _is_new(self, device: EndDeviceIdentifiers) -> bool:
        """Whether a device without an item has no thing: a survey is through, and no event waits.

        Not without a DevEUI: the thing of such a device may stand in the table under a DevEUI. A thing without one
        stands under its device id. The survey is read last: a table that has been lost since has none.
        """
        if not device.dev_eui or self._do_events_wait():
            return False
        keys = device.dev_eui, directory.key_of_id(device.device_id)
        if any(self._table.read(key, consistent=True) for key in keys):
            return False
        return self._table.survey(consistent=True).complete_until > self._now()

    def _do_events_wait(self) -> bool:
        now = self._now()
        if self._events and self._count_again_at <= now:
            self._events_wait = any(queue.waiting() for queue in self._events)
            self._count_again_at = now + EVENTS_COUNTED_EVERY
        return self._events_wait

    def _is_surveyed(self) -> bool:
        """Whether a survey has made the table complete, and still counts."""
        now = self._now()
        if self._read_again_at <= now:
            self._complete_until, self._read_again_at = self._table.survey().complete_until, now + SURVEY_KNOWN_FOR
        return self._complete_until > now
