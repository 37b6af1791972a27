"""A batch of SQS messages, handled one by one: only those that failed are retried (`ReportBatchItemFailures`)."""

from collections.abc import Callable
from typing import Any

from thingbridge.diagnostics import emit
from thingbridge.errors import ThingbridgeError

Failures = dict[str, list[dict[str, str]]]


def handle_each(batch: dict[str, Any], handle: Callable[[str], None]) -> Failures:
    """Call `handle` with the body of each record. Returns the ids of the messages to retry: those that it failed on.

    A message that fails each time, whatever the error, ends in the dead-letter queue.
    """
    failures = []
    for record in batch["Records"]:
        try:
            handle(record["body"])
        except ThingbridgeError as error:
            emit("WARN", "event_comes_again", message_id=record["messageId"], reason=str(error))
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
