"""Reading and writing the mark that ties an end device to its thing. Its content is defined in `registry.marks`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import marks
from thingbridge.registry.marks import Mark
from thingbridge.registry.provisioning import Server
from thingbridge.registry.reconcile import DevicePage, ListedDevice
from thingbridge.shadow import times
from thingbridge.things_stack.client import ThingsStack

NO_ROOM: Final = (
    f"the device has {marks.ATTRIBUTES_PER_DEVICE} attributes of its own, or the names of its stack and thing are too "
    "long for a mark: it works, but a change or deletion of its thing whose event is missed is not noticed"
)
"""Why a device has no mark, for the log of its thing."""

_FIELDS: Final = ("ids.dev_eui", "ids.join_eui", "attributes")


class Marking(StrEnum):
    """The outcome of writing a mark."""

    WRITTEN = "written"
    TAKEN_OVER = "taken over"
    UNCHANGED = "unchanged"
    ABSENT = "absent"
    FOREIGN = "foreign"
    NO_ROOM = "no room"


def page(things_stack: ThingsStack, number: int, limit: int, *, last_seen: bool = False) -> DevicePage:
    """A page of the application's devices with their marks, from 1. `last_seen`: and when each has sent last."""
    paths = ("ids", "attributes", *(("last_seen_at",) if last_seen else ()))
    listed, total = things_stack.end_devices.page(number, limit, paths)
    devices = [
        ListedDevice(
            each["ids"]["device_id"],
            each["ids"].get("dev_eui"),
            marks.read(each.get("attributes") or {}),
            marks.has_room(each.get("attributes") or {}),
            _seconds(each.get("last_seen_at")),
        )
        for each in listed
    ]
    return DevicePage(devices, total)


def read(things_stack: ThingsStack, device_id: str) -> tuple[EndDeviceIdentifiers, Mark | None] | None:
    """A device's identifiers and its mark, None if the application has no such device."""
    found = things_stack.end_devices.get(Server.IDENTITY, device_id, _FIELDS)
    if found is None:
        return None
    device = EndDeviceIdentifiers(device_id, found["ids"].get("dev_eui"), found["ids"].get("join_eui"))
    return device, marks.read(_attributes(found))


def write(things_stack: ThingsStack, device_id: str, mark: Mark) -> Marking:
    """Mark a device, keeping its other attributes. Another stack's mark is left alone, unless it was handed over.

    TAKEN_OVER: it is in step with a thing, and its earlier mark was of another one, or said that it is not in step.
    NO_ROOM: the device has ten other attributes, or the mark is too long; an earlier mark of this stack is removed.
    """
    found = things_stack.end_devices.get(Server.IDENTITY, device_id, ("attributes",))
    if found is None:
        return Marking.ABSENT
    attributes = _attributes(found)
    now = marks.read(attributes)
    if not mark.may_replace(now):
        return Marking.FOREIGN
    if now == mark:
        return Marking.UNCHANGED
    if marks.has_room(attributes) and mark.fits:
        things_stack.end_devices.set_attributes(device_id, attributes | mark.attributes())
        return Marking.TAKEN_OVER if now and mark.takes_over(now) else Marking.WRITTEN
    if now:
        _remove(things_stack, device_id, attributes)
    return Marking.NO_ROOM


def hand_over(things_stack: ThingsStack, device_id: str, mark: Mark, successor: Mark) -> bool:
    """Replace this mark of a device by that of the stack that its thing was given to; without room, just remove it.

    False if the device has another mark in the meantime, or none.
    """
    found = things_stack.end_devices.get(Server.IDENTITY, device_id, ("attributes",))
    attributes = _attributes(found or {})
    if marks.read(attributes) != mark:
        return False
    if successor.fits:
        things_stack.end_devices.set_attributes(device_id, attributes | successor.attributes())
    else:
        _remove(things_stack, device_id, attributes)
    return True


def _remove(things_stack: ThingsStack, device_id: str, attributes: Mapping[str, str]) -> None:
    others = {name: value for name, value in attributes.items() if name != marks.ATTRIBUTE}
    things_stack.end_devices.set_attributes(device_id, others)


def _seconds(time: object) -> float | None:
    sortable = times.sortable(time)
    return times.seconds(sortable) if sortable else None


def _attributes(found: Mapping[str, Any]) -> dict[str, str]:
    return dict(found.get("attributes") or {})
