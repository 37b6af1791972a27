"""Function `telemetry`: a reading, or a status, that a device with an identity of its own published."""

import os
from typing import Any

from handlers import composition
from thingbridge.messaging import envelopes

_flow = composition.telemetry(os.environ)


def handler(event: dict[str, Any], _context: object) -> None:
    """Handle the rule's output `{"topic", "payload", "aws_timestamp"}`, or its failure. Raises what is retried."""
    _flow.handle(envelopes.unwrap_event(event))
