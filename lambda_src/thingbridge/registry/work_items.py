"""Work items that the comparison sends to the queue of registry events: one thing or one device to look at.

Like a registry event, an item only says where to look: what is done follows from both registries as they are then.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

OPERATION: Final = "SYNCHRONISE"


@dataclass(frozen=True)
class WorkItem:
    """A thing by its name, or an end device by its id; exactly one of the two.

    `may_delete`: the run permits that the device be deleted, if no thing stands for it.
    """

    thing_name: str | None = None
    device_id: str | None = None
    may_delete: bool = False

    def body(self) -> str:
        """The item as the text of a message."""
        named = {"thingName": self.thing_name, "deviceID": self.device_id}
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
        item = WorkItem(message.get("thingName"), message.get("deviceID"), message.get("mayDelete") is True)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    names = [name for name in (item.thing_name, item.device_id) if name is not None]
    return item if len(names) == 1 and isinstance(names[0], str) and names[0] else None
