"""Whether a thing stands for an end device, and what happens to a marked device that the listing shows no thing for.

Pure decisions, on which deletions depend: a device is deleted only if no thing stands for it. So whatever is doubtful
counts as standing. The things are looked up in `flows.registry.standing`.
"""

from collections.abc import Mapping
from enum import StrEnum

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


def fate(
    stack: StackOfThings, standing: Mapping[str, str] | None, marked: Mapping[str, str] | None, marked_type: str | None
) -> Fate:
    """The fate of a device with this stack's mark.

    `standing`: the attributes of a thing that stands for the device, one of this stack if there is any; `marked`: those
    of the thing that the mark names, and its type. None: there is no such thing.
    """
    if standing is not None and standing.get(Attribute.STACK_NAME) == stack.name:
        return Fate.MOVE_MARK
    if standing is not None and standing.get(Attribute.STACK_NAME):
        return Fate.RELEASE
    if marked is None:
        return Fate.FOLLOW_THING if standing is None else Fate.KEEP
    if marked.get(Attribute.STACK_NAME, stack.name) != stack.name:
        return Fate.RELEASE
    if standing is None and names_no_device(marked) and marked_type == stack.thing_type_name:
        return Fate.RESTORE_THING
    return Fate.KEEP
