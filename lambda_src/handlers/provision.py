"""Function `provision`: AWS IoT asks it whether a device may provision itself by claim (pre-provisioning hook)."""

import os
from typing import Any

from handlers import composition
from handlers.context import LambdaContext

_flow = composition.provision(os.environ)


def handler(event: object, _context: LambdaContext) -> dict[str, Any]:
    """Answer `{"allowProvisioning", "parameterOverrides"}`. Raises what the device may try again."""
    return _flow.handle(event)
