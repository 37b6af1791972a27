"""What a new device is: its name, type and attributes, checked against AWS IoT's grammar and the stack's types."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from thingbridge.devices.fleet import DeviceType, Fleet
from thingbridge.errors import BadInput
from thingbridge.messaging.topics import THING_NAME
from thingbridge.registry.attributes import ATTRIBUTE_NAME, ATTRIBUTE_VALUE, MOST_ATTRIBUTES, Attribute

DEVICE_TYPE: Final = "deviceType"
LOCATION: Final = "location"
"""The attributes of every device, and of its place."""

FIELDS: Final = ("name", "type", "attributes", "csr")
"""Fields of a request; the last two are optional."""

_RESERVED: Final = frozenset(Attribute)
_CSR: Final = re.compile(r"\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----\r?\n[\s\S]{1,8192}-----END ")


@dataclass(frozen=True)
class NewDevice:
    """A device to be registered. `csr`: a certificate signing request (PEM) of its own key; None: AWS makes the key."""

    name: str
    type_name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    csr: str | None = None


def parse(request: object, fleet: Fleet) -> NewDevice:
    """A request `{"name", "type", "attributes", "csr"}`. Raises BadInput naming the field that is missing or wrong."""
    if not isinstance(request, dict):
        raise BadInput("request", f"must be a JSON object with {', '.join(FIELDS)}")
    for name in request:
        if name not in FIELDS:
            raise BadInput(str(name), f"is not a field of a request, which has {', '.join(FIELDS)}")
    attributes, csr = request.get("attributes"), request.get("csr")
    if attributes is not None and not isinstance(attributes, dict):
        raise BadInput("attributes", "must be an object of texts")
    if csr is not None and not (isinstance(csr, str) and _CSR.match(csr)):
        raise BadInput("csr", "must be a certificate signing request in PEM")
    return checked(NewDevice(request.get("name", ""), request.get("type", ""), attributes or {}, csr), fleet)


def checked(device: NewDevice, fleet: Fleet) -> NewDevice:
    """The device with all of its attributes. Raises BadInput naming the field or attribute that is wrong."""
    name_of(device.name)
    type_of(device.type_name, fleet)
    _check_attributes(device.attributes)
    if fleet.locations and (location := device.attributes.get(LOCATION)) and location not in fleet.locations:
        known = ", ".join(sorted(fleet.locations))
        raise BadInput(LOCATION, f"must be a location of the stack {fleet.stack_name}: {known}; got {location}")
    attributes = {**device.attributes, DEVICE_TYPE: device.type_name}
    return NewDevice(device.name, device.type_name, attributes, device.csr)


def name_of(name: object) -> str:
    """A name that a device can have. Raises BadInput."""
    if not isinstance(name, str) or not THING_NAME.fullmatch(name):
        raise BadInput("name", "must have 1 to 128 of the characters A-Z a-z 0-9 : _ and -")
    return name


def type_of(type_name: object, fleet: Fleet) -> DeviceType:
    """The type of that name. Raises BadInput naming the stack's types."""
    if not isinstance(type_name, str) or type_name not in fleet.types:
        known = ", ".join(sorted(fleet.types))
        raise BadInput("type", f"must be a type of the stack {fleet.stack_name}: {known}; got {type_name or 'none'}")
    return fleet.types[type_name]


def groups(device: NewDevice, fleet: Fleet) -> tuple[str, ...]:
    """The thing groups that a device belongs to."""
    location = fleet.locations.get(device.attributes.get(LOCATION, ""))
    return (fleet.types[device.type_name].group, *([location] if location else []))


def _check_attributes(attributes: Mapping[Any, Any]) -> None:
    if len(attributes) >= MOST_ATTRIBUTES:
        raise BadInput("attributes", f"must be fewer than {MOST_ATTRIBUTES}; got {len(attributes)}")
    for name, value in attributes.items():
        if not isinstance(name, str) or not ATTRIBUTE_NAME.fullmatch(name):
            raise BadInput(
                f"attributes.{name}", "must have a name of 1 to 128 of the characters A-Z a-z 0-9 _ . , @ / : # and -"
            )
        if name in _RESERVED or name == DEVICE_TYPE:
            owner = "set to the type" if name == DEVICE_TYPE else "for things of The Things Stack"
            raise BadInput(f"attributes.{name}", f"can't be given: this attribute is {owner}")
        if not isinstance(value, str) or not value or not ATTRIBUTE_VALUE.fullmatch(value):
            raise BadInput(
                f"attributes.{name}",
                "must be a text of 1 to 800 of the characters A-Z a-z 0-9 _ . , @ / : # = [ ] and -",
            )
