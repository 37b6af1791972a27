"""Function `registry`: registry events of things, and work items of the comparison."""

import os
from typing import Any

from handlers import batches, composition
from handlers.context import LambdaContext
from thingbridge.diagnostics import emit
from thingbridge.registry import events

_flow = composition.registry(os.environ)
_retries = composition.retries(os.environ)


def handler(event: dict[str, Any], context: LambdaContext) -> batches.Failures | None:
    """Handle a batch of SQS records, or an event that the rule could not queue. Returns the ids of those to retry."""
    try:
        if "Records" not in event:
            batches.handle_unqueued(event, _flow(context).handle, events.rule_output)
            return None
        share = batches.Share(context)
        handle = _flow(share).handle
        return batches.handle_each(event, handle, share=share, retries=_retries, rule_output=events.rule_output)
    finally:
        emit("INFO", "aws_calls", **composition.CLIENTS.take_calls())
