"""Work items in the queue of registry events: one thing or one device to look at.

The comparison sends them, and the flow `registry` to itself. Like a registry event, an item only says where to look:
what is done follows from both registries as they are then.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.lorawan import identifiers
from thingbridge.messaging.topics import THING_NAME

OPERATION: Final = "SYNCHRONISE"


@dataclass(frozen=True)
class WorkItem:
    """A thing by its name, or an end device by its id; exactly one of the two.

    `may_delete`: the run permits that the device be deleted, if no thing stands for it. `thing_id`: the device was
    brought in step with the thing of this id, and its keys are to be removed; None in the items of the comparison.
    """

    thing_name: str | None = None
    device_id: str | None = None
    may_delete: bool = False
    thing_id: str | None = None

    def body(self) -> str:
        """The item as the text of a message."""
        named = {"thingName": self.thing_name, "thingID": self.thing_id, "deviceID": self.device_id}
        permitted = {"mayDelete": True} if self.may_delete else {}
        return json.dumps(
            {"operation": OPERATION, **{name: value for name, value in named.items() if value}, **permitted}
        )


def parse(text: str) -> WorkItem | None:
    """Read a message; None for a message that is not a work item, such as a registry event."""
    try:
        message: Any = json.loads(text)
        if message["operation"] != OPERATION:
            return None
        permitted = message.get("mayDelete") is True
        item = WorkItem(message.get("thingName"), message.get("deviceID"), permitted, message.get("thingID"))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None
    match (item.thing_name, item.device_id, item.thing_id):
        case (str(thing_name), None, str() | None) if THING_NAME.fullmatch(thing_name):
            return item
        case (None, str(device_id), None) if identifiers.is_device_id(device_id):
            return item
    return None
