"""Function `upstream`: a message that The Things Stack published, or a batch of them (`uplink_mode = "batched"`)."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from handlers import composition
from thingbridge.messaging import envelopes

if TYPE_CHECKING:
    from handlers.batches import Failures
    from handlers.context import LambdaContext

_flow = composition.upstream(os.environ)
_retries = composition.retries(os.environ) if "MAXIMUM_RECEIVE_COUNT" in os.environ else None


def handler(event: dict[str, Any], context: LambdaContext) -> Failures | None:
    """Handle the rule's output `{"topic", "payload"}` or its failure, or a batch of SQS records, each with either.

    Raises what Lambda must try again. Of a batch, it returns the ids of those to retry. Both come while the mode is
    being changed.
    """
    if "Records" in event:
        from handlers import batches

        share = batches.Share(context)
        return batches.handle_each(event, lambda body: _flow.handle(json.loads(body)), share=share, retries=_retries)
    _flow.handle(envelopes.unwrap_event(event))
    return None
