"""Which thing stands for which end device: looked up in the registry, created if missing, remembered once known."""

import time
from collections.abc import Callable, Iterator
from typing import Final

from thingbridge.aws.things import Thing, Things
from thingbridge.errors import Refused
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import identity
from thingbridge.registry.identity import MismatchingStack, StackOfThings

KNOWN_FOR: Final = 3600.0
"""Seconds after which a known thing is looked up again: the longest time that a deleted thing can go unnoticed."""

MISMATCH_KNOWN_FOR: Final = 60.0
"""Seconds a refusal is remembered, so that another stack's device can't use up the registry's quota."""

MAX_KNOWN: Final = 50_000
"""Things remembered in one execution environment: about 15 MB."""


class ThingDirectory:
    """The things of one stack's devices.

    A known device costs no registry call. An unknown one costs a DescribeThing of the name that the stack would give it
    (350 per second), and a ListThings by DevEUI (10 per second) only if that finds nothing.
    """

    def __init__(
        self,
        things: Things,
        stack: StackOfThings,
        *,
        capacity: int = MAX_KNOWN,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._things, self._stack, self._capacity, self._now = things, stack, capacity, now
        self._known: dict[EndDeviceIdentifiers, tuple[float, str | MismatchingStack]] = {}

    def find_or_create(self, device: EndDeviceIdentifiers) -> str:
        """Name of the device's thing, which is created if there is none.

        Raises MismatchingStack when another stack has the DevEUI, Refused when the name is taken, or Busy.
        """
        until, known = self._known.get(device, (0.0, ""))
        if not known or until < self._now():
            try:
                known = self.find(device) or self._create(device)
                self._remember(device, known, KNOWN_FOR)
            except MismatchingStack as mismatch:
                known = mismatch.with_traceback(None)
                self._remember(device, known, MISMATCH_KNOWN_FOR)
        if isinstance(known, MismatchingStack):
            # A new one: an exception that is raised again and again keeps the frames of all its raises.
            raise MismatchingStack(known.dev_eui, known.thing_name)
        return known

    def find(self, device: EndDeviceIdentifiers) -> str | None:
        """Name of the device's thing as the registry has it now, None if there is none.

        Raises like `find_or_create`.
        """
        mismatch: MismatchingStack | None = None
        for thing in self._candidates(device):
            try:
                if identity.is_thing_of(device, thing.name, thing.attributes, self._stack.name):
                    return thing.name
            except MismatchingStack as other:
                mismatch = mismatch or other
        if mismatch:
            raise mismatch
        return None

    def _remember(self, device: EndDeviceIdentifiers, known: str | MismatchingStack, seconds: float) -> None:
        self._known.pop(device, None)
        if len(self._known) >= self._capacity:
            del self._known[next(iter(self._known))]
        self._known[device] = (self._now() + seconds, known)

    def _candidates(self, device: EndDeviceIdentifiers) -> Iterator[Thing]:
        """Things that may stand for the device, the likeliest first; a generator, so that a match saves calls."""
        expected = self._things.describe(self._name_for(device))
        if expected:
            yield expected
        if device.dev_eui:
            yield from self._things.with_dev_eui(device.dev_eui)

    def _create(self, device: EndDeviceIdentifiers) -> str:
        name = self._name_for(device)
        attributes = identity.thing_attributes(device, self._stack.name)
        if self._things.create(name, attributes, self._stack.thing_type_name):
            return name
        # Created by another writer since the look-up, with other attributes: it may still be this device's thing.
        thing = self._things.describe(name)
        if thing and identity.is_thing_of(device, name, thing.attributes, self._stack.name):
            return name
        raise Refused(f"the name {name} is taken by a thing of another device")

    def _name_for(self, device: EndDeviceIdentifiers) -> str:
        return identity.thing_name(device, self._stack.thing_name_scheme, self._stack.name)
