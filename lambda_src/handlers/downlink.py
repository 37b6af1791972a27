"""Function `downlink`: requests and changed desired states, in the order in which they were received.

Three sources invoke it: the stream of the table in which they wait, the queue of what a rule does not write there, and
the FIFO queue of tickets.
"""

import os
from typing import Any

from handlers import batches, composition
from handlers.batches import Source
from handlers.context import LambdaContext
from thingbridge.flows.downlink_order import LONGEST_PAUSE

_arrivals = composition.downlink_arrivals(os.environ)
_order = composition.downlink(os.environ)
_retries = composition.retries(os.environ, longest_pause=LONGEST_PAUSE)


def handler(batch: dict[str, Any], context: LambdaContext) -> batches.Failures | None:
    """Handle a batch of its source. Returns the ids of SQS records to retry, raises what the stream must repeat."""
    match batches.source(batch):
        case Source.STREAM:
            _arrivals.announce(batch["Records"])
            return None
        case Source.QUEUE:
            return batches.handle_deliveries(
                batch, lambda each: _arrivals.store(each.body, each.message_id, each.sent_at), retries=_retries
            )
    handle = _order(context).handle
    return batches.handle_deliveries(
        batch, lambda each: handle(each.body, repeated=each.received > 1), retries=_retries
    )
