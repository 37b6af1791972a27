"""Function `downlink`: a downlink request, or a changed desired state (`shadow.delta_f_port`)."""

import os
from typing import Any

from handlers import composition
from handlers.context import LambdaContext
from thingbridge.messaging import envelopes

_flow = composition.downlink(os.environ)


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Handle the rule's output `{"topic", "payload"}`, or its failure. Raises what Lambda must try again."""
    output = envelopes.unwrap_event(event)
    _flow(context, output).handle(output)
