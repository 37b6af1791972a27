"""Function `webhook`: a message that The Things Stack posts to the function's URL."""

import os
from typing import Any

from handlers import composition

_flow = composition.webhook(os.environ)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Handle a function URL's event; returns its answer."""
    return _flow.handle(event)
