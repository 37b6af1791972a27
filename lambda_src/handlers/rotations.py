"""Function `rotations`: a device has connected, or a tick of the schedule: old certificates may end."""

import os
from typing import Any

from handlers import composition
from handlers.context import LambdaContext
from thingbridge.messaging import envelopes

_flow = composition.rotations(os.environ)


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Handle the rule's output `{"topic", "payload"}`, a tick `{"tick"}`, or their failure. Raises what is retried."""
    _flow(context).handle(envelopes.unwrap_event(event))
