"""Reading and writing the mark that ties an end device to its thing. Its content is defined in `registry.marks`."""

from collections.abc import Mapping
from typing import Any, Final

from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import marks
from thingbridge.registry.marks import Mark
from thingbridge.registry.provisioning import Server
from thingbridge.registry.reconcile import ListedDevice
from thingbridge.things_stack.client import ThingsStack

_FIELDS: Final = ("ids.dev_eui", "ids.join_eui", "attributes")


def page(things_stack: ThingsStack, number: int, limit: int) -> list[ListedDevice]:
    """A page of the application's devices with their marks, from 1."""
    return [
        ListedDevice(each["ids"]["device_id"], each["ids"].get("dev_eui"), marks.read(each.get("attributes") or {}))
        for each in things_stack.end_devices.page(number, limit, ("ids", "attributes"))
    ]


def read(things_stack: ThingsStack, device_id: str) -> tuple[EndDeviceIdentifiers, Mark | None] | None:
    """A device's identifiers and its mark, None if the application has no such device."""
    found = things_stack.end_devices.get(Server.IDENTITY, device_id, _FIELDS)
    if found is None:
        return None
    device = EndDeviceIdentifiers(device_id, found["ids"].get("dev_eui"), found["ids"].get("join_eui"))
    return device, marks.read(_attributes(found))


def write(things_stack: ThingsStack, device_id: str, mark: Mark) -> bool:
    """Mark a device, keeping its other attributes; True if its mark changed. Another stack's mark is left alone."""
    found = things_stack.end_devices.get(Server.IDENTITY, device_id, ("attributes",))
    if found is None:
        return False
    now = marks.read(_attributes(found))
    if now == mark or (now and now.stack_name != mark.stack_name):
        return False
    things_stack.end_devices.set_attributes(device_id, {**_attributes(found), **mark.attributes()})
    return True


def _attributes(found: Mapping[str, Any]) -> dict[str, str]:
    return dict(found.get("attributes") or {})
