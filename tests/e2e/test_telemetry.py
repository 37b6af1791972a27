"""Readings on the stack `orchard`, IAM enforced: rules, function, table, shadow, Amazon SNS, and a queue of records."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local import inspection
from local.aws import LocalAws
from local.mqtt import MqttConnection
from local.stack import Stack
from tests.e2e.conftest import PATIENCE, RECORDS_QUEUE, Bridge
from tests.e2e.polling import eventually

_serial = itertools.count(1)


@dataclass
class Hall:
    """Everything that is published on the topics of `orchard`, and the queues of its records and alerts."""

    orchard: Bridge
    topics: MqttConnection
    records: str
    alerts: str

    def publish(self, topic: str, body: bytes) -> None:
        self.orchard.aws.client("iot-data").publish(topic=f"orchard/{topic}", qos=1, payload=body)

    def read(self, queue: str, about: str, number: int) -> list[dict[str, Any]]:
        """So many messages of a queue that name a device; all that are read are deleted."""
        sqs, found = self.orchard.aws.client("sqs"), []

        def enough() -> bool:
            for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", ()):
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                if about in message["Body"]:
                    found.append(json.loads(message["Body"]))
            return len(found) >= number

        eventually(f"{number} messages about {about}", enough, timeout=PATIENCE)
        return found

    def shadow(self, device: str) -> dict[str, Any]:
        answer = self.orchard.aws.client("iot-data").get_thing_shadow(thingName=device)
        return dict(json.loads(answer["payload"].read())["state"]["reported"])

    def failed(self) -> int:
        urls = self.orchard.outputs["queue_urls"]
        queues = {name: urls[name] for name in ("records_failures", "telemetry_failures")}
        return sum(inspection.queues(self.orchard.aws, queues).values())


@pytest.fixture(scope="module")
def alerts(aws: LocalAws, orchard_stack: Stack, outputs: Callable[[Stack], dict[str, Any]]) -> Iterator[str]:
    """The URL of a queue that subscribes to the topic of Amazon SNS, as a user's would."""
    sqs, sns = aws.client("sqs"), aws.client("sns")
    topic = outputs(orchard_stack)["devices"]["alert_topic_arn"]
    url = sqs.create_queue(QueueName="orchard-alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    yield url
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def hall(orchard: Bridge, alerts: str) -> Iterator[Hall]:
    records = orchard.aws.client("sqs").get_queue_url(QueueName=RECORDS_QUEUE)["QueueUrl"]
    with orchard.aws.mqtt("hall-tests") as topics:
        topics.subscribe("orchard/#")
        yield Hall(orchard, topics, records, alerts)


@pytest.fixture
def sensor() -> str:
    """The name of a device that no test has used."""
    return f"sensor-{next(_serial)}"


def temperature(value: float, second: int, **more: Any) -> bytes:
    return json.dumps({"temperature": value, "timestamp": f"2026-01-02T03:04:{second:02}Z", **more}).encode()


def test_readings_become_records_and_changes_of_level_alerts(hall: Hall, sensor: str) -> None:
    published = [(20, 1), (85.5, 3), (20, 2), (85.5, 3)]
    for value, second in published:
        hall.publish(f"sensor/temperature/{sensor}", temperature(value, second))
        hall.topics.wait_for(f"orchard/record/temperature/{sensor}", timeout=PATIENCE)
        hall.topics.clear()
    records = hall.read(hall.records, sensor, len(published))
    assert sorted((each["temperature"], each["alert_level"]) for each in records) == [
        *[(20, "NORMAL")] * 2,
        *[(85.5, "HIGH")] * 2,
    ]
    (alert,) = hall.read(hall.alerts, sensor, 1)
    assert alert["Subject"] == f"HIGH: temperature 85.5 of {sensor}"
    reported = hall.shadow(sensor)
    assert (reported["alert_active"], reported["alert_temperature"]) == (True, 85.5)
    assert (reported["last_alert"], reported["last_normal_reading"]) == (
        "2026-01-02T03:04:03.000Z",
        "2026-01-02T03:04:01.000Z",
    )
    assert hall.failed() == 0


def test_the_threshold_in_the_shadow_wins(hall: Hall, sensor: str) -> None:
    desired = json.dumps({"state": {"desired": {"temperature_threshold": 25}}}).encode()
    hall.orchard.aws.client("iot-data").update_thing_shadow(thingName=sensor, payload=desired)
    hall.publish(f"sensor/temperature/{sensor}", temperature(26, 1))
    (alert,) = hall.read(hall.alerts, sensor, 1)
    assert json.loads(alert["Message"])["alert_level"] == "HIGH"


@pytest.mark.parametrize(
    ("body", "field"),
    [(b"26\xff", "payload"), (temperature(999, 1), "temperature"), (temperature(20, 1, device="hall-3"), "device")],
    ids=["no JSON", "out of range", "another device"],
)
def test_a_bad_reading_is_answered(hall: Hall, sensor: str, body: bytes, field: str) -> None:
    hall.publish(f"sensor/temperature/{sensor}", body)
    answer = hall.topics.wait_for(f"orchard/device/rejected/{sensor}", timeout=PATIENCE).json()
    assert (answer["field"], answer["device"]) == (field, sensor)


def test_a_status_is_a_record(hall: Hall, sensor: str) -> None:
    hall.publish(f"device/status/{sensor}", b'{"battery_level": 87}')
    record = hall.topics.wait_for(f"orchard/record/status/{sensor}", timeout=PATIENCE).json()
    assert (record["battery_level"], record["device"]) == (87, sensor)
