"""Queues of an account in process: what waits, and what is sent."""

from typing import Any

import boto3
import pytest

from thingbridge.aws_iot import queues
from thingbridge.errors import Busy, Misconfigured


@pytest.fixture
def queue_url(account: None) -> str:
    return str(boto3.client("sqs").create_queue(QueueName="work")["QueueUrl"])


def test_what_is_sent_waits(queue_url: str) -> None:
    assert queues.waiting(queue_url) == 0
    assert queues.send(queue_url, [f"piece {number}" for number in range(23)]) == 23
    assert queues.waiting(queue_url) == 23
    sqs = boto3.client("sqs")
    bodies = set()
    while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        bodies |= {message["Body"] for message in messages}
    assert bodies == {f"piece {number}" for number in range(23)}
    assert queues.waiting(queue_url) == 23, "what is worked on counts"


def test_nothing_to_send_is_no_call(queue_url: str, answer_with: Any) -> None:
    answer_with("sqs", "SendMessage", 503, "ServiceUnavailable")
    assert queues.send(queue_url, []) == 0


@pytest.mark.parametrize(
    ("status", "code", "error"), [(503, "ServiceUnavailable", Busy), (403, "AccessDenied", Misconfigured)]
)
def test_a_message_that_was_not_taken_is_an_error(
    queue_url: str, answer_with: Any, status: int, code: str, error: type[Exception]
) -> None:
    answer_with("sqs", "SendMessage", status, code)
    with pytest.raises(error):
        queues.send(queue_url, ["piece"])


def test_a_message_in_turn_is_taken_once(account: None) -> None:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="turns.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    for _ in range(2):
        queues.send_in_turn(url, "rest", group="sync", message_id="run-2")
    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert (message["Body"], message["Attributes"]["MessageGroupId"]) == ("rest", "sync")
