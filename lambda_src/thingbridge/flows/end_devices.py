"""Creating, changing and deleting an end device across the servers of The Things Stack, never leaving half a device.

Creation resumes what an earlier attempt left behind, and undoes its own steps when a server refuses. Deletion goes
backwards and accepts "not found" as done. All of it can be repeated at any point.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

from thingbridge.errors import Busy, Refused, ThingbridgeError
from thingbridge.flows import marking
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import marks, provisioning
from thingbridge.registry.attributes import DeviceReference, NewDevice
from thingbridge.registry.provisioning import Server, Step
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import Conflict, ThingsStackRefused

EUIS: Final = ("ids.dev_eui", "ids.join_eui")


class Unfinished(Busy):
    """A deletion stopped half way, or answers contradict each other: it must be repeated."""


class Outcome(StrEnum):
    """The outcome of a creation, change or deletion."""

    CREATED = "created"
    CLAIMED = "claimed"
    COMPLETED = "completed"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    ABSENT = "absent"


def create(things_stack: ThingsStack, steps: Sequence[Step], *, known: bool = False) -> Outcome:
    """Carry out creation steps. `known`: the Identity Server has the device already.

    Returns CREATED, CLAIMED, COMPLETED (the rest of an earlier attempt) or UNCHANGED (nothing was missing). On any
    error it undoes what this call created and raises the error with the server's name as its `step`; after a refusal,
    also what an earlier attempt left behind. Raises Unfinished if a server can't be reached for that: the event is
    delivered again, and the next attempt completes the device or undoes it.
    """
    created: list[Server] = []
    ids = steps[0].end_device["ids"]
    for step in steps[1:] if known else steps:
        attempted = False
        try:
            # A server that knows the device is skipped: a working device keeps its session and its settings.
            if known and things_stack.end_devices.get(step.server, ids["device_id"], ("ids",)) is not None:
                continue
            attempted = True
            if _carry_out(things_stack, step):
                created.append(step.server)
            else:
                known = True
        except ThingbridgeError as error:
            error.step = step.server
            # A server that did not answer may have carried it out nevertheless.
            uncertain = [step.server] if attempted and isinstance(error, Busy) else []
            undone = _undo(things_stack, ids, [*created, *uncertain])
            if isinstance(error, Refused):
                _leave_nothing(things_stack, steps[0], error, undone=undone, resumed=known)
            raise
    if Server.IDENTITY in created:
        return Outcome.CLAIMED if Server.CLAIMING in created else Outcome.CREATED
    return Outcome.COMPLETED if created else Outcome.UNCHANGED


def _carry_out(things_stack: ThingsStack, step: Step) -> bool:
    """Carry out one step; False if the Identity Server had the device already."""
    ids = step.end_device["ids"]
    try:
        things_stack.end_devices.set(step)
    except Conflict:
        if step.server is Server.IDENTITY and _is_ours(things_stack, ids):
            return False
        raise
    except ThingsStackRefused:
        # A claim whose answer was lost is refused at the next attempt, because the device is claimed already, by us.
        if (
            step.server is not Server.CLAIMING
            or things_stack.end_devices.get(step.server, ids["device_id"], ()) is None
        ):
            raise
    return True


def _undo(things_stack: ThingsStack, ids: Mapping[str, str], servers: Sequence[Server]) -> bool:
    """Undo steps as far as possible; False if something is left."""
    for server in reversed(servers):
        try:
            # An id that another device has is not ours to delete.
            if server is not Server.IDENTITY or _is_ours(things_stack, ids):
                things_stack.end_devices.delete(server, ids["device_id"])
        except ThingbridgeError:
            # The order must hold: the Identity Server must forget the device last, or nothing could find what is
            # left of it on the other servers.
            return False
    return True


def _leave_nothing(things_stack: ThingsStack, identity: Step, refusal: Refused, *, undone: bool, resumed: bool) -> None:
    """After a refusal for good, no attempt follows: delete what an earlier one left. `identity`: the first step.

    Raises Unfinished if that is not possible now, or if this call's own steps were not `undone`.
    """
    try:
        if undone and resumed and _is_left_behind(things_stack, identity):
            ids = identity.end_device["ids"]
            delete(things_stack, DeviceReference(ids["device_id"], ids["dev_eui"], named=True))
    except Busy as error:
        undone, refusal = False, Refused(f"{refusal}; {error}")
    if not undone:
        unfinished = Unfinished(f"what was created has to be undone: {refusal}")
        unfinished.step = refusal.step
        raise unfinished from refusal


def _is_left_behind(things_stack: ThingsStack, identity: Step) -> bool:
    """Whether a device is the unfinished work of an earlier attempt for a thing of this name, and was never in use.

    The mark proves the first. Without the Application Server no message of the device was ever delivered, and without a
    session on the Network Server it has not joined.
    """
    device_id = identity.end_device["ids"]["device_id"]
    unfinished = marks.read(identity.end_device["attributes"])
    found = marking.read(things_stack, device_id)
    if unfinished is None or found is None or found[1] is None:
        return False
    # A thing that was deleted and created again under its name resumes what its predecessor began.
    if replace(found[1], thing_id=unfinished.thing_id) != unfinished:
        return False
    if not _is_ours(things_stack, identity.end_device["ids"]):
        return False
    registry = things_stack.end_devices
    on_network_server = registry.get(Server.NETWORK, device_id, ("session.dev_addr", "pending_session.dev_addr")) or {}
    joined = on_network_server.get("session") or on_network_server.get("pending_session")
    return not joined and registry.get(Server.APPLICATION, device_id, ("ids",)) is None


def _is_ours(things_stack: ThingsStack, ids: Mapping[str, str]) -> bool:
    ours = EndDeviceIdentifiers(ids["device_id"], ids["dev_eui"], ids["join_eui"])
    return _known(things_stack, ids["device_id"]) == ours


def update(things_stack: ThingsStack, device_id: str, settings: Mapping[str, Any]) -> Outcome:
    """Apply the thing's settings, by path, to the device on the Network Server. Returns UPDATED or UNCHANGED.

    Raises Refused when the Network Server refuses them, or does not know the device.
    """
    if not settings:
        return Outcome.UNCHANGED
    try:
        now = things_stack.end_devices.get(Server.NETWORK, device_id, tuple(settings))
        if now is None:
            raise Refused(
                f"the Network Server does not know {device_id}: set the keys of the thing again to complete it"
            )
        changed = provisioning.changed(settings, now)
        if not changed:
            return Outcome.UNCHANGED
        things_stack.end_devices.set(provisioning.settings_step(device_id, things_stack.application_id, changed))
    except ThingbridgeError as error:
        error.step = Server.NETWORK
        raise
    return Outcome.UPDATED


def set_root_keys(things_stack: ThingsStack, device: NewDevice) -> None:
    """Set the thing's root keys on its device. They can't be compared first: the API key has no right to read keys."""
    try:
        things_stack.end_devices.set(provisioning.root_keys_step(device, things_stack.application_id))
    except ThingbridgeError as error:
        error.step = Server.JOIN
        raise


def delete(things_stack: ThingsStack, device: DeviceReference) -> Outcome:
    """Delete the device of a thing on all servers, and release its claim. Returns DELETED, or ABSENT if there was none.

    Raises Refused when the device id belongs to a device with another DevEUI, which was never this thing's. Once its
    thing is gone, nothing shows why a device remains, so a deletion must be completed: a refusal of a server is raised
    as Unfinished, and retried.
    """
    try:
        known = resolve(things_stack, device)
        if known is None:
            _confirm_absent(things_stack, device)
            return Outcome.ABSENT
        addresses = things_stack.end_devices.get(Server.IDENTITY, known.device_id, ("join_server_address",))
        if addresses is None:
            raise Unfinished(f"the Identity Server gave contradictory answers about {known.device_id}")
        for server in (Server.APPLICATION, Server.NETWORK):
            _delete_on(things_stack, server, known.device_id)
        if addresses.get("join_server_address"):
            _delete_on(things_stack, Server.JOIN, known.device_id)
        else:
            _unclaim(things_stack, known.device_id)
        _delete_on(things_stack, Server.IDENTITY, known.device_id)
    except ThingsStackRefused as error:
        raise Unfinished(str(error)) from error
    return Outcome.DELETED


def take_back(things_stack: ThingsStack, device: DeviceReference, steps: Sequence[Step]) -> Outcome:
    """Delete what this call has created by carrying out `steps`, of a device that the Identity Server does not know.

    The event of the deletion may have been handled while the steps were carried out. The Identity Server has forgotten
    the device then, and what the other servers received after that could not be found again. Returns ABSENT. Raises
    Unfinished when the Identity Server knows the device by now, and otherwise like `delete`.
    """
    try:
        if resolve(things_stack, device) is not None:
            raise Unfinished(f"{device.device_id} was created while it was deleted")
        _confirm_absent(things_stack, device)
        for step in reversed(steps):
            if step.server not in (Server.IDENTITY, Server.CLAIMING):
                things_stack.end_devices.delete(step.server, step.end_device["ids"]["device_id"])
    except ThingsStackRefused as error:
        raise Unfinished(str(error)) from error
    return Outcome.ABSENT


def _unclaim(things_stack: ThingsStack, device_id: str) -> None:
    try:
        _delete_on(things_stack, Server.CLAIMING, device_id)
    except ThingsStackRefused:
        # Not every device that joins elsewhere was claimed: a refusal must not prevent the deletion.
        return


def _delete_on(things_stack: ThingsStack, server: Server, device_id: str) -> None:
    """Delete on one server. "Not found" is verified, because the rest of the device is deleted on that evidence."""
    if not things_stack.end_devices.delete(server, device_id) and things_stack.end_devices.get(
        server, device_id, ("ids",)
    ):
        raise Unfinished(f"the {server} gave contradictory answers about {device_id}")


def _confirm_absent(things_stack: ThingsStack, device: DeviceReference) -> None:
    found = things_stack.end_devices.search(device.dev_eui) if device.dev_eui else None
    if found and found.device_id == device.device_id:
        raise Unfinished(f"the Identity Server gave contradictory answers about {device.device_id}")


def resolve(things_stack: ThingsStack, device: DeviceReference) -> EndDeviceIdentifiers | None:
    """The end device that a thing stands for, None if the application has none.

    A `deviceID` of the thing is authoritative, and that device must have the thing's DevEUI: Refused otherwise. A thing
    without one stands for the device with its DevEUI, whatever device id that has in The Things Stack.
    """
    known = _known(things_stack, device.device_id)
    if known is not None and device.dev_eui in (None, known.dev_eui):
        return known
    if not device.named:
        return things_stack.end_devices.search(device.dev_eui) if device.dev_eui else None
    if known is not None:
        raise Refused(f"the end device {device.device_id} has DevEUI {known.dev_eui or 'none'}, not {device.dev_eui}")
    return None


def _known(things_stack: ThingsStack, device_id: str) -> EndDeviceIdentifiers | None:
    found = things_stack.end_devices.get(Server.IDENTITY, device_id, EUIS)
    if found is None:
        return None
    return EndDeviceIdentifiers(device_id, found["ids"].get("dev_eui"), found["ids"].get("join_eui"))
