"""Notifications on a topic of Amazon SNS, received by a queue that is subscribed to it."""

import json
from typing import Any

import pytest

from tests.unit.conftest import AnswerWith
from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import NotPermitted
from thingbridge.aws.notifications import Notifications
from thingbridge.errors import Busy, Misconfigured


def topic_and_queue(clients: Clients, *, fifo: bool) -> tuple[str, str]:
    """The ARN of a topic, and the URL of a queue that receives what is published on it."""
    name, attributes = ("alerts.fifo", {"FifoTopic": "true"}) if fifo else ("alerts", {})
    topic = clients("sns").create_topic(Name=name, Attributes=attributes)["TopicArn"]
    queue_attributes = {"FifoQueue": "true"} if fifo else {}
    url = clients("sqs").create_queue(QueueName=name, Attributes=queue_attributes)["QueueUrl"]
    arn = f"arn:aws:sqs:eu-west-1:123456789012:{name}"
    clients("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return topic, url


def publish(clients: Clients, topic: str) -> None:
    Notifications(clients, topic).publish("HIGH", "{}", {"alert_level": "HIGH"}, group="hall-3", deduplication_id="1")


def received(clients: Clients, url: str) -> list[dict[str, Any]]:
    answer = clients("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", ())]


def test_a_notification_has_a_subject_a_body_and_attributes(clients: Clients) -> None:
    topic, url = topic_and_queue(clients, fifo=False)
    publish(clients, topic)
    (message,) = received(clients, url)
    assert (message["Subject"], message["Message"]) == ("HIGH", "{}")
    assert message["MessageAttributes"] == {"alert_level": {"Type": "String", "Value": "HIGH"}}


def test_a_fifo_topic_drops_a_repeated_notification(clients: Clients) -> None:
    topic, url = topic_and_queue(clients, fifo=True)
    publish(clients, topic)
    publish(clients, topic)
    assert len(received(clients, url)) == 1


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AuthorizationError", NotPermitted),
        (404, "NotFound", Misconfigured),
        (429, "Throttled", Busy),
        (400, "InvalidParameter", Busy),
    ],
)
def test_a_topic_that_can_not_be_used_is_raised(
    clients: Clients, answer_with: AnswerWith, status: int, code: str, error: type[Exception]
) -> None:
    answer_with("sns", "Publish", status, code)
    with pytest.raises(error):
        publish(clients, "arn:aws:sns:eu-west-1:123456789012:alerts")
