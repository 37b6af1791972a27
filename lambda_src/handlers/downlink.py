"""Function `downlink`: a downlink request, or a changed desired state (`shadow.delta_f_port`)."""

import os
from typing import Any

from handlers import composition

_flow = composition.downlink(os.environ)


def handler(event: dict[str, Any], context: composition.LambdaContext) -> None:
    """Handle the rule's output `{"topic", "payload"}`. Raises what Lambda must try again."""
    _flow(context, event).handle(event)
