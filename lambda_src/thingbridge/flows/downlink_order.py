"""The order of downlinks: those of a thing are handled one after the other, as they were received.

Rules have no order: they run at once, and Lambda starts functions in any order. So the rules write requests into a
table, with their time of receipt. The table's stream brings a ticket for each thing into a FIFO queue, whose message
group is the thing: one invocation at a time handles what waits for a thing, the oldest first, after a window in which
older requests may still arrive. If it fails, the thing's later requests wait, and other things go on.

Part of the capability `downlink`. What a request or a desired state calls for is in `downlink` and `desired_state`.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from thingbridge.aws.queues import Queue
from thingbridge.aws.things_log import ThingsLog
from thingbridge.aws.waiting_downlinks import Waiting, WaitingDownlinks
from thingbridge.errors import BadInput, Deferred, Refused
from thingbridge.flows import desired_state
from thingbridge.flows.downlink import LEAST_SECONDS
from thingbridge.messaging import downlink, downlink_tickets, topics
from thingbridge.messaging.downlink_tickets import NewRow
from thingbridge.shadow import delta as deltas

LONGEST_PAUSE: Final = 120
"""Seconds between two deliveries of a ticket, at most: The Things Stack may be back at any moment."""

MAY_BE_REPEATED_AFTER: Final = 600.0
"""Seconds after its receipt, from which on a downlink may have been handled although its ticket was not: the ticket
that failed may be a dead letter, which forgets how often it was delivered."""


@dataclass(frozen=True)
class DownlinkPolicy:
    """How downlinks are sent (variable `downlink`). `rate_per_minute` None: a part of The Things Stack's limit."""

    hold_seconds: float
    maximum_age_seconds: float
    concurrency: int
    rate_per_minute: float | None


@dataclass(frozen=True)
class DownlinkArrivals:
    """What has arrived: a ticket for each new row of the table, and a row for what a rule does not write into it."""

    waiting: WaitingDownlinks
    tickets: Queue
    log: ThingsLog

    def announce(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Send tickets for a batch of the table's stream. Raises what Lambda must deliver again."""
        rows = [self._moved(downlink_tickets.new_row(each)) for each in records]
        for ticket in downlink_tickets.of_new_rows(rows):
            self.tickets.send_in_order(ticket.text, group=ticket.group, deduplication_id=ticket.deduplication_id)

    def _moved(self, row: NewRow) -> NewRow:
        """A row of the account-wide topic, moved to those of the thing that the request names; any other as it is."""
        if row.thing != topics.DOWNLINK_REQUEST:
            return row
        event = self.waiting.read(row.thing, row.id)
        thing = downlink.receive(event).thing_name if event else None
        if event is None or thing is None:
            return row
        try:
            self.waiting.store(thing, row.id, event)
        except Refused:
            # It is handled where it is, out of its order, rather than holding up the whole stream.
            return row
        # The new row has an event of its own: if this invocation is interrupted, that leads to a ticket.
        self.waiting.delete(row.thing, row.id)
        return replace(row, thing=thing)

    def store(self, body: str, row: str, sent_at: float) -> None:
        """Write a row for a message of a rule: a shadow delta, or a request that the rule could not write.

        `sent_at` is its time of receipt, in seconds since 1970, if the rule has given none. Raises BadInput for what no
        rule passes on.
        """
        event = _event(body, sent_at)
        thing = deltas.thing_of(event.get("topic"))
        if thing:
            if desired_state.following_a_change(event, self.log) is None:
                return
        else:
            thing = downlink.receive(event).thing_name or topics.DOWNLINK_REQUEST
        self.waiting.store(thing, row, event)


def _event(body: str, sent_at: float) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise BadInput("message", "must be the output of a rule")
    if downlink.received_at(event) is None:
        event["receivedAt"] = int(1000 * sent_at)
    return event


class Flow(Protocol):
    """What handles a rule's output: `downlink.DownlinkRequests` or `desired_state.DesiredStates`."""

    def handle(self, event: Mapping[str, Any], *, repeated: bool) -> None:
        """Handle one output. Raises what is to be retried."""


@dataclass(frozen=True)
class DownlinkOrder:
    """Handles what waits for a thing. `flow` returns what handles a rule's output, by its topic.

    `hold_seconds`: how long a request waits for older ones that may still arrive.
    """

    waiting: WaitingDownlinks
    flow: Callable[[Mapping[str, Any]], Flow]
    hold_seconds: float
    remaining_seconds: Callable[[], float]
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def handle(self, ticket: str, *, repeated: bool) -> None:
        """Handle a ticket: everything that is due for its thing. `repeated`: the ticket was delivered before.

        Raises what is to be retried, with the rows that are left, or Deferred when there is no time for them.
        """
        read = downlink_tickets.parse(ticket)
        for each in self._due(read):
            if self.remaining_seconds() < LEAST_SECONDS:
                raise Deferred(f"send the downlinks of {read.thing}: no time is left for the next one")
            event = self.waiting.read(read.thing, each.id)
            if event is not None:
                old = self.now() - each.received_at > MAY_BE_REPEATED_AFTER
                self.flow(event).handle(event, repeated=repeated or old)
                self.waiting.delete(read.thing, each.id)

    def _due(self, ticket: downlink_tickets.Ticket) -> list[Waiting]:
        """The rows that are due, in their order: those of the ticket, and all others that are old enough."""
        rows = self.waiting.of(ticket.thing)
        own = [each.received_at for each in rows if each.id in ticket.ids]
        pause = max(own, default=0.0) + self.hold_seconds - self.now()
        if pause > 0:
            # At most the window: the clocks of AWS may differ.
            self.sleep(min(pause, self.hold_seconds))
            rows = self.waiting.of(ticket.thing)
        until = max(self.now() - self.hold_seconds, *own) if own else self.now() - self.hold_seconds
        return sorted(
            (each for each in rows if each.received_at <= until), key=lambda each: (each.received_at, each.id)
        )
