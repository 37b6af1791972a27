"""Function `directory`: registry events of things, for the table that knows which thing a device is."""

import os
from typing import Any

from handlers import batches, composition
from thingbridge.flows.directory import rule_output

_flow = composition.directory(os.environ)
_retries = composition.retries(os.environ)


def handler(event: dict[str, Any], _context: object) -> batches.Failures | None:
    """Handle a batch of SQS records, or an event that a rule could not queue. Returns the ids of those to retry."""
    if "Records" not in event:
        batches.handle_unqueued(event, _flow.handle, rule_output)
        return None
    return batches.handle_each(event, _flow.handle, retries=_retries, rule_output=rule_output)
