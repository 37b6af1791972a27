"""Flow `upstream` on an account in process: what it calls, and what it does with what goes wrong."""

import base64
import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iotdata import iotdata_backends

from handlers import composition
from tests.unit.conftest import Response
from thingbridge.aws.clients import Clients
from thingbridge.errors import Busy
from thingbridge.flows.upstream import Upstream

GROUP = "/thethings/lorawan/farm/things"
ENVIRONMENT = {
    "STACK_NAME": "farm",
    "THINGS_LOG_GROUP": GROUP,
    "THING_TYPE_NAME": "lorawan",
    "THING_NAME_SCHEME": "DevEUI",
    "SHADOW": '{"metrics": true}',
}
BODY = {
    "end_device_ids": {"device_id": "tank-7", "dev_eui": "A81758FFFE0312AB"},
    "received_at": "2025-01-02T03:04:05Z",
    "uplink_message": {"f_cnt": 17, "rx_metadata": [{"gateway_ids": {"gateway_id": "a"}, "rssi": -71, "snr": 8.5}]},
}


@pytest.fixture
def flow(iot: Any, clients: Clients) -> Upstream:
    clients("logs").create_log_group(logGroupName=GROUP)
    return composition.upstream(ENVIRONMENT, clients)


def event(payload: bytes, topic: str = "thethings/lorawan/farm/uplink") -> dict[str, Any]:
    return {"topic": topic, "payload": base64.b64encode(payload).decode()}


def published() -> list[Any]:
    return list(iotdata_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].published_payloads)


def log(stream: str) -> list[dict[str, Any]]:
    events = boto3.client("logs").get_log_events(logGroupName=GROUP, logStreamName=stream)["events"]
    return [json.loads(event["message"]) for event in events]


def test_an_uplink_creates_the_thing_publishes_and_writes_the_shadow(flow: Upstream) -> None:
    raw = json.dumps(BODY).encode()
    flow.handle(event(raw))
    assert published() == [("lorawan/A81758FFFE0312AB/uplink", raw)]
    shadow = boto3.client("iot-data").get_thing_shadow(thingName="A81758FFFE0312AB", shadowName="lorawan")
    assert json.loads(shadow["payload"].read())["state"]["reported"]["rssi"] == -71


def test_a_warm_uplink_costs_one_publish_and_one_shadow_write(
    flow: Upstream, calls: Callable[[], dict[str, int]]
) -> None:
    flow.handle(event(json.dumps(BODY).encode()))
    calls()
    flow.handle(event(json.dumps(BODY).encode()))
    assert calls() == {"Publish": 1, "UpdateThingShadow": 1}


def test_a_shadow_that_aws_refuses_is_recorded_on_the_thing_and_the_message_delivered(
    flow: Upstream, answer_with: Any
) -> None:
    answer_with("iot-data", "UpdateThingShadow", 413, "RequestEntityTooLargeException")
    flow.handle(event(json.dumps(BODY).encode()))
    (entry,) = log("A81758FFFE0312AB")
    assert (entry["event"], entry["level"]) == ("shadow_not_written", "ERROR")
    assert len(published()) == 1


def test_an_older_message_that_comes_late_does_not_set_the_shadow_back(flow: Upstream) -> None:
    older = {**BODY, "received_at": "2025-01-02T03:04:04.9Z", "uplink_message": {"f_cnt": 16}}
    flow.handle(event(json.dumps(BODY).encode()))
    flow.handle(event(json.dumps(older).encode()))
    shadow = boto3.client("iot-data").get_thing_shadow(thingName="A81758FFFE0312AB", shadowName="lorawan")
    assert json.loads(shadow["payload"].read())["state"]["reported"]["fCntUp"] == 17
    assert len(published()) == 2


def test_a_decoders_output_that_makes_the_shadow_too_large_leaves_the_metrics(flow: Upstream, clients: Clients) -> None:
    flow = composition.upstream({**ENVIRONMENT, "SHADOW": '{"decoded_payload": true}'}, clients)
    refused = []

    def refuse_decoded(params: dict[str, Any], **_: Any) -> Any:
        if b"decodedPayload" in params["body"]:
            refused.append(params)
            error = {"Code": "RequestEntityTooLargeException", "Message": "so it is"}
            return Response(413), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 413}}
        return None

    clients("iot-data").meta.events.register("before-call.iot-data-plane.UpdateThingShadow", refuse_decoded)
    uplink = {**BODY["uplink_message"], "decoded_payload": {"level": 1}}  # type: ignore[dict-item]
    flow.handle(event(json.dumps({**BODY, "uplink_message": uplink}).encode()))
    shadow = boto3.client("iot-data").get_thing_shadow(thingName="A81758FFFE0312AB", shadowName="lorawan")
    reported = json.loads(shadow["payload"].read())["state"]["reported"]
    assert reported["rssi"] == -71
    assert "decodedPayload" not in reported
    assert len(refused) == 1
    assert [each["event"] for each in log("A81758FFFE0312AB")] == ["shadow_not_written"]


def test_a_downlink_event_writes_no_shadow(flow: Upstream) -> None:
    acknowledged = json.dumps({"end_device_ids": BODY["end_device_ids"], "downlink_ack": {}}).encode()
    flow.handle(event(acknowledged, "thethings/lorawan/farm/downlink/ack"))
    assert [topic for topic, _ in published()] == ["lorawan/A81758FFFE0312AB/downlink/ack"]


def test_garbage_is_recorded_without_its_payload_and_not_raised(flow: Upstream) -> None:
    flow.handle(event(b"secret payload, no JSON"))
    (entry,) = log("unidentified")
    assert (entry["event"], entry["reason"]) == ("message_dropped", "payload: is not JSON")
    assert "secret" not in json.dumps(entry)
    assert published() == []


def test_another_stacks_device_is_recorded_on_its_thing_and_not_published(flow: Upstream, iot: Any) -> None:
    attributes = {"devEUI": "A81758FFFE0312AB", "stackName": "other"}
    iot.create_thing(thingName="barn", thingTypeName="lorawan", attributePayload={"attributes": attributes})
    flow.handle(event(json.dumps(BODY).encode()))
    (entry,) = log("barn")
    assert entry["reason"] == "DevEUI A81758FFFE0312AB is registered for mismatching stack"
    assert published() == []


def test_a_busy_broker_is_raised_so_that_the_message_comes_again(flow: Upstream, answer_with: Any) -> None:
    answer_with("iot-data", "Publish", 429, "ThrottlingException")
    with pytest.raises(Busy):
        flow.handle(event(json.dumps(BODY).encode()))
