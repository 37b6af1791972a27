"""Function `registry`: registry events of things, and work items of the comparison."""

import os
from typing import Any

from handlers import batches, composition
from thingbridge.diagnostics import emit

_flow = composition.registry(os.environ)


def handler(batch: dict[str, Any], context: composition.LambdaContext) -> batches.Failures:
    """Handle a batch of SQS records. Returns the ids of those to retry."""
    failures = batches.handle_each(batch, _flow(context).handle)
    emit("INFO", "aws_calls", **composition.CLIENTS.take_calls())
    return failures
