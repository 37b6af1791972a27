"""Queues of an account in process: what waits in them, and what is sent."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.conftest import AnswerWith
from thingbridge.aws.clients import Clients
from thingbridge.aws.queues import LONGEST_DELAY, Queue, Redelivery, queue_url
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


def test_a_received_message_is_delivered_again_after_the_given_delay_and_its_queue_is_looked_up_once(
    queue: Queue, clients: Clients, url: str, calls: Callable[[], dict[str, int]]
) -> None:
    sqs, redelivery = clients("sqs"), Redelivery(clients)
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    queue.send(["piece"])
    calls()
    for _ in range(2):
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        assert "Messages" not in sqs.receive_message(QueueUrl=url)
        redelivery.delay(arn, message["ReceiptHandle"], 0)
    assert calls()["GetQueueUrl"] == 1
    assert len(sqs.receive_message(QueueUrl=url)["Messages"]) == 1


def test_a_delay_that_is_refused_is_an_error(clients: Clients, url: str) -> None:
    with pytest.raises(Refused):
        Redelivery(clients).delay("arn:aws:sqs:eu-west-1:111122223333:work", "not a receipt", 5)


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
    assert queue_url(clients, "gone") is None


def test_a_queue_that_can_not_be_looked_up_is_an_error(clients: Clients, answer_with: AnswerWith) -> None:
    answer_with("sqs", "GetQueueUrl", 403, "AccessDenied")
    with pytest.raises(Misconfigured, match="find the queue work"):
        queue_url(clients, "work")
