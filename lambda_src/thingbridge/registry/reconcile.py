"""What a thing and an end device call for, as the listings of both registries show them. Pure decisions.

A listing may be minutes old when its decision is carried out, so a decision is a reason to look, never an order: the
flow that carries it out reads both sides again. `device_index` holds a million devices, `sync` goes through the pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from thingbridge.errors import BadInput
from thingbridge.registry import attributes as thing_attributes
from thingbridge.registry.marks import Mark

SAFE_DELETIONS: Final = 10
SAFE_SHARE: Final = 0.1
"""More deletions than both in one run look like a mistake (the wrong account, an emptied type): none is carried out."""


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
    LEAVE_THING = "leave thing"
    DUPLICATE = "duplicate"
    INCOMPLETE = "incomplete"


WORK: Final = frozenset(
    {
        Decision.MARK_DEVICE,
        Decision.DIFFERING,
        Decision.CREATE_DEVICE,
        Decision.CREATE_THING,
        Decision.DELETE_DEVICE,
    }
)
"""Decisions that become work items; the others are only counted."""


@dataclass(frozen=True)
class ListedDevice:
    """An end device as the Identity Server lists it."""

    device_id: str
    dev_eui: str | None
    mark: Mark | None


def for_pair(*, marked: bool, foreign: bool, same: bool, seen: bool) -> Decision:
    """A thing of the stack and its device.

    `marked` by this stack, or `foreign`, by another one; `same`: the mark names this thing and its current state;
    `seen`: the device was found for another thing of the stack before.
    """
    if seen:
        return Decision.DUPLICATE
    if foreign:
        # Two stacks may serve one application: marking the device of the other stack would never end.
        return Decision.IN_STEP
    if not marked:
        return Decision.MARK_DEVICE
    return Decision.IN_STEP if same else Decision.DIFFERING


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


def for_device_alone(marked: bool, on_thing_deleted: OnThingDeleted) -> Decision:
    """A device without a thing. `marked` by this stack: it had one, whose deletion event was missed."""
    if not marked:
        return Decision.CREATE_THING
    return Decision.DELETE_DEVICE if on_thing_deleted is OnThingDeleted.DELETE else Decision.RETAIN_DEVICE


def too_many_deletions(deletions: int, marked: int) -> bool:
    """Whether a run would delete so many devices that it deletes none. `marked`: the number of the stack's devices."""
    return deletions > SAFE_DELETIONS and deletions > SAFE_SHARE * marked
