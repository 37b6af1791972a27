"""Function `configure`: invoked by Terraform, and by `thingbridge doctor`, for which it changes nothing."""

import os
from typing import Any

from handlers import composition
from handlers.context import LambdaContext

_flow = composition.configure(os.environ)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle the input of `aws_lambda_invocation`; returns what Terraform keeps as its result."""
    return _flow(context).handle(event)
