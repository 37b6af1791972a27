"""Function `waiting`: messages that waited until their device's thing can be found or created."""

import os
from typing import Any

from handlers import batches, composition
from handlers.context import LambdaContext
from thingbridge.flows.waiting import LONGEST_PAUSE

_flow = composition.waiting(os.environ)
_retries = composition.retries(os.environ, longest_pause=LONGEST_PAUSE)


def handler(batch: dict[str, Any], context: LambdaContext) -> batches.Failures:
    """Handle a batch of SQS records, each the output of a rule. Returns the ids of those to retry."""
    share = batches.Share(context)
    return batches.handle_deliveries(
        batch, lambda each: _flow.handle(each.body, each.received), share=share, retries=_retries
    )
