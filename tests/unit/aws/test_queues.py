"""Queues of an account in process: what waits in them, and what is sent."""

from typing import Any

import pytest

from tests.unit.conftest import AnswerWith
from thingbridge.aws.clients import Clients
from thingbridge.aws.queues import LONGEST_DELAY, Queue, queue_url
from thingbridge.errors import Busy, Misconfigured, Refused


@pytest.fixture
def url(clients: Clients) -> str:
    return str(clients("sqs").create_queue(QueueName="work")["QueueUrl"])


@pytest.fixture
def queue(clients: Clients, url: str) -> Queue:
    return Queue(clients, url)


def test_sent_messages_wait_in_the_queue_also_while_they_are_in_flight(
    queue: Queue, clients: Clients, url: str
) -> None:
    assert queue.waiting() == 0
    assert queue.send([f"piece {number}" for number in range(23)]) == 23
    assert queue.waiting() == 23
    bodies = set()
    while messages := clients("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies |= {message["Body"] for message in messages}
    assert bodies == {f"piece {number}" for number in range(23)}
    assert queue.waiting() == 23


def test_sending_nothing_makes_no_call(queue: Queue, answer_with: AnswerWith) -> None:
    answer_with("sqs", "SendMessage", 503, "ServiceUnavailable")
    assert queue.send([]) == 0


@pytest.mark.parametrize(
    ("status", "code", "error"), [(503, "ServiceUnavailable", Busy), (403, "AccessDenied", Misconfigured)]
)
def test_a_message_that_was_not_accepted_is_an_error(
    queue: Queue, answer_with: AnswerWith, status: int, code: str, error: type[Exception]
) -> None:
    answer_with("sqs", "SendMessage", status, code)
    with pytest.raises(error):
        queue.send(["piece"])


def test_a_fifo_queue_accepts_a_deduplication_id_once(clients: Clients) -> None:
    sqs = clients("sqs")
    url = sqs.create_queue(QueueName="runs.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    for _ in range(2):
        Queue(clients, url).send_in_order("rest", group="sync", deduplication_id="run-2")
    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert (message["Body"], message["Attributes"]["MessageGroupId"]) == ("rest", "sync")


@pytest.mark.parametrize(("seconds", "delay"), [(50, 50), (3600, LONGEST_DELAY)])
def test_a_delay_is_limited_to_the_longest_of_sqs(queue: Queue, clients: Clients, seconds: int, delay: int) -> None:
    sent: list[Any] = []
    clients("sqs").meta.events.register(
        "provide-client-params.sqs.SendMessage", lambda params, **_: sent.append(params)
    )
    queue.send_delayed("later", seconds)
    assert [(each["MessageBody"], each["DelaySeconds"]) for each in sent] == [("later", delay)]


def test_a_queue_is_found_by_its_name(clients: Clients, url: str) -> None:
    assert queue_url(clients, "work") == url
    with pytest.raises(Refused, match="find the queue gone"):
        queue_url(clients, "gone")
