"""Creating and deleting an end device across the four servers of The Things Stack, never leaving half a device.

Creation resumes what an earlier try left behind and undoes what this try made when a server refuses. Deletion
goes backwards and takes "not there" for done. Both can be repeated at any point.
"""

from collections.abc import Sequence
from enum import StrEnum

from thingbridge.errors import Refused, ThingbridgeError
from thingbridge.registry.attributes import DeviceReference
from thingbridge.registry.provisioning import DELETION_ORDER, Server, Step
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import Conflict

EUIS = ("ids.dev_eui", "ids.join_eui")


class Outcome(StrEnum):
    """What became of a request to create or delete."""

    CREATED = "created"
    COMPLETED = "completed"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    ABSENT = "absent"


def create(things_stack: ThingsStack, steps: Sequence[Step]) -> Outcome:
    """Carry out creation steps. CREATED, COMPLETED (an earlier try's rest) or UNCHANGED (nothing was missing).

    On any error it undoes what this call made and raises it. Where a server can't be reached for the undoing
    either, the rest is completed when the event comes again.
    """
    made: list[Server] = []
    device_id = steps[0].end_device["ids"]["device_id"]
    try:
        for step in steps:
            if _set(things_stack, step, resumed=Server.IDENTITY not in made):
                made.append(step.server)
    except ThingbridgeError:
        _undo(things_stack, device_id, made)
        raise
    if Server.IDENTITY in made:
        return Outcome.CREATED
    return Outcome.COMPLETED if made else Outcome.UNCHANGED


def _set(things_stack: ThingsStack, step: Step, *, resumed: bool) -> bool:
    """Tell one server, and whether it was news to it. `resumed`: the device was there before this call."""
    ids = step.end_device["ids"]
    if step.server is Server.IDENTITY:
        try:
            things_stack.set_end_device(step)
        except Conflict:
            if _euis(things_stack, ids["device_id"]) == (ids["dev_eui"], ids["join_eui"]):
                return False
            raise
        return True
    # What a server knows already is left as it is: a working device keeps its session and its own settings.
    if resumed and things_stack.end_device(step.server, ids["device_id"], ("ids",)) is not None:
        return False
    things_stack.set_end_device(step)
    return True


def _undo(things_stack: ThingsStack, device_id: str, made: Sequence[Server]) -> None:
    for server in DELETION_ORDER:
        if server in made:
            try:
                things_stack.delete_end_device(server, device_id)
            except ThingbridgeError:
                # The order matters more than the rest: the Identity Server must forget the device last, or
                # nobody could find what is left of it on the others.
                return


def delete(things_stack: ThingsStack, device: DeviceReference) -> Outcome:
    """Delete the device of a thing on all servers. DELETED, or ABSENT when there was none.

    Raises Refused when the device id belongs to a device with another DevEUI: it was never this thing's.
    """
    device_id = resolve(things_stack, device)
    if device_id is None:
        return Outcome.ABSENT
    for server in DELETION_ORDER:
        things_stack.delete_end_device(server, device_id)
    return Outcome.DELETED


def resolve(things_stack: ThingsStack, device: DeviceReference) -> str | None:
    """The id of the end device that a thing stands for, None when the application has none.

    A `deviceID` on the thing is taken at its word, and must carry the thing's DevEUI: Refused otherwise. A thing
    without one stands for the device with its DevEUI, whatever id that was given in The Things Stack.
    """
    known = _euis(things_stack, device.device_id)
    if known is not None and device.dev_eui in (None, known[0]):
        return device.device_id
    if not device.named:
        return things_stack.find_device_id(device.dev_eui) if device.dev_eui else None
    if known is not None:
        raise Refused(f"the end device {device.device_id} has DevEUI {known[0] or 'none'}, not {device.dev_eui}")
    return None


def _euis(things_stack: ThingsStack, device_id: str) -> tuple[str | None, str | None] | None:
    found = things_stack.end_device(Server.IDENTITY, device_id, EUIS)
    return None if found is None else (found["ids"].get("dev_eui"), found["ids"].get("join_eui"))
