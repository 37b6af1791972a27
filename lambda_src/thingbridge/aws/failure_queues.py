"""A queue of failures: its messages are looked at, which hides them for a while, then released or deleted.

SQS has no other way to read a message. A FIFO queue shows at most ten messages of a group at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.aws.errors import translate_errors
from thingbridge.aws.queues import Queue

HIDDEN_SECONDS: Final = 300
"""How long a message that was looked at stays hidden from others if it is neither released nor deleted."""

_AT_ONCE: Final = 10
"""Messages per call (SQS quotas)."""

_EMPTY_ANSWERS: Final = 2
"""Empty answers in a row after which the queue is taken to be read: SQS asks some of its servers at a time."""


@dataclass(frozen=True)
class Held:
    """A message while it is hidden. `sent_at`: Unix seconds; `group` and `deduplication_id`: of a FIFO queue."""

    id: str
    body: str
    sent_at: float
    group: str | None
    receipt: str
    deduplication_id: str | None = None


class FailureQueue(Queue):
    """One queue by its URL. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def messages(self) -> Iterator[Held]:
        """The messages, each once, hidden as they are received."""
        seen: set[str] = set()
        empty = 0
        while empty < _EMPTY_ANSWERS:
            received = [each for each in self._receive() if each.id not in seen]
            empty = 0 if received else empty + 1
            seen.update(each.id for each in received)
            yield from received

    def release(self, messages: Sequence[Held]) -> None:
        """Show messages again."""
        for start in range(0, len(messages), _AT_ONCE):
            entries = [
                {"Id": str(number), "ReceiptHandle": each.receipt, "VisibilityTimeout": 0}
                for number, each in enumerate(messages[start : start + _AT_ONCE])
            ]
            with translate_errors("show messages of a queue again"):
                self._clients("sqs").change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def delete(self, message: Held) -> None:
        """Delete a message for good."""
        with translate_errors("delete a message of a queue"):
            self._clients("sqs").delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)

    def _receive(self) -> list[Held]:
        with translate_errors("read the messages of a queue"):
            answer = self._clients("sqs").receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_AT_ONCE,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=1,
                AttributeNames=["SentTimestamp", "MessageGroupId", "MessageDeduplicationId"],
            )
        return [_held(each) for each in answer.get("Messages", [])]


def _held(message: dict[str, Any]) -> Held:
    attributes = message.get("Attributes", {})
    return Held(
        id=message["MessageId"],
        body=message["Body"],
        sent_at=int(attributes.get("SentTimestamp", 0)) / 1000,
        group=attributes.get("MessageGroupId"),
        receipt=message["ReceiptHandle"],
        deduplication_id=attributes.get("MessageDeduplicationId"),
    )
