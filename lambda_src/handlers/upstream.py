"""Function `upstream`: a message that The Things Stack published."""

import os
from typing import Any

from handlers import composition
from thingbridge.messaging import envelopes

_flow = composition.upstream(os.environ)


def handler(event: dict[str, Any], _context: object) -> None:
    """Handle the rule's output `{"topic", "payload"}`, or its failure. Raises what Lambda must try again."""
    _flow.handle(envelopes.unwrap_event(event))
