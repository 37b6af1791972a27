"""An SQS queue: how many messages wait in it, sending messages to it, and when a received one is delivered again.

Their content is up to the sender.
"""

from collections.abc import Sequence
from typing import Final

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import answered, code, translate_errors

PARALLEL_CALLS: Final = 8
"""Messages in flight at the same time; boto3 keeps ten connections."""

LONGEST_DELAY: Final = 900
"""Seconds: the longest `DelaySeconds` (SQS quotas, "message timer")."""


class Queue:
    """One queue by its URL. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients, url: str) -> None:
        self._clients, self._url = clients, url

    def waiting(self) -> int:
        """About how many messages wait, those in flight included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with translate_errors("count the messages of a queue"):
            answer = self._clients("sqs").get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def send(self, bodies: Sequence[str]) -> int:
        """Send messages, several in parallel; returns the number of calls."""
        from concurrent.futures import ThreadPoolExecutor

        sqs = self._clients("sqs")

        def send_one(body: str) -> None:
            with translate_errors("send a message to a queue"):
                sqs.send_message(QueueUrl=self._url, MessageBody=body)

        # One by one: few are sent, and a batch can be accepted in part.
        with ThreadPoolExecutor(PARALLEL_CALLS) as pool:
            list(pool.map(send_one, bodies))
        return len(bodies)

    def send_in_order(self, body: str, *, group: str, deduplication_id: str) -> str:
        """Send a message to a FIFO queue; returns its message id. SQS drops a repeated id for five minutes."""
        with translate_errors("send a message to a FIFO queue"):
            sent = self._clients("sqs").send_message(
                QueueUrl=self._url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=deduplication_id
            )
        return str(sent["MessageId"])

    def send_delayed(self, body: str, seconds: int) -> None:
        """Send a message that becomes visible after `seconds`, at most `LONGEST_DELAY`."""
        with translate_errors("send a delayed message to a queue"):
            self._clients("sqs").send_message(
                QueueUrl=self._url, MessageBody=body, DelaySeconds=min(LONGEST_DELAY, seconds)
            )


class Redelivery:
    """When messages that a function did not finish are delivered again. Queues are looked up by name, once."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._urls: dict[str, str] = {}

    def delay(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:
        """Have a received message delivered again after `seconds`, not after the queue's visibility timeout.

        Raises Busy, Misconfigured or Refused.
        """
        with translate_errors("set when a message is delivered again"):
            if queue_arn not in self._urls:
                name = queue_arn.rpartition(":")[2]
                self._urls[queue_arn] = str(self._clients("sqs").get_queue_url(QueueName=name)["QueueUrl"])
            self._clients("sqs").change_message_visibility(
                QueueUrl=self._urls[queue_arn], ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )


_NO_SUCH_QUEUE: Final = frozenset({"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"})
"""The code by SQS's JSON protocol, and the one that it keeps for clients of the older query protocol."""


def queue_url(clients: Clients, name: str) -> str | None:
    """The URL of the account's queue of that name, None if there is none. Raises Busy, Misconfigured or Refused."""
    with translate_errors(f"find the queue {name}"):
        try:
            return str(clients("sqs").get_queue_url(QueueName=name)["QueueUrl"])
        except answered() as error:
            if code(error) not in _NO_SUCH_QUEUE:
                raise
            return None
