"""Registry events of AWS IoT: what happened to a thing, and whether this stack has to act.

Shape: AWS IoT Developer Guide, "Registry events". They are delivered at least once and in any order, so an event only
says where to look: what is done follows from the thing as it is now.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from thingbridge.errors import BadInput
from thingbridge.registry.attributes import Attribute


class Operation(StrEnum):
    """What happened to the thing."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    DELETED = "DELETED"


@dataclass(frozen=True)
class ThingEvent:
    """One event. `attributes` are those of the thing after the change; for a deleted thing, the last ones."""

    operation: Operation
    thing_name: str
    attributes: Mapping[str, str]


def parse(text: str) -> ThingEvent:
    """Read an event. Raises BadInput when the text is not a registry event."""
    try:
        event: Any = json.loads(text)
        return ThingEvent(
            operation=Operation(event["operation"]),
            thing_name=str(event["thingName"]),
            attributes=dict(event.get("attributes") or {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput("event", "must be a registry event of a thing") from error


def belongs_to(attributes: Mapping[str, str], stack_name: str) -> bool:
    """Whether the thing belongs to this stack."""
    return attributes.get(Attribute.STACK_NAME) == stack_name
