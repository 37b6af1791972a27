"""Function `shadow`: deferred writes of shadows (`shadow.min_interval_seconds`)."""

import os
from typing import Any

from handlers import batches, composition

_flow = composition.shadow(os.environ)


def handler(batch: dict[str, Any], _context: object) -> batches.Failures:
    """Handle a batch of SQS records, each `{"thing", "owner"}`. Returns the ids of those to retry."""
    return batches.handle_each(batch, _flow.write_scheduled)
