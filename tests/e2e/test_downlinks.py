"""Downlinks: from a request on a public topic into the queue of The Things Stack, to the device, and back."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import PATIENCE, Bridge, Device
from tests.e2e.polling import eventually

pytestmark = pytest.mark.xdist_group("stacks")


def request(bridge: Bridge, topic: str, body: object) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    bridge.aws.client("iot-data").publish(topic=topic, qos=1, payload=raw)


def rejected(bridge: Bridge, thing_name: str) -> dict[str, Any]:
    return dict(bridge.topics.wait_for(f"lorawan/{thing_name}/downlink/rejected", timeout=PATIENCE).json())


def queue(bridge: Bridge, device: Device) -> list[dict[str, Any]]:
    return bridge.things_stack.network.queue(device.application_id, device.device_id)


def uplink(bridge: Bridge, device: Device) -> None:
    bridge.things_stack.network.uplink(device.application_id, device.device_id)


def test_a_confirmed_downlink_is_queued_sent_and_acknowledged(farm: Bridge) -> None:
    device = farm.joined_device()
    request(
        farm,
        "lorawan/downlink",
        {"thingName": device.dev_eui, "bytes": "Kgc=", "fPort": 15, "confirmed": True, "correlationIDs": ["my:1"]},
    )
    for event in ("queued", "sent", "ack"):
        body = farm.topics.wait_for(f"lorawan/{device.dev_eui}/downlink/{event}", timeout=PATIENCE).json()
        downlink = body[f"downlink_{event}"]
        assert (downlink["frm_payload"], downlink["f_port"], downlink["priority"]) == ("Kgc=", 15, "NORMAL")
        assert "my:1" in downlink["correlation_ids"]
        uplink(farm, device)
    (received,) = farm.things_stack.network.received(device.application_id, device.device_id)
    assert (received["f_port"], received["frm_payload"]) == (15, "Kgc=")


def test_a_thing_has_topics_of_its_own_for_several_downlinks_and_for_a_new_queue(farm: Bridge) -> None:
    device = farm.joined_device()
    topic = f"lorawan/{device.dev_eui}/downlink"
    request(farm, f"{topic}/push", {"downlinks": [{"bytes": "AQ=="}, {"bytes": "Ag==", "priority": "HIGHEST"}]})
    eventually("two downlinks in the queue", lambda: len(queue(farm, device)) == 2)
    request(farm, f"{topic}/replace", {"bytes": "Aw=="})
    eventually("one downlink in the queue", lambda: [each["frm_payload"] for each in queue(farm, device)] == ["Aw=="])
    request(farm, f"{topic}/replace", {"downlinks": []})
    eventually("an empty queue", lambda: not queue(farm, device))


def test_a_device_whose_id_the_thing_does_not_tell_is_found_by_its_dev_eui(farm: Bridge) -> None:
    device = farm.new_device()
    farm.create_thing(f"pump-{device.device_id}", devEUI=device.dev_eui)
    farm.things_stack.network.join(device.application_id, device.device_id)
    farm.topics.wait_for(f"lorawan/pump-{device.device_id}/join", timeout=PATIENCE)
    request(farm, "lorawan/downlink", {"thingName": f"pump-{device.device_id}", "bytes": "AQ=="})
    farm.topics.wait_for(f"lorawan/pump-{device.device_id}/downlink/queued", timeout=PATIENCE)


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"bytes": "no base64!"}, "bytes", "must be base64"),
        ({"bytes": "AQ==", "fPort": 0}, "fPort", "whole number from 1 to 255"),
        ({}, "bytes", "give either bytes"),
        (b"not JSON", "payload", "is not JSON"),
        ({"bytes": "AAAA" * 84}, None, "too_long"),
    ],
    ids=["no base64", "a bad port", "no payload", "no JSON", "longer than the data rate allows"],
)
def test_a_bad_request_is_answered_with_what_is_wrong(farm: Bridge, body: Any, field: str | None, reason: str) -> None:
    device = farm.joined_device()
    before = farm.dead_letters()
    request(farm, f"lorawan/{device.dev_eui}/downlink/push", body)
    answer = rejected(farm, device.dev_eui)
    assert (answer["stackName"], answer["field"]) == ("Farm", field)
    assert reason in answer["reason"]
    assert answer["request"] == (body if isinstance(body, dict) else None)
    (entry,) = eventually(
        "the record", lambda: [each for each in farm.log(device.dev_eui) if each["event"] == "downlink_rejected"]
    )
    assert entry["reason"] == answer["reason"]
    assert farm.dead_letters() == before


def test_a_device_that_never_joined_can_not_be_sent_to(farm: Bridge) -> None:
    device = farm.new_device()
    farm.create_thing(f"silent-{device.device_id}", devEUI=device.dev_eui, deviceID=device.device_id)
    request(farm, "lorawan/downlink", {"thingName": f"silent-{device.device_id}", "bytes": "AQ=="})
    assert "no_device_session" in rejected(farm, f"silent-{device.device_id}")["reason"]


def test_an_unknown_thing_is_answered_by_its_name(farm: Bridge, orchard: Bridge) -> None:
    request(farm, "lorawan/downlink", {"thingName": "nobody", "bytes": "AQ=="})
    assert rejected(farm, "nobody")["field"] == "thingName"


def test_a_request_that_names_no_thing_is_answered_on_the_account_wide_topic(farm: Bridge) -> None:
    request(farm, "lorawan/downlink", {"bytes": "AQ==", "correlationIDs": ["who am I"]})
    answer = farm.topics.wait_for(
        "lorawan/downlink/rejected",
        lambda message: (message.json()["request"] or {}).get("correlationIDs") == ["who am I"],
        timeout=PATIENCE,
    )
    assert answer.json()["field"] == "thingName"


def test_a_thing_of_another_stack_is_that_stacks_business(farm: Bridge, orchard: Bridge) -> None:
    device = orchard.new_device()
    orchard.things_stack.network.join(device.application_id, device.device_id)
    thing_name = f"orchard_{device.device_id}"
    orchard.topics.wait_for(f"lorawan/{thing_name}/join", timeout=PATIENCE)
    request(orchard, "lorawan/downlink", {"thingName": thing_name, "bytes": "!"})
    rejected(orchard, thing_name)
    # The stack that owns the thing answered; the other one has had the same request, and says nothing.
    request(orchard, "lorawan/downlink", {"thingName": thing_name, "bytes": "AQ=="})
    orchard.topics.wait_for(f"lorawan/{thing_name}/downlink/queued", timeout=PATIENCE)
    answers = [each.json()["stackName"] for each in orchard.topics.messages(f"lorawan/{thing_name}/downlink/rejected")]
    assert answers == ["orchard"]
    assert farm.log(thing_name) == []


def test_a_busy_network_is_tried_again_until_it_takes_the_downlink(farm: Bridge) -> None:
    device = farm.joined_device()
    farm.things_stack.faults.add(method="POST", path=f"{device.device_id}/down/push", status=503, times=2)
    request(farm, "lorawan/downlink", {"thingName": device.dev_eui, "bytes": "AQ=="})
    farm.topics.wait_for(f"lorawan/{device.dev_eui}/downlink/queued", timeout=PATIENCE)
    assert len(queue(farm, device)) == 1
