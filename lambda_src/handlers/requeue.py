"""Function `requeue`: messages with downlinks that The Things Stack returned, under end-to-end encryption."""

import os
from typing import Any

from handlers import batches, composition
from handlers.context import LambdaContext
from thingbridge.flows.requeue import LONGEST_PAUSE

_flow = composition.requeue(os.environ)
_retries = composition.retries(os.environ, longest_pause=LONGEST_PAUSE)


def handler(batch: dict[str, Any], context: LambdaContext) -> batches.Failures:
    """Handle a batch of SQS records, each the output of a rule. Returns the ids of those to retry."""
    share = batches.Share(context)
    return batches.handle_each(batch, _flow(share).handle, share=share, retries=_retries)
