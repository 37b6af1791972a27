"""Which thing stands for an end device: the name of a thing that the stack creates, and matching an existing one."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from thingbridge.errors import Refused
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry.attributes import Attribute


class ThingNameScheme(StrEnum):
    """How the stack names the things that it creates."""

    DEV_EUI = "DevEUI"
    DEVICE_ID = "DeviceID"


class StackOfThings(NamedTuple):
    """A stack as its things know it: its name (attribute `stackName`), their type, and how they are named."""

    name: str
    thing_type_name: str
    thing_name_scheme: ThingNameScheme


class ThingOfOther(Refused):
    """A thing stands where the device's thing should be, and is not the device's. `thing_name`: that thing."""

    def __init__(self, reason: str, thing_name: str) -> None:
        super().__init__(reason)
        self.thing_name = thing_name


class MismatchingStack(ThingOfOther):
    """A thing has the device's DevEUI, but not this stack's name. The text is the one users know from the docs."""

    def __init__(self, dev_eui: str, thing_name: str) -> None:
        super().__init__(f"DevEUI {dev_eui} is registered for mismatching stack", thing_name)


class NameTaken(ThingOfOther):
    """The name that the stack would give to the device's thing belongs to a thing of another device."""

    def __init__(self, thing_name: str) -> None:
        super().__init__(f"the name {thing_name} is taken by a thing of another device", thing_name)


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


def is_thing_of(device: EndDeviceIdentifiers, name: str, attributes: Mapping[str, Any], stack_name: str) -> bool:
    """Whether a thing stands for the device in this stack. Raises MismatchingStack if its DevEUI is not this stack's.

    A DevEUI identifies a device all over the world, in upper or lower case and whatever the device id. Where the device
    or the thing has none, the device id does, within the stack: the ids of another application are other devices'.
    """
    ours = attributes.get(Attribute.STACK_NAME) == stack_name
    dev_eui = str(attributes.get(Attribute.DEV_EUI, "")).upper()
    if not device.dev_eui or not dev_eui:
        return ours and attributes.get(Attribute.DEVICE_ID) == device.device_id
    if dev_eui == device.dev_eui and not ours:
        raise MismatchingStack(device.dev_eui, name)
    return dev_eui == device.dev_eui


def gained_attributes(device: EndDeviceIdentifiers, attributes: Mapping[str, str]) -> dict[str, str]:
    """The identifiers that a device has by now and its thing lacks; empty if the thing has a DevEUI.

    The Things Stack allows a DevEUI to be given to a device that was registered without one.
    """
    if not device.dev_eui or attributes.get(Attribute.DEV_EUI):
        return {}
    gained = {str(Attribute.DEV_EUI): device.dev_eui}
    if device.join_eui and not (attributes.get(Attribute.JOIN_EUI) or attributes.get(Attribute.APP_EUI)):
        gained[str(Attribute.JOIN_EUI)] = device.join_eui
    return gained


def may_have_no_dev_eui(device: EndDeviceIdentifiers) -> bool:
    """Whether the device's thing may have no DevEUI: the device has none, or may have been registered without one.

    A device with a JoinEUI of its own joins over the air, for which it needs a DevEUI from the beginning.
    """
    return device.dev_eui is None or not (device.join_eui or "").strip("0")
