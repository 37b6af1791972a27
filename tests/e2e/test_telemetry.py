"""Readings on the local AWS with IAM enforced: rules, function, table, shadow, Amazon SNS, and a queue of records."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.aws import LocalAws, functions
from local.mqtt import MqttConnection
from local.stack import Stack
from tests.e2e.conftest import PATIENCE, discard
from tests.e2e.polling import eventually

DEVICES_ALONE = Path(__file__).parent / "devices_alone"


@dataclass
class Plant:
    """The applied stack `plant`, and everything that is published on its topics."""

    aws: LocalAws
    outputs: dict[str, Any]
    topics: MqttConnection

    def publish(self, topic: str, body: bytes) -> None:
        self.aws.client("iot-data").publish(topic=f"plant/{topic}", qos=1, payload=body)

    def read(self, queue: str, number: int) -> list[dict[str, Any]]:
        """So many messages of a queue, which are deleted."""
        sqs, url, found = self.aws.client("sqs"), self.outputs[queue], []

        def enough() -> bool:
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return len(found) >= number

        eventually(f"{number} messages in {queue}", enough, timeout=PATIENCE)
        return found

    def shadow(self, device: str) -> dict[str, Any]:
        answer = self.aws.client("iot-data").get_thing_shadow(thingName=device)
        return dict(json.loads(answer["payload"].read())["state"]["reported"])

    def failed(self) -> int:
        sqs, name = self.aws.client("sqs"), "ApproximateNumberOfMessages"
        urls = [each["url"] for each in self.outputs["failures"].values()]
        answers = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name]) for url in urls]
        return sum(int(each["Attributes"][name]) for each in answers)


@pytest.fixture(scope="module")
def plant(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    given = {"stack_name": "plant", "functions": functions()}
    stack = Stack(tmp_path_factory.mktemp("plant"), given, environment=aws.environment(), source=DEVICES_ALONE)
    stack.apply()
    with aws.mqtt("plant-tests") as topics:
        topics.subscribe("plant/#")
        yield Plant(aws, stack.output(), topics)
    discard(aws, stack)


def temperature(value: float, second: int, **more: Any) -> bytes:
    return json.dumps({"temperature": value, "timestamp": f"2026-01-02T03:04:{second:02}Z", **more}).encode()


def test_readings_become_records_and_changes_of_level_alerts(plant: Plant) -> None:
    published = [(20, 1), (85.5, 3), (20, 2), (85.5, 3)]
    for value, second in published:
        plant.publish("sensor/temperature/hall-3", temperature(value, second))
        plant.topics.wait_for("plant/record/temperature/hall-3", timeout=PATIENCE)
        plant.topics.clear()
    records = plant.read("records_url", len(published))
    assert sorted((each["temperature"], each["alert_level"]) for each in records) == [
        *[(20, "NORMAL")] * 2,
        *[(85.5, "HIGH")] * 2,
    ]
    (alert,) = plant.read("alerts_url", 1)
    assert alert["Subject"] == "HIGH: temperature 85.5 of hall-3"
    reported = plant.shadow("hall-3")
    assert (reported["alert_active"], reported["alert_temperature"]) == (True, 85.5)
    assert (reported["last_alert"], reported["last_normal_reading"]) == (
        "2026-01-02T03:04:03.000Z",
        "2026-01-02T03:04:01.000Z",
    )
    assert plant.failed() == 0


def test_the_threshold_in_the_shadow_wins(plant: Plant) -> None:
    desired = json.dumps({"state": {"desired": {"temperature_threshold": 25}}}).encode()
    plant.aws.client("iot-data").update_thing_shadow(thingName="hall-4", payload=desired)
    plant.publish("sensor/temperature/hall-4", temperature(26, 1))
    (alert,) = plant.read("alerts_url", 1)
    assert json.loads(alert["Message"])["alert_level"] == "HIGH"


@pytest.mark.parametrize(
    ("body", "field"),
    [(b"26\xff", "payload"), (temperature(999, 1), "temperature"), (temperature(20, 1, device="hall-3"), "device")],
    ids=["no JSON", "out of range", "another device"],
)
def test_a_bad_reading_is_answered(plant: Plant, body: bytes, field: str) -> None:
    plant.topics.clear()
    plant.publish("sensor/temperature/hall-5", body)
    answer = plant.topics.wait_for("plant/device/rejected/hall-5", timeout=PATIENCE).json()
    assert (answer["field"], answer["device"]) == (field, "hall-5")


def test_a_status_is_a_record(plant: Plant) -> None:
    plant.publish("device/status/hall-6", b'{"battery_level": 87}')
    record = plant.topics.wait_for("plant/record/status/hall-6", timeout=PATIENCE).json()
    assert (record["battery_level"], record["device"]) == (87, "hall-6")
