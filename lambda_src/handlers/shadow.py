"""Function `shadow`: deferred writes of shadows (`shadow.min_interval_seconds`)."""

import os
from typing import Any

from handlers import batches, composition
from handlers.context import LambdaContext

_flow = composition.shadow(os.environ)
_retries = composition.retries(os.environ)


def handler(batch: dict[str, Any], context: LambdaContext) -> batches.Failures:
    """Handle a batch of SQS records, each `{"thing", "owner"}`. Returns the ids of those to retry."""
    share = batches.Share(context)
    return batches.handle_each(batch, _flow.write_scheduled, share=share, retries=_retries)
