"""Whether a thing stands for an end device, and what happens to a marked device that the listing shows no thing for.

Pure decisions, on which deletions depend: a device is deleted only if no thing stands for it. So whatever is doubtful
counts as standing. The things are looked up in `flows.registry.standing`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from thingbridge.errors import BadInput
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import attributes as thing_attributes
from thingbridge.registry.attributes import Attribute
from thingbridge.registry.identity import StackOfThings


class Fate(StrEnum):
    """What happens to a device with this stack's mark for which the comparison found no thing."""

    MOVE_MARK = "move mark"
    RELEASE = "release"
    RESTORE_THING = "restore thing"
    KEEP = "keep"
    FOLLOW_THING = "follow thing"


class ThingSeen(Protocol):
    """A thing of the registry, as it was read."""

    @property
    def name(self) -> str: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...
    @property
    def type_name(self) -> str | None: ...


class Verdict(NamedTuple):
    """A device's fate, and the reason for the log of its thing, with the fix where a person has to act.

    `given`: the thing that was given to another stack, if it is released, and that stack.
    """

    fate: Fate
    reason: str
    given: tuple[str, str] | None = None


def stands_for(device: EndDeviceIdentifiers, attributes: Mapping[str, str]) -> bool:
    """Whether a thing with these attributes stands for the device, in whatever stack.

    EUIs are compared in upper case. Without a readable DevEUI on both sides, the device id decides.
    """
    try:
        reference = thing_attributes.reference(attributes)
    except BadInput:
        return attributes.get(Attribute.DEVICE_ID) == device.device_id
    if device.dev_eui and reference.dev_eui:
        return reference.dev_eui == device.dev_eui
    return reference.device_id == device.device_id


def names_no_device(attributes: Mapping[str, str]) -> bool:
    """Whether a thing has lost what names its device: UpdateThing without `merge` replaces all attributes."""
    return not attributes.get(Attribute.DEV_EUI) and not attributes.get(Attribute.DEVICE_ID)


def has_lost_its_device(thing: ThingSeen, stack: StackOfThings) -> bool:
    """Whether a thing of the stack has lost what names its device. `stackName` is lost with it, or still this stack's.

    Which device it was, its name or the mark of a device says.
    """
    ours = _stack_of(thing) in (None, stack.name) and thing.type_name == stack.thing_type_name
    return ours and names_no_device(thing.attributes)


def has_eui_of(device: EndDeviceIdentifiers, attributes: Mapping[str, str]) -> bool:
    """Whether the thing has the device's DevEUI, which is unique; a device id is unique in its application only."""
    return bool(device.dev_eui) and str(attributes.get(Attribute.DEV_EUI, "")).upper() == device.dev_eui


def verdict(
    device: EndDeviceIdentifiers,
    stack: StackOfThings,
    standing: ThingSeen | None,
    marked: ThingSeen | None,
    *,
    same: bool,
) -> Verdict:
    """What happens to a device with this stack's mark.

    `standing`: a thing that stands for the device, one of this stack if there is any; `marked`: the thing with the name
    in the mark. None: there is no such thing. `same`: it has the id in the mark as well. If not, it was created later,
    for this device or for another one, which nothing shows once it has lost its attributes.
    """
    if standing and _stack_of(standing) == stack.name:
        return Verdict(Fate.MOVE_MARK, f"the thing {standing.name} stands for it")
    for thing in (marked, standing):
        other = _stack_of(thing) if thing else None
        if thing and other not in (None, stack.name) and (thing is marked or has_eui_of(device, thing.attributes)):
            reason = f"the thing {thing.name} belongs to the stack {other}"
            return Verdict(Fate.RELEASE, reason, (thing.name, str(other)))
    if standing:
        return Verdict(Fate.KEEP, _why_doubtful(device, stack, standing))
    if marked is None:
        return Verdict(Fate.FOLLOW_THING, "its thing is gone")
    way_out = f"delete {device.device_id} in The Things Stack, or create a thing for it"
    if has_lost_its_device(marked, stack):
        if same:
            return Verdict(Fate.RESTORE_THING, "the attributes of its thing were overwritten")
        reason = f"the thing {marked.name} was created again, and has lost the attributes that name its device"
        given = f"give it {_names_of(device, stack)} if it is the thing of {device.device_id}"
        return Verdict(Fate.KEEP, f"{reason}: {given}; if not, {way_out}")
    return Verdict(Fate.KEEP, f"the thing {marked.name} no longer stands for it: {way_out}")


def _why_doubtful(device: EndDeviceIdentifiers, stack: StackOfThings, thing: ThingSeen) -> str:
    if _stack_of(thing) is None:
        return f"the thing {thing.name} has no stackName: set it to {stack.name} to manage the device from AWS"
    return (
        f"the thing {thing.name} of the stack {_stack_of(thing)} has its device ID: delete {device.device_id} in The "
        "Things Stack if that thing stands for a device of another application"
    )


def _names_of(device: EndDeviceIdentifiers, stack: StackOfThings) -> str:
    named = {Attribute.STACK_NAME: stack.name, Attribute.DEV_EUI: device.dev_eui, Attribute.DEVICE_ID: device.device_id}
    return ", ".join(f"{name} {value}" for name, value in named.items() if value)


def _stack_of(thing: ThingSeen) -> str | None:
    return thing.attributes.get(Attribute.STACK_NAME)
