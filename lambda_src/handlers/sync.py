"""Function `sync`: a part of a comparison of both registries."""

import os
from typing import Any

from handlers import composition
from thingbridge.diagnostics import emit
from thingbridge.flows.sync import Tick

_flow = composition.sync(os.environ)


def handler(batch: dict[str, Any], context: composition.LambdaContext) -> None:
    """Handle one SQS record: a tick of the schedule, or the state of a run. Raises what is to be retried."""
    (record,) = batch["Records"]
    _flow(context).handle(Tick.of_record(record))
    emit("INFO", "aws_calls", **composition.CLIENTS.take_calls())
