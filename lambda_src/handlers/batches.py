"""A batch of SQS messages, handled one by one: what fails is delivered again, after a growing delay.

The messages of a batch share the time of the invocation, so that one that waits for a slow server leaves time for the
others. Lambda deletes every message that is not reported (`ReportBatchItemFailures`); a reported one is delivered again
after the delay that is set here, until the queue moves it to its dead-letter queue. What a message means is up to the
flows.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from handlers.context import LambdaContext
from thingbridge.aws.queues import Redelivery
from thingbridge.diagnostics import emit
from thingbridge.errors import Deferred, ThingbridgeError, Unexpected
from thingbridge.messaging import envelopes, rule_payload
from thingbridge.messaging.envelopes import RuleOutput

Failures = dict[str, list[dict[str, str]]]

PAUSES: Final = (5, 30, 120, 600)
"""Seconds after a message's first, second, third and each later failure. SQS counts the deliveries."""

LEAST_TIME: Final = 5.0
"""Seconds that must be left to start another message; one that is not started is delivered again at once."""


class Source(Enum):
    """What invoked a function with a batch."""

    STREAM = "aws:dynamodb"
    QUEUE = "aws:sqs"
    FIFO_QUEUE = "aws:sqs, .fifo"


def source(batch: dict[str, Any]) -> Source:
    """The source of a batch, whose records all have the same."""
    record = batch["Records"][0]
    if record["eventSource"] == Source.STREAM.value:
        return Source.STREAM
    return Source.FIFO_QUEUE if record["eventSourceARN"].endswith(".fifo") else Source.QUEUE


@dataclass(frozen=True)
class Delivery:
    """A message as it was delivered: its body, unwrapped, and how often it was delivered so far.

    `sent_at`: when it was sent to the queue, in seconds since 1970.
    """

    body: str
    message_id: str
    received: int
    sent_at: float


class Share:
    """Lambda's context as the flow sees it: with the time that the current message may take of the invocation."""

    def __init__(self, context: LambdaContext) -> None:
        self._context = context
        self._kept = 0.0

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN."""
        return self._context.invoked_function_arn

    def begin(self, messages_left: int) -> bool:
        """Give the next message an equal share of the time that is left; False when there is not enough to begin."""
        left = self._context.get_remaining_time_in_millis()
        self._kept = left - left / messages_left
        return left >= 1000 * LEAST_TIME

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds of the current message's share; before the first one, of the whole invocation."""
        return int(max(0.0, self._context.get_remaining_time_in_millis() - self._kept))


@dataclass(frozen=True)
class Retries:
    """When the messages of a function's queue are delivered again, and how often at most."""

    redelivery: Redelivery
    maximum_receive_count: int
    longest_pause: int = PAUSES[-1]

    def pause(self, record: dict[str, Any]) -> int:
        """Seconds until a failed message is delivered again; 0 after its last delivery, when it is moved."""
        received = _received(record)
        return 0 if self.is_last(record) else min(self.longest_pause, PAUSES[min(received, len(PAUSES)) - 1])

    def is_last(self, record: dict[str, Any]) -> bool:
        """Whether the queue moves the message to its dead-letter queue instead of delivering it again."""
        return _received(record) >= self.maximum_receive_count

    def delay(self, record: dict[str, Any], seconds: int) -> None:
        """Set when a message is delivered again; if SQS refuses that, the queue's visibility timeout decides."""
        try:
            self.redelivery.delay(record["eventSourceARN"], record["receiptHandle"], seconds)
        except ThingbridgeError as error:
            emit("WARN", "retry_delay_not_set", message_id=record["messageId"], reason=str(error))


def handle_each(
    batch: dict[str, Any],
    handle: Callable[[str], None],
    *,
    share: Share | None = None,
    retries: Retries | None = None,
    rule_output: RuleOutput = rule_payload.output,
) -> Failures:
    """`handle_deliveries` for a `handle` that needs no more than the body of a message."""
    return handle_deliveries(
        batch, lambda delivery: handle(delivery.body), share=share, retries=retries, rule_output=rule_output
    )


def handle_deliveries(
    batch: dict[str, Any],
    handle: Callable[[Delivery], None],
    *,
    share: Share | None = None,
    retries: Retries | None = None,
    rule_output: RuleOutput = rule_payload.output,
) -> Failures:
    """Call `handle` with each message. Returns the ids of the messages to be delivered again.

    Messages that were delivered less often are handled first: the others failed before. Those of one message group (of
    a FIFO queue) stay in order, and none of them is begun after one that failed. `share`: the time that `handle` may
    use; None: it needs no limit. `retries` None: what fails is delivered again after the queue's visibility timeout.
    `rule_output`: what the rule that feeds the queue passes on.
    """
    failures = []
    held: dict[str, int] = {}
    records = _failed_last(batch["Records"])
    for number, record in enumerate(records):
        group = _group(record)
        if group in held:
            pause = held[group]
        elif share and not share.begin(len(records) - number):
            pause = _defer(record)
        else:
            try:
                handle(_delivery(record, rule_output))
                continue
            except Deferred:
                pause = _defer(record)
            except Exception as error:
                pause = retries.pause(record) if retries else 0
                _log(record, error, pause, last=retries is not None and retries.is_last(record))
        if group:
            held[group] = pause
        if retries:
            retries.delay(record, pause)
        failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def handle_unqueued(event: dict[str, Any], handle: Callable[[str], None], rule_output: RuleOutput) -> None:
    """Call `handle` with an event that a rule could not queue: the document of its error action.

    Raises an error of our own, which says nothing of the event: Lambda logs it, and invokes the function again.
    """
    try:
        handle(envelopes.unwrap(json.dumps(event), rule_output))
    except Exception as error:
        raise Unexpected.describe(error) from None


def _log(record: dict[str, Any], error: Exception, pause: int, *, last: bool) -> None:
    reason = str(Unexpected.describe(error))
    delivery = {"message_id": record["messageId"], "attempt": _received(record), "reason": reason}
    if last:
        emit("ERROR", "event_moved_to_dead_letters", **delivery)
    else:
        emit("WARN", "event_will_be_retried", **delivery, seconds=pause)


def _defer(record: dict[str, Any]) -> int:
    emit("INFO", "event_deferred", message_id=record["messageId"])
    return 0


def _delivery(record: dict[str, Any], rule_output: RuleOutput) -> Delivery:
    sent_at = int(record.get("attributes", {}).get("SentTimestamp", 0)) / 1000
    return Delivery(envelopes.unwrap(record["body"], rule_output), record["messageId"], _received(record), sent_at)


def _failed_last(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records by how often they, or one of their message group, were delivered."""
    most: dict[str, int] = {}
    for record in records:
        if group := _group(record):
            most[group] = max(most.get(group, 0), _received(record))
    return sorted(records, key=lambda record: most.get(_group(record) or "", 0) or _received(record))


def _group(record: dict[str, Any]) -> str | None:
    """The message group, None in a queue that is not a FIFO queue."""
    found = record.get("attributes", {}).get("MessageGroupId")
    return str(found) if found else None


def _received(record: dict[str, Any]) -> int:
    return int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
