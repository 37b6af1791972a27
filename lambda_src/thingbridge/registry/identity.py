"""Which thing stands for an end device: the name of a thing that the stack creates, and matching an existing one."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from thingbridge.errors import Refused
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry.attributes import Attribute


class ThingNameScheme(StrEnum):
    """How the stack names the things that it creates."""

    DEV_EUI = "DevEUI"
    DEVICE_ID = "DeviceID"


@dataclass(frozen=True)
class StackOfThings:
    """A stack as its things know it: its name (attribute `stackName`), their type, and how they are named."""

    name: str
    thing_type_name: str
    thing_name_scheme: ThingNameScheme


class MismatchingStack(Refused):
    """A thing has the device's DevEUI, but another stack's name. The text is the one users know from the docs."""

    def __init__(self, dev_eui: str, thing_name: str) -> None:
        super().__init__(f"DevEUI {dev_eui} is registered for mismatching stack")
        self.dev_eui, self.thing_name = dev_eui, thing_name


def thing_name(device: EndDeviceIdentifiers, scheme: ThingNameScheme, stack_name: str) -> str:
    """Name of a thing that the stack creates: `<DevEUI>`, or `<stack>_<device id>` by scheme or without a DevEUI."""
    if scheme is ThingNameScheme.DEV_EUI and device.dev_eui:
        return device.dev_eui
    return f"{stack_name}_{device.device_id}"


def thing_attributes(device: EndDeviceIdentifiers, stack_name: str) -> dict[str, str]:
    """Attributes of a thing that the stack creates for a device of The Things Stack.

    None of them requests a device, so the thing's own registry event requires no work.
    """
    known = {
        Attribute.DEV_EUI: device.dev_eui,
        Attribute.STACK_NAME: stack_name,
        Attribute.DEVICE_ID: device.device_id,
        Attribute.JOIN_EUI: device.join_eui,
    }
    return {str(name): value for name, value in known.items() if value}


def stands_for(device: EndDeviceIdentifiers, attributes: Mapping[str, Any]) -> bool:
    """Whether a thing with these attributes stands for the device, in whatever stack.

    A device with a DevEUI is identified by it, in upper or lower case and whatever its device id; a device without one
    by its device id.
    """
    if device.dev_eui:
        return str(attributes.get(Attribute.DEV_EUI, "")).upper() == device.dev_eui
    return attributes.get(Attribute.DEVICE_ID) == device.device_id


def is_thing_of(device: EndDeviceIdentifiers, name: str, attributes: Mapping[str, Any], stack_name: str) -> bool:
    """Whether a thing stands for the device in this stack. Raises MismatchingStack when another stack has it."""
    same = stands_for(device, attributes)
    if same and attributes.get(Attribute.STACK_NAME) != stack_name:
        raise MismatchingStack(device.dev_eui or device.device_id, name)
    return same
