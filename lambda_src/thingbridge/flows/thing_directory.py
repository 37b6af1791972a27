"""Which thing stands for which end device: remembered, known to the table, or looked up and created in the registry."""

import time
from collections.abc import Callable, Iterator
from typing import Final, Generic, NamedTuple, TypeVar

from thingbridge.aws.things import Thing, Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import Misconfigured, Refused
from thingbridge.flows.shared_directory import Hint, SharedDirectory
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import identity, standing
from thingbridge.registry.directory import Fact
from thingbridge.registry.identity import MismatchingStack, NameTaken, StackOfThings, ThingOfOther

KNOWN_FOR: Final = 45.0
"""Seconds after which the table is asked again, at the cost of one read. Registry events change the table within
seconds, so a deleted or moved thing is noticed within a minute."""

REFUSED_FOR: Final = 60.0
"""Seconds a refusal is remembered, so that another stack's device can't use up the registry's quota."""

ABSENT_FOR: Final = 60.0
"""Seconds in which a device without a thing is looked up by name only, so that its messages can't use up ListThings."""

MAX_KNOWN: Final = 50_000
"""Things remembered in one execution environment: about 15 MB."""

SETTLED_AFTER: Final = 15 * 86_400.0
"""Seconds after which no message of a device waits for its thing any more: a day longer than the queue keeps one."""

_NOT_ASKED: Final[tuple[EndDeviceIdentifiers | None, Fact | Hint]] = None, Hint.ASK

Value = TypeVar("Value")


class _Memory(Generic[Value]):
    """What is known about devices, for a while; it forgets the oldest entry when it is full."""

    def __init__(self, capacity: int, now: Callable[[], float]) -> None:
        self._capacity, self._now = capacity, now
        self._entries: dict[EndDeviceIdentifiers, tuple[float, Value]] = {}

    def get(self, device: EndDeviceIdentifiers) -> Value | None:
        until, value = self._entries.get(device, (0.0, None))
        return value if until >= self._now() else None

    def last(self, device: EndDeviceIdentifiers) -> Value | None:
        """What was known last, even if it should be asked for again."""
        return self._entries.get(device, (0.0, None))[1]

    def put(self, device: EndDeviceIdentifiers, value: Value, seconds: float) -> None:
        self._entries.pop(device, None)
        if len(self._entries) >= self._capacity:
            del self._entries[next(iter(self._entries))]
        self._entries[device] = (self._now() + seconds, value)


class _Known(NamedTuple):
    """A device's thing, or why it can't have one. Not the exception: an exception raised again grows each time."""

    thing_name: str
    refused_by: type[ThingOfOther] | None = None

    def name_for(self, device: EndDeviceIdentifiers) -> str:
        if self.refused_by is MismatchingStack:
            raise MismatchingStack(device.dev_eui or device.device_id, self.thing_name)
        if self.refused_by is NameTaken:
            raise NameTaken(self.thing_name)
        return self.thing_name


class ThingDirectory:
    """The things of one stack's devices.

    A known device costs no call, and a read of the table when it was last asked for more than `KNOWN_FOR` ago. What the
    table does not know costs a DescribeThing of each name that the stack would give the device (350 per second), and
    ListThings by DevEUI (10 per second) only if that finds nothing; ListThings by device id only for a device whose
    thing may have no DevEUI. A device of which a complete table has no item is new: it costs a CreateThing, and its
    name decides between writers. Without `shared`, every device that is not remembered is looked up.

    A thing that stands for a device by its device id alone gains the DevEUI that the device has by now. One that has
    the name for the device, but has lost its attributes, keeps receiving messages until the comparison restores them.
    """

    def __init__(
        self,
        things: Things,
        stack: StackOfThings,
        log: ThingsLog,
        shared: SharedDirectory | None = None,
        *,
        capacity: int = MAX_KNOWN,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._things, self._stack, self._log, self._shared = things, stack, log, shared
        self._known: _Memory[_Known] = _Memory(capacity, now)
        self._absent: _Memory[bool] = _Memory(capacity, now)
        self._asked = _NOT_ASKED

    def find_or_create(self, device: EndDeviceIdentifiers) -> str:
        """Name of the device's thing, which is created if there is none.

        Raises MismatchingStack when another stack has the DevEUI, NameTaken, Busy or Misconfigured.
        """
        known = self._known.get(device)
        if known is None:
            known, new = self._ask_table(device)
            if known is None:
                known = (None if new else self._look_up(device)) or self._create(device)
        return known.name_for(device)

    def settle(self, device: EndDeviceIdentifiers) -> str:
        """Like `find_or_create`, as the registry has it now, whatever was known; the table learns it."""
        return (self._look_up(device) or self._create(device)).name_for(device)

    def find_known(self, device: EndDeviceIdentifiers) -> str | None:
        """Name of the device's thing, None if there is none; for messages that do not create one.

        Raises MismatchingStack, Busy or Misconfigured.
        """
        known = self._known.get(device)
        if known is None:
            known, new = self._ask_table(device)
            if known is None:
                # A thing that has the name the stack would give it need not be in the table.
                known = self._look_up(device, by_name_only=new or bool(self._absent.get(device)))
                if known is None and not new and not self._absent.get(device):
                    self._absent.put(device, True, ABSENT_FOR)
        return known.name_for(device) if known else None

    def is_settled(self, device: EndDeviceIdentifiers) -> bool:
        """Whether no earlier message of the device can still wait for its thing.

        This process knows the thing, or why the device can't have one; or the table has known it for `SETTLED_AFTER`.
        """
        if self._known.get(device) is not None:
            return True
        answer = self._look_in_table(device)
        # For the look-up that follows: the table is read once.
        self._asked = device, answer
        return isinstance(answer, Fact) and answer.as_of < self._begin() - SETTLED_AFTER * 1_000_000

    def find(self, device: EndDeviceIdentifiers) -> str | None:
        """Name of the device's thing as the registry has it now, None if there is none. Nothing is remembered.

        Raises MismatchingStack, Busy or Misconfigured.
        """
        thing = self._find(device)
        return thing.name if thing else None

    # Inside --------------------------------------------------------------------------------------------------------

    def _look_in_table(self, device: EndDeviceIdentifiers) -> Fact | Hint:
        return self._shared.look(device) if self._shared else Hint.ASK

    def _ask_table(self, device: EndDeviceIdentifiers) -> tuple[_Known | None, bool]:
        """What the table knows of a device, and whether the device is new."""
        (asked, answer), self._asked = self._asked, _NOT_ASKED
        if asked != device:
            answer = self._look_in_table(device)
        if isinstance(answer, Fact) and answer.thing_name:
            return self._remember(device, answer.thing_name), False
        if answer is Hint.UNREADABLE and (last := self._known.last(device)):
            # Better than the registry, which could not answer for all devices at once.
            self._known.put(device, last, KNOWN_FOR)
            return last, False
        return None, answer is Hint.NEW

    def _look_up(self, device: EndDeviceIdentifiers, *, by_name_only: bool = False) -> _Known | None:
        """The device's thing in the registry, which then is remembered and has the device's identifiers."""
        as_of = self._begin()
        try:
            thing = self._find(device, by_name_only=by_name_only)
        except MismatchingStack as mismatch:
            return self._remember_refusal(device, mismatch)
        if thing is None:
            return None
        self._add_gained_attributes(device, thing)
        # A listing has no id, and may be older than an event that the table knows of: then it must not overwrite that.
        if self._shared and (thing.id or self._is_still(device, thing.name)):
            self._shared.learn(device, thing.name, as_of)
        return self._remember(device, thing.name)

    def _is_still(self, device: EndDeviceIdentifiers, name: str) -> bool:
        thing = self._things.describe(name)
        return thing is not None and identity.is_thing_of(device, name, thing.attributes, self._stack.name)

    def _begin(self) -> int:
        return self._shared.time() if self._shared else 0

    def _find(self, device: EndDeviceIdentifiers, *, by_name_only: bool = False) -> Thing | None:
        mismatch: MismatchingStack | None = None
        overwritten: Thing | None = None
        for thing in self._candidates(device, by_name_only=by_name_only):
            if thing.name == self._name_for(device) and standing.has_lost_its_device(thing, self._stack):
                overwritten = thing
            try:
                if identity.is_thing_of(device, thing.name, thing.attributes, self._stack.name):
                    return thing
            except MismatchingStack as other:
                mismatch = mismatch or other
        if mismatch:
            raise mismatch
        return overwritten

    def _candidates(self, device: EndDeviceIdentifiers, *, by_name_only: bool) -> Iterator[Thing]:
        """Things that may stand for the device, the likeliest first; a generator, so that a match saves calls."""
        name, name_by_id = self._name_for(device), self._name_for(EndDeviceIdentifiers(device.device_id, None, None))
        yield from self._named(name)
        if device.dev_eui and not by_name_only:
            yield from self._things.with_dev_eui(device.dev_eui)
        if name_by_id != name:
            yield from self._named(name_by_id)
        if identity.may_have_no_dev_eui(device) and not by_name_only:
            yield from self._things.with_device_id(device.device_id)

    def _named(self, name: str) -> Iterator[Thing]:
        thing = self._things.describe(name)
        if thing:
            yield thing

    def _create(self, device: EndDeviceIdentifiers) -> _Known:
        name, as_of = self._name_for(device), self._begin()
        attributes = identity.thing_attributes(device, self._stack.name)
        if self._things.create(name, attributes, self._stack.thing_type_name):
            if self._shared:
                self._shared.learn_made(device, name, as_of)
            return self._remember(device, name)
        # It exists, with other attributes: created by a person or another writer, it may still be this device's thing.
        thing = self._things.describe(name)
        try:
            if thing and (
                identity.is_thing_of(device, name, thing.attributes, self._stack.name)
                or standing.has_lost_its_device(thing, self._stack)
            ):
                return self._learn(device, name, as_of)
        except MismatchingStack as mismatch:
            return self._remember_refusal(device, mismatch)
        return self._remember_refusal(device, NameTaken(name))

    def _learn(self, device: EndDeviceIdentifiers, name: str, as_of: int) -> _Known:
        if self._shared:
            self._shared.learn(device, name, as_of)
        return self._remember(device, name)

    def _add_gained_attributes(self, device: EndDeviceIdentifiers, thing: Thing) -> None:
        """Give the thing what it lacks of the device's identifiers. It stays the device's thing if AWS refuses that."""
        gained = identity.gained_attributes(device, thing.attributes)
        # What a person has overwritten is restored from The Things Stack, not from a message.
        if not gained or standing.names_no_device(thing.attributes):
            return
        try:
            self._things.update(thing.name, gained)
        except (Refused, Misconfigured) as error:
            self._log.record(thing.name, "WARN", "identifiers_not_added", attributes=gained, reason=str(error))
        else:
            self._log.record(thing.name, "INFO", "identifiers_added", attributes=gained)

    def _remember(self, device: EndDeviceIdentifiers, thing_name: str) -> _Known:
        known = _Known(thing_name)
        self._known.put(device, known, KNOWN_FOR)
        return known

    def _remember_refusal(self, device: EndDeviceIdentifiers, error: ThingOfOther) -> _Known:
        known = _Known(error.thing_name, type(error))
        self._known.put(device, known, REFUSED_FOR)
        return known

    def _name_for(self, device: EndDeviceIdentifiers) -> str:
        return identity.thing_name(device, self._stack.thing_name_scheme, self._stack.name)
