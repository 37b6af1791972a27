"""Work items of what has been failing: each pause before the next attempt is as long as it has failed so far.

A failed event is delivered again, and ends in the dead-letter queue. A work item of the comparison need not be: each
run finds the same device, and sends another item. The memory is that of one execution environment, of which the
function has a few; losing it costs attempts. What an item calls for is in `things`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from thingbridge.diagnostics import emit
from thingbridge.errors import BadInput
from thingbridge.registry import events, work_items
from thingbridge.registry.work_items import WorkItem

PATIENCE: Final = 5.0
"""Seconds for which one call of The Things Stack is retried: after that, the message is delivered again."""

PASSING: Final = 600.0
"""Seconds: what has been failing for less than this, about a run's interval, is tried whenever it is due."""

LONGEST_PAUSE: Final = 3600.0
"""Seconds: what keeps failing is tried once an hour, so what an outage held up is in step an hour after it at most."""

REMEMBERED: Final = 10_000
"""Failures remembered: with more, the server fails, not single devices; the oldest are forgotten."""


@dataclass(frozen=True)
class Setbacks:
    """The first and the last failure of each thing and device since its last success. `now` returns Unix seconds."""

    now: Callable[[], float] = time.time
    _failures: dict[WorkItem, tuple[float, float]] = field(default_factory=dict)

    def is_deferred(self, item: WorkItem) -> bool:
        """Whether an item is left alone. Each pause is as long as it has been failing, so every attempt doubles it."""
        if item not in self._failures:
            return False
        first, last = self._failures[item]
        return last - first >= PASSING and self.now() - last < min(last - first, LONGEST_PAUSE)

    def failed(self, item: WorkItem) -> None:
        """Remember a failure that another attempt may not have."""
        first, _ = self._failures.get(item, (self.now(), 0.0))
        self._failures[item] = first, self.now()
        if len(self._failures) > REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def ended(self, item: WorkItem) -> None:
        """Forget what succeeded, or was refused: a refusal is remembered in the thing's shadow."""
        self._failures.pop(item, None)


class Handler(Protocol):
    """Handles registry events and work items, such as `things.Registry`."""

    def handle(self, body: str) -> None:
        """Handle one message. Raises what must be retried."""


@dataclass(frozen=True)
class Sparing:
    """Passes on messages, except the comparison's work items of what has been failing."""

    registry: Handler
    setbacks: Setbacks

    def handle(self, body: str) -> None:
        """Handle one message. Raises what must be retried."""
        item = work_items.parse(body)
        if item and item.thing_id is None and self.setbacks.is_deferred(item):
            emit("INFO", "work_item_deferred", thing=item.thing_name, device_id=item.device_id)
            return
        about = replace(item, thing_id=None) if item else _thing_of(body)
        try:
            self.registry.handle(body)
        except Exception:
            if about:
                self.setbacks.failed(about)
            raise
        if about:
            self.setbacks.ended(about)


def _thing_of(body: str) -> WorkItem | None:
    try:
        return WorkItem(thing_name=events.parse(body).thing_name)
    except BadInput:
        return None
