"""Function `shadow`: writes what waited for a shadow's next turn (`shadow.min_interval_seconds`)."""

import os
from functools import cache
from typing import Any

from handlers.shadow_writing import InTurn
from thingbridge.aws_iot.shadow_states import ShadowStates
from thingbridge.diagnostics import emit
from thingbridge.errors import ThingbridgeError
from thingbridge.settings import ShadowPacingSettings


@cache
def _writer() -> InTurn:
    settings = ShadowPacingSettings.read(os.environ)
    return InTurn(
        settings.things_log_group,
        ShadowStates(settings.shadow_states_table),
        settings.shadow_queue_url,
        settings.shadow,
    )


def handler(batch: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Take a batch of SQS records, each a turn `{"thing", "ticket"}`. Returns the ids of those that must come again."""
    failures = []
    for record in batch["Records"]:
        try:
            _writer().take_turn(record["body"])
        except (ThingbridgeError, ValueError, KeyError, TypeError) as error:
            emit("WARN", "turn_comes_again", message_id=record["messageId"], reason=str(error))
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
