"""Queues: how much waits in one, and putting messages into it. Which messages, the callers know."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from thingbridge.aws_iot.clients import client
from thingbridge.aws_iot.errors import told_apart

AT_ONCE: Final = 8
"""Messages on their way at the same time; boto3 keeps ten connections."""


def waiting(queue_url: str) -> int:
    """About how many messages wait, those that are being worked on included. Raises Busy, Misconfigured or Refused."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    with told_apart("count the work that waits"):
        answer = client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)
    return sum(int(answer["Attributes"][name]) for name in names)


def send(queue_url: str, bodies: Sequence[str]) -> int:
    """Send messages, several at once; returns the calls that took. Raises Busy, Misconfigured or Refused."""
    sqs = client("sqs")

    def send_one(body: str) -> None:
        with told_apart("hand over work"):
            sqs.send_message(QueueUrl=queue_url, MessageBody=body)

    # One by one: only drift is sent, and a batch could be taken in part.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(send_one, bodies))
    return len(bodies)


def send_in_turn(queue_url: str, body: str, *, group: str, message_id: str) -> None:
    """Send one message to a FIFO queue. One `message_id` is taken once in five minutes. Raises like `send`."""
    with told_apart("send the rest of the work"):
        client("sqs").send_message(
            QueueUrl=queue_url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=message_id
        )


def send_later(queue_url: str, body: str, seconds: int) -> None:
    """Send one message that comes after so many seconds (0–900). Raises Busy, Misconfigured or Refused."""
    with told_apart("put off work"):
        client("sqs").send_message(QueueUrl=queue_url, MessageBody=body, DelaySeconds=min(900, seconds))
