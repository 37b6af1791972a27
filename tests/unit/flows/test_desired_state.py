"""A changed desired state on an account in process: what is claimed, sent and told, and what comes again."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from thingbridge.aws_iot import data_plane

from handlers import downlink
from thingbridge.errors import Busy
from thingbridge.things_stack import downlink_queue
from thingbridge.things_stack.errors import Answer, ThingsStackRefused

GROUP = "/thethings/lorawan/farm/things"


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 30_000


@pytest.fixture(autouse=True)
def function(iot: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    environment = {
        "STACK_NAME": "farm",
        "END_TO_END_ENCRYPTION": "null",
        "THINGS_LOG_GROUP": GROUP,
        "CLUSTER_ADDRESS": "https://tts.example.com",
        "IDENTITY_SERVER_ADDRESS": "https://tts.example.com",
        "APPLICATION_ID": "farm-app",
        "API_KEY_SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:key",
        "DELTA_F_PORT": "20",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("handlers.shadow_delta.PAUSES", (0.0, 0.0))
    boto3.client("logs").create_log_group(logGroupName=GROUP)
    attributes = {"devEUI": "A81758FFFE0312AB", "stackName": "farm"}
    iot.create_thing(thingName="tank", thingTypeName="lorawan", attributePayload={"attributes": attributes})
    downlink._settings.cache_clear()
    yield
    downlink._settings.cache_clear()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What The Things Stack was given; an error put into the list is raised instead, once."""
    queue: list[Any] = []

    def schedule(_session: object, _device: object, downlinks: Any, *, replace: bool) -> None:
        assert not replace
        if queue and isinstance(queue[-1], Exception):
            raise queue.pop()
        queue.extend(downlinks)

    monkeypatch.setattr(downlink_queue, "schedule", schedule)
    return queue


def want(values: Any) -> dict[str, Any]:
    """Set desired values; returns the event of the delta that follows."""
    body = json.dumps({"state": {"desired": {"decodedPayload": values}}}).encode()
    boto3.client("iot-data").update_thing_shadow(thingName="tank", shadowName="lorawan", payload=body)["payload"].read()
    document = data_plane.shadow("tank", "lorawan")
    assert document
    delta = {
        "version": document["version"],
        "timestamp": int(time.time()),
        "state": document["state"]["delta"],
        "metadata": document["metadata"]["desired"],
    }
    topic = "$aws/things/tank/shadow/name/lorawan/update/delta"
    return {"topic": topic, "payload": base64.b64encode(json.dumps(delta).encode()).decode()}


def reported() -> dict[str, Any]:
    document = data_plane.shadow("tank", "lorawan")
    return dict(document["state"].get("reported", {})) if document else {}


def log() -> list[dict[str, Any]]:
    events = boto3.client("logs").get_log_events(logGroupName=GROUP, logStreamName="tank")["events"]
    return [json.loads(event["message"]) for event in events]


def test_a_change_is_sent_and_reported_once_however_often_its_delta_comes(sent: list[Any]) -> None:
    event = want({"level": 5})
    for _ in range(3):
        downlink.handler(event, Context())
    assert [each["decoded_payload"]["level"] for each in sent] == [5]
    assert reported()["decodedPayload"] == {"level": 5}
    assert reported()["deltaDownlink"]["state"] == "sent"


def test_a_change_that_broke_off_is_sent_when_its_delta_comes_again(sent: list[Any]) -> None:
    event = want({"level": 5})
    sent.append(Busy("so it is"))
    with pytest.raises(Busy):
        downlink.handler(event, Context())
    assert reported()["deltaDownlink"]["state"] == "sending"
    downlink.handler(event, Context())
    assert [each["decoded_payload"]["level"] for each in sent] == [5]
    assert reported()["deltaDownlink"]["state"] == "sent"


def test_a_newer_change_waits_for_the_one_that_is_being_sent(sent: list[Any]) -> None:
    first = want({"level": 5})
    sent.append(Busy("so it is"))
    with pytest.raises(Busy):
        downlink.handler(first, Context())
    second = want({"level": 6})
    with pytest.raises(Busy):
        downlink.handler(second, Context())
    assert sent == []
    downlink.handler(first, Context())
    downlink.handler(second, Context())
    # The first one found the newer value already: it is the shadow that decides.
    assert [each["decoded_payload"]["level"] for each in sent] == [6]


def test_what_is_refused_is_told_where_its_sender_looks_and_not_tried_again(sent: list[Any]) -> None:
    event = want({"level": 5})
    sent.append(ThingsStackRefused("push", Answer(400, "pkg", "too_long", "it is too long")))
    downlink.handler(event, Context())
    downlink.handler(event, Context())
    assert sent == []
    assert [(each["event"], each["reason"]) for each in log()] == [
        ("downlink_rejected", "push: The Things Stack answered 400: it is too long")
    ]
    note = reported()["deltaDownlink"]
    assert (note["state"], note["reason"]) == ("refused", "push: The Things Stack answered 400: it is too long")


def test_a_desired_state_that_is_no_object_is_rejected(sent: list[Any]) -> None:
    downlink.handler(want("on"), Context())
    assert [each["field"] for each in log()] == ["desired.decodedPayload"]
    assert sent == []


def test_a_delta_that_an_uplink_caused_costs_no_call(sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    event = want({"level": 5})
    delta = json.loads(base64.b64decode(event["payload"]))
    later = json.dumps({**delta, "timestamp": delta["timestamp"] + 60}).encode()
    monkeypatch.setattr("handlers.shadow_delta.things.describe", lambda _: pytest.fail("a call"))
    downlink.handler({**event, "payload": base64.b64encode(later).decode()}, Context())
    assert sent == []
