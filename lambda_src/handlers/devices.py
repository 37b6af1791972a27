"""Function `devices`: registers a device for a backend. The answer holds the credentials, which are nowhere else."""

import os
from typing import Any

from handlers import composition
from handlers.context import LambdaContext

_flow = composition.devices(os.environ)


def handler(event: object, _context: LambdaContext) -> dict[str, Any]:
    """Answer a request `{"name", "type", "attributes", "csr"}`. Raises what the caller may try again."""
    return _flow.handle(event)
