"""What a thing and an end device call for, as the listings of both registries show them. Pure decisions.

A listing may be minutes old when its decision is carried out, so a decision is a reason to look, never an order: the
flow that carries it out reads both sides again. `device_index` holds a million devices, `sync` goes through the pages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from thingbridge.errors import BadInput
from thingbridge.registry import attributes as thing_attributes
from thingbridge.registry.marks import Mark, Owner

SAFE_DELETIONS: Final = 10
SAFE_SHARE: Final = 0.1
"""More deletions than both in one run look like a mistake (the wrong account, an emptied type): none is carried out."""

FEW_DELETIONS: Final = 2
LARGE_SHARE: Final = 0.5
"""In a small fleet, more than the first and at least the second look like the same mistake."""


class OnThingDeleted(StrEnum):
    """What happens to the end device when its thing is deleted."""

    DELETE = "delete"
    RETAIN = "retain"


class Decision(StrEnum):
    """What a pair calls for, or one side without the other."""

    IN_STEP = "in step"
    MARK_DEVICE = "mark device"
    DIFFERING = "differing"
    CREATE_DEVICE = "create device"
    CREATE_THING = "create thing"
    DELETE_DEVICE = "delete device"
    RETAIN_DEVICE = "retain device"
    KEEP_DEVICE = "keep device"
    LEAVE_DEVICE = "leave device"
    LEAVE_THING = "leave thing"
    UNMARKABLE = "unmarkable"
    DUPLICATE = "duplicate"
    INCOMPLETE = "incomplete"
    MISNAMED = "deviceID and devEUI name different devices"


WORK: Final = frozenset(
    {
        Decision.MARK_DEVICE,
        Decision.DIFFERING,
        Decision.CREATE_DEVICE,
        Decision.CREATE_THING,
        Decision.DELETE_DEVICE,
        Decision.RETAIN_DEVICE,
    }
)
"""Decisions that become work items; the others are only counted."""


@dataclass(frozen=True)
class ListedDevice:
    """An end device as the Identity Server lists it.

    `room`: its attributes have room for a mark. `last_seen`: when it has sent last, in Unix seconds; None: never, or it
    was not asked for.
    """

    device_id: str
    dev_eui: str | None
    mark: Mark | None
    room: bool = True
    last_seen: float | None = None


@dataclass(frozen=True)
class DevicePage:
    """A page of the application's end devices. `total`: how many there are on all pages; None if that is unknown."""

    devices: Sequence[ListedDevice]
    total: int | None


class MarkedBy(Enum):
    """Whose mark a device has. A `NEIGHBOUR` is another stack of the account and region, with the same things."""

    NOBODY = 0
    THIS_STACK = 1
    NEIGHBOUR = 2
    STRANGER = 3


def marked_by(mark: Mark | None, owner: Owner) -> MarkedBy:
    """Whose mark this is for the stack `owner`."""
    if mark is None:
        return MarkedBy.NOBODY
    if mark.owner == owner:
        return MarkedBy.THIS_STACK
    return MarkedBy.NEIGHBOUR if owner.is_neighbour_of(mark.owner) else MarkedBy.STRANGER


def for_pair(
    by: MarkedBy, *, same: bool, handed_over: bool, seen: bool, room: bool, misnamed: bool = False
) -> Decision:
    """A thing of the stack and its device.

    `by`: who marked the device; `same`: the mark names this thing and its current state; `handed_over`: a neighbour's
    mark comes with the thing; `seen`: the device was found for another thing of the stack before; `room`: the device
    can have the mark that it needs; `misnamed`: the thing has the device's DevEUI, and the device id of another device
    or of none. What the thing describes then goes to no device, and only a person knows which of the two is meant.
    """
    if seen:
        return Decision.DUPLICATE
    if misnamed:
        return Decision.MISNAMED
    if by is MarkedBy.NEIGHBOUR and handed_over:
        return Decision.DIFFERING
    if by in (MarkedBy.NEIGHBOUR, MarkedBy.STRANGER):
        # Two stacks may serve one application: marking the device of the other stack would never end.
        return Decision.IN_STEP
    if by is MarkedBy.THIS_STACK:
        return Decision.IN_STEP if same else Decision.DIFFERING
    return Decision.MARK_DEVICE if room else Decision.UNMARKABLE


def for_thing_alone(attributes: Mapping[str, str]) -> Decision:
    """A thing of the stack without a device.

    A thing that describes no device was created for messages, or its keys were removed: deleting a device in The Things
    Stack does nothing to its thing. A bad description was reported when the thing was created or changed.
    """
    if not thing_attributes.has_secrets(attributes):
        return Decision.LEAVE_THING
    try:
        thing_attributes.new_device(attributes, "")
    except BadInput:
        return Decision.INCOMPLETE
    return Decision.CREATE_DEVICE


def for_device_alone(
    by: MarkedBy, on_thing_deleted: OnThingDeleted, *, kept: bool = False, room: bool = True
) -> Decision:
    """A device without a thing. Marked by this stack, it had one; `kept`: it was looked at, and is kept without one.

    A device that another stack has marked, or that can have no mark (not `room`), gets a thing when it sends. If no
    thing can be created for it (a neighbour has one), that could not be remembered, and each comparison would try
    again.
    """
    match by:
        case MarkedBy.NOBODY:
            return Decision.CREATE_THING if room else Decision.UNMARKABLE
        case MarkedBy.STRANGER | MarkedBy.NEIGHBOUR:
            return Decision.LEAVE_DEVICE
    if kept:
        return Decision.KEEP_DEVICE
    return Decision.DELETE_DEVICE if on_thing_deleted is OnThingDeleted.DELETE else Decision.RETAIN_DEVICE


def too_many_deletions(deletions: int, marked: int) -> bool:
    """Whether a run would delete so many devices that it deletes none. `marked`: the number of the stack's devices."""
    many = deletions > SAFE_DELETIONS and deletions > SAFE_SHARE * marked
    return many or (deletions > FEW_DELETIONS and deletions >= LARGE_SHARE * marked)
