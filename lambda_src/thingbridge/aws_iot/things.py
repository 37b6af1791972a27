"""The thing registry: finding the thing of an end device, making it, and reading a thing by its name."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from thingbridge.aws_iot.clients import client
from thingbridge.aws_iot.errors import code, told_apart
from thingbridge.errors import Refused
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import identity
from thingbridge.registry.attributes import Attribute
from thingbridge.settings import ThingNameScheme

KNOWN_FOR: Final = 3600.0
"""Seconds after which a known thing is looked up again: so long a deleted thing can go unnoticed."""

MISMATCH_KNOWN_FOR: Final = 60.0
"""Seconds a refusal is remembered, so that another stack's device can't use up the registry's quota."""

MAX_KNOWN: Final = 50_000
"""Things remembered in one sandbox: about 15 MB."""


@dataclass(frozen=True)
class Thing:
    """A thing of the registry."""

    name: str
    attributes: dict[str, str]


def describe(thing_name: str) -> Thing | None:
    """The thing of that name, None without one. Raises Busy, Misconfigured or Refused."""
    with told_apart(f"describe the thing {thing_name}"):
        try:
            found = client("iot").describe_thing(thingName=thing_name)
        except ClientError as error:
            if code(error) == "ResourceNotFoundException":
                return None
            raise
    return Thing(found["thingName"], dict(found.get("attributes") or {}))


def remove_attributes(thing_name: str, names: Iterable[str]) -> None:
    """Take attributes off a thing; those it does not have are no matter. Raises Busy, Misconfigured or Refused."""
    # AWS IoT removes an attribute that is merged with an empty value.
    payload = {"attributes": {str(name): "" for name in names}, "merge": True}
    with told_apart(f"remove attributes of the thing {thing_name}"):
        client("iot").update_thing(thingName=thing_name, attributePayload=payload)


class ThingDirectory:
    """Which thing stands for which end device, remembered once known.

    A device that is known costs no registry call. An unknown one costs a DescribeThing of the name the stack would
    give it (350 a second), and only when that finds nothing a ListThings by DevEUI (10 a second).
    """

    def __init__(
        self,
        *,
        stack_name: str,
        thing_type_name: str,
        scheme: ThingNameScheme,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stack_name = stack_name
        self._thing_type_name = thing_type_name
        self._scheme = scheme
        self._now = now
        self._known: dict[EndDeviceIdentifiers, tuple[float, str | identity.MismatchingStack]] = {}

    def find_or_make(self, device: EndDeviceIdentifiers) -> str:
        """Name of the device's thing, made when there is none.

        Raises MismatchingStack when another stack has the DevEUI, Refused when the name is taken, or Busy.
        """
        until, known = self._known.get(device, (0.0, ""))
        if not known or until < self._now():
            try:
                known = self._find(device) or self._make(device)
                self._remember(device, known, KNOWN_FOR)
            except identity.MismatchingStack as mismatch:
                known = mismatch
                self._remember(device, known, MISMATCH_KNOWN_FOR)
        if isinstance(known, identity.MismatchingStack):
            raise known
        return known

    def find(self, device: EndDeviceIdentifiers) -> str | None:
        """Name of the device's thing as the registry has it now, None without one. Raises like `find_or_make`."""
        return self._find(device)

    def _remember(self, device: EndDeviceIdentifiers, known: str | identity.MismatchingStack, seconds: float) -> None:
        self._known.pop(device, None)
        if len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[device] = (self._now() + seconds, known)

    def _find(self, device: EndDeviceIdentifiers) -> str | None:
        mismatch: identity.MismatchingStack | None = None
        for thing in self._candidates(device):
            try:
                if identity.is_thing_of(device, thing.name, thing.attributes, self._stack_name):
                    return thing.name
            except identity.MismatchingStack as other:
                mismatch = mismatch or other
        if mismatch:
            raise mismatch
        return None

    def _candidates(self, device: EndDeviceIdentifiers) -> Iterator[Thing]:
        """Things that may stand for the device, the likeliest first; a generator, so that calls stop at a find."""
        expected = describe(identity.thing_name(device, self._scheme, self._stack_name))
        if expected:
            yield expected
        if device.dev_eui:
            # Attribute search is case-sensitive, and people write EUIs either way.
            for spelling in dict.fromkeys((device.dev_eui, device.dev_eui.lower())):
                yield from self._with_dev_eui(spelling)

    @staticmethod
    def _with_dev_eui(dev_eui: str) -> list[Thing]:
        with told_apart(f"search things with DevEUI {dev_eui}"):
            pages = (
                client("iot")
                .get_paginator("list_things")
                .paginate(attributeName=str(Attribute.DEV_EUI), attributeValue=dev_eui)
            )
            found = [
                Thing(each["thingName"], dict(each.get("attributes") or {}))
                for page in pages
                for each in page["things"]
            ]
        return sorted(found, key=lambda thing: thing.name)

    def _make(self, device: EndDeviceIdentifiers) -> str:
        name = identity.thing_name(device, self._scheme, self._stack_name)
        request: dict[str, Any] = {
            "thingName": name,
            "thingTypeName": self._thing_type_name,
            "attributePayload": {"attributes": identity.thing_attributes(device, self._stack_name)},
        }
        with told_apart(f"create the thing {name}"):
            try:
                client("iot").create_thing(**request)
                return name
            except ClientError as error:
                if code(error) != "ResourceAlreadyExistsException":
                    raise
        # Somebody made it since it was looked for, with other attributes: theirs may well be this device's.
        thing = describe(name)
        if thing and identity.is_thing_of(device, name, thing.attributes, self._stack_name):
            return name
        raise Refused(f"the name {name} is taken by a thing of another device")
