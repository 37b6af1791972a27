"""Function `requeue`: messages with downlinks that The Things Stack returned, under end-to-end encryption."""

import os
from typing import Any

from handlers import batches, composition

_flow = composition.requeue(os.environ)


def handler(batch: dict[str, Any], context: composition.LambdaContext) -> batches.Failures:
    """Handle a batch of SQS records, each the output of a rule. Returns the ids of those to retry."""
    return batches.handle_each(batch, _flow(context).handle)
