"""Registry events of AWS IoT: what happened to a thing, and whether this stack has to act.

Shape: AWS IoT Developer Guide, "Registry events". They are delivered at least once and in any order, so an event only
says where to look: what is done follows from the thing as it is now.

An event carries every attribute of its thing, keys and claim codes included. The rule passes on what `SELECTED` names
and nothing else, so that no secret waits in a queue.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from thingbridge.errors import BadInput
from thingbridge.registry.attributes import Attribute

SELECTED: Final = (Attribute.DEV_EUI, Attribute.DEVICE_ID, Attribute.STACK_NAME)
"""The attributes that the rule selects: those of a deleted thing that show which device it stood for."""


class Operation(StrEnum):
    """What happened to the thing."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    DELETED = "DELETED"


@dataclass(frozen=True)
class ThingEvent:
    """One event. `attributes`: those of `SELECTED` after the change; for a deleted thing, the last ones."""

    operation: Operation
    thing_name: str
    attributes: Mapping[str, str]


def selected(event: Mapping[str, Any]) -> dict[str, Any]:
    """What the rule passes on of an event: `{"operation", "thingName", "devEUI"?, "deviceID"?, "stackName"?}`."""
    attributes = event.get("attributes") or {}
    present = {str(name): attributes[name] for name in SELECTED if name in attributes}
    return {"operation": event["operation"], "thingName": event["thingName"], **present}


def rule_output(_topic: str, published: bytes) -> str:
    """The same for published bytes, as the text of a message; an empty one when they are not a registry event."""
    try:
        return json.dumps(selected(json.loads(published)))
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""


def parse(text: str) -> ThingEvent:
    """Read an event, whole or as the rule selects it. Raises BadInput when the text is not a registry event."""
    try:
        event: Any = json.loads(text)
        chosen = selected(event) if "attributes" in event else event
        return ThingEvent(
            operation=Operation(chosen["operation"]),
            thing_name=str(chosen["thingName"]),
            attributes={str(name): str(chosen[name]) for name in SELECTED if name in chosen},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput("event", "must be a registry event of a thing") from error


def belongs_to(attributes: Mapping[str, str], stack_name: str) -> bool:
    """Whether the thing belongs to this stack."""
    return attributes.get(Attribute.STACK_NAME) == stack_name


def is_gone(event: ThingEvent, attributes_now: Mapping[str, str] | None, stack_name: str) -> bool:
    """Whether a deleted thing of this stack is really gone.

    A thing that was created again with the same name for the same device (`attributes_now`) keeps its device: the event
    of its creation may have been delivered first.
    """
    if not belongs_to(event.attributes, stack_name):
        return False
    return attributes_now is None or any(
        attributes_now.get(each) != event.attributes.get(each) for each in (Attribute.DEV_EUI, Attribute.DEVICE_ID)
    )
