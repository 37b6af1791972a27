"""Function `authorizer`: a connection to AWS IoT with a token of The Things Stack."""

import os
from typing import Any

from handlers import composition

_flow = composition.authorizer(os.environ)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Handle the event of a custom authorizer; returns its decision."""
    return _flow.handle(event)
