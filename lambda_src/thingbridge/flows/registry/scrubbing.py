"""Removing used keys from a thing: only some time after its device was brought in step, when nothing can undo that.

A thing can be deleted and created again while the function still deletes its device, or undoes a creation: whoever
looks at the device then may see it complete, and it is gone a moment later. So the keys, which may be their last copy,
stay on the thing until every invocation that was under way has ended. Then a work item has the device checked again.
"""

from dataclasses import dataclass
from typing import Final

from thingbridge.aws.queues import Queue
from thingbridge.aws.things import Thing, Things
from thingbridge.registry import attributes
from thingbridge.registry.work_items import WorkItem

SETTLED_AFTER: Final = 300
"""Seconds: twice the function's timeout (`modules/registry`). A deletion that has looked at the things before this one
existed has ended by then; one that looks later finds this one."""


@dataclass(frozen=True)
class Scrubbing:
    """Removes keys from things. `queue`: that of registry events and work items."""

    things: Things
    queue: Queue

    def follow(self, thing: Thing, *, settled: bool) -> None:
        """Remove the keys of a thing whose device is in step with it, or have that done later.

        `settled`: the device was found complete, `SETTLED_AFTER` after it was brought in step with the same thing.
        Raises VersionConflict when the thing has changed since it was read.
        """
        if settled:
            self.things.remove_attributes(thing.name, attributes.SECRETS, expected_version=thing.version)
        else:
            self.queue.send_delayed(WorkItem(thing_name=thing.name, thing_id=thing.id).body(), SETTLED_AFTER)
