"""Function `upstream`: a message that The Things Stack published."""

import os
from typing import Any

from handlers import composition

_flow = composition.upstream(os.environ)


def handler(event: dict[str, Any], _context: object) -> None:
    """Handle the rule's output `{"topic", "payload"}`. Raises what Lambda must try again."""
    _flow.handle(event)
