"""Function `sync`: a part of a comparison of both registries."""

import os
from typing import Any

from handlers import batches, composition
from handlers.context import LambdaContext
from thingbridge.diagnostics import emit
from thingbridge.flows.sync import LONGEST_PAUSE, Tick

_flow = composition.sync(os.environ)
_retries = composition.retries(os.environ, longest_pause=LONGEST_PAUSE)


def handler(batch: dict[str, Any], context: LambdaContext) -> batches.Failures:
    """Handle one SQS record: a tick of the schedule, or the state of a run. Returns its id if it must be retried."""
    (record,) = batch["Records"]
    failures = batches.handle_each(
        batch, lambda body: _flow(context).handle(Tick.of_record(record | {"body": body})), retries=_retries
    )
    emit("INFO", "aws_calls", **composition.CLIENTS.take_calls())
    return failures
