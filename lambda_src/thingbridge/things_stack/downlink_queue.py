"""Downlinks into the queue of an end device on the Application Server."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingbridge.registry.attributes import DeviceReference
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.end_devices import resolve
from thingbridge.things_stack.errors import NotFound


def schedule(
    things_stack: ThingsStack,
    device: DeviceReference,
    downlinks: Sequence[Mapping[str, Any]],
    *,
    replace: bool,
) -> None:
    """Push `ApplicationDownlink` objects to the device's queue, or replace the queue by them.

    One call when the device carries the id that the thing tells, or the default one; otherwise it is looked up
    by its DevEUI. Raises NotFound when the application has no such device, or what the Application Server refuses.
    """
    try:
        things_stack.schedule_downlinks(device.device_id, downlinks, replace=replace)
    except NotFound as error:
        # It is the session that was not found, not the device.
        if error.answer.name == "unknown_session":
            raise
        found = None if device.named else resolve(things_stack, device)
        if found is None:
            raise
        things_stack.schedule_downlinks(found.device_id, downlinks, replace=replace)
