"""Messages of The Things Stack, from its network to the public topics, the thing and its shadow."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import PATIENCE, Bridge
from tests.e2e.knowing import until_known
from tests.e2e.polling import eventually


def publish_raw(bridge: Bridge, suffix: str, body: bytes) -> None:
    bridge.things_stack.network.publish_raw(bridge.application_id, suffix, body)


def test_a_device_that_joins_and_sends_becomes_a_thing_with_a_shadow(farm: Bridge) -> None:
    device = farm.new_device()
    joined = farm.things_stack.network.join(device.application_id, device.device_id)
    assert farm.topics.wait_for(f"lorawan/{device.dev_eui}/join", timeout=PATIENCE).json() == joined.message

    sent = farm.things_stack.network.uplink(
        device.application_id, device.device_id, f_port=2, frm_payload=b"\1\2\3", decoded_payload={"level": 10.0}
    )
    assert farm.topics.wait_for(f"lorawan/{device.dev_eui}/uplink", timeout=PATIENCE).json() == sent.message

    thing = farm.thing(device.dev_eui)
    assert thing
    assert thing.type_name == "lorawan"
    assert thing.attributes == {
        "devEUI": device.dev_eui,
        "stackName": "Farm",
        "deviceID": device.device_id,
        "joinEUI": device.join_eui,
    }
    shadow = eventually(
        "the uplink in the shadow", lambda: found if "rssi" in (found := farm.shadow(device.dev_eui)) else None
    )
    assert shadow == {
        "activated": joined.message["join_accept"].get("received_at", joined.message["received_at"]),
        "lastSeen": sent.message["uplink_message"]["received_at"],
        "devAddr": sent.message["end_device_ids"]["dev_addr"],
        "sessionID": sent.message["uplink_message"]["session_key_id"],
        "fCntUp": 0,
        "fCntDown": 0,
        "gateways": 1,
        "rssi": -71,
        "snr": 8.5,
    }


@pytest.mark.parametrize(
    ("fields", "reported"),
    [
        ({}, {"gateways": 1}),
        ({"gateways": 10, "f_port": 1, "frm_payload": b"\0"}, {"gateways": 10}),
        ({"gateways": 3, "packet_broker": True, "f_port": 1, "frm_payload": b"\0"}, {"gateways": 3}),
        ({"f_port": 1, "frm_payload": b"\0", "rssi": -120, "snr": 0}, {"rssi": -120, "snr": 0}),
    ],
    ids=["MAC commands only", "ten gateways", "Packet Broker", "zero SNR"],
)
def test_uplinks_of_every_make_are_delivered(farm: Bridge, fields: dict[str, Any], reported: dict[str, Any]) -> None:
    device = farm.joined_device()
    sent = farm.things_stack.network.uplink(device.application_id, device.device_id, **fields)
    assert farm.topics.wait_for(f"lorawan/{device.dev_eui}/uplink", timeout=PATIENCE).json() == sent.message
    eventually(f"{reported} in the shadow", lambda: reported.items() <= farm.shadow(device.dev_eui).items())


@pytest.mark.parametrize(
    "suffix",
    [
        "downlink/ack",
        "downlink/nack",
        "downlink/sent",
        "downlink/queued",
        "downlink/failed",
        "downlink/invalidated",
        "location/solved",
        "service/data",
        "some/thing/new",
    ],
)
def test_every_event_reaches_its_public_topic_byte_for_byte(farm: Bridge, suffix: str) -> None:
    device = farm.new_device(registered=False)
    farm.create_thing(device.dev_eui, devEUI=device.dev_eui)
    ids = {"device_id": device.device_id, "dev_eui": device.dev_eui}
    body = json.dumps({"end_device_ids": ids, "anything": {"n": 10.0, "text": "ü"}}, indent=1).encode()
    publish_raw(farm, suffix, body)
    assert farm.topics.wait_for(f"lorawan/{device.dev_eui}/{suffix}", timeout=PATIENCE).payload == body


def test_a_thing_that_a_user_named_keeps_its_name(farm: Bridge) -> None:
    device = farm.new_device()
    farm.create_thing(f"barn:{device.device_id}", devEUI=device.dev_eui.lower())
    until_known(farm, device.dev_eui)
    farm.things_stack.network.join(device.application_id, device.device_id)
    farm.topics.wait_for(f"lorawan/barn:{device.device_id}/join", timeout=PATIENCE)
    assert farm.thing(device.dev_eui) is None


def test_a_device_without_a_dev_eui_is_named_by_its_device_id(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    body = json.dumps({"end_device_ids": {"device_id": device.device_id}, "uplink_message": {"f_cnt": 4}}).encode()
    publish_raw(farm, "uplink", body)
    thing_name = f"Farm_{device.device_id}"
    assert farm.topics.wait_for(f"lorawan/{thing_name}/uplink", timeout=PATIENCE).payload == body
    eventually("its shadow", lambda: farm.shadow(thing_name).get("fCntUp") == 4)


def test_a_device_that_gains_a_dev_eui_keeps_its_thing(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    thing_name, ids = f"Farm_{device.device_id}", {"device_id": device.device_id}
    for number, identifiers in enumerate((ids, {**ids, "dev_eui": device.dev_eui}), 1):
        body = json.dumps({"end_device_ids": identifiers, "uplink_message": {"f_cnt": number}}).encode()
        publish_raw(farm, "uplink", body)
        farm.topics.wait_for(
            f"lorawan/{thing_name}/uplink", lambda each, raw=body: each.payload == raw, timeout=PATIENCE
        )
    thing = farm.thing(thing_name)
    assert thing
    assert thing.attributes["devEUI"] == device.dev_eui
    assert farm.thing(device.dev_eui) is None


def test_a_simulated_uplink_reaches_the_thing_and_leaves_its_shadow_alone(farm: Bridge) -> None:
    device = farm.joined_device()
    before = eventually("the join in the shadow", lambda: farm.shadow(device.dev_eui))
    body = json.dumps(
        {
            "end_device_ids": {"device_id": device.device_id},
            "uplink_message": {"f_port": 1, "frm_payload": "q80=", "received_at": "0001-01-01T00:00:00Z"},
            "simulated": True,
        }
    ).encode()
    publish_raw(farm, "uplink", body)
    assert farm.topics.wait_for(f"lorawan/{device.dev_eui}/uplink", timeout=PATIENCE).payload == body
    eventually("the record", lambda: [each for each in farm.log(device.dev_eui) if each["event"] == "uplink_simulated"])
    assert farm.shadow(device.dev_eui) == before
    assert farm.thing(f"Farm_{device.device_id}") is None


def test_a_message_about_a_device_without_a_thing_creates_none(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    ids = {"device_id": device.device_id, "dev_eui": device.dev_eui}
    publish_raw(farm, "downlink/failed", json.dumps({"end_device_ids": ids, "downlink_failed": {}}).encode())
    eventually(
        "the record", lambda: [each for each in farm.log("unidentified") if device.device_id in each.get("reason", "")]
    )
    assert farm.thing(device.dev_eui) is None


def test_a_device_of_another_stack_is_an_error_in_the_log_of_the_thing_and_no_message(farm: Bridge) -> None:
    device = farm.new_device()
    farm.aws.client("iot").create_thing(
        thingName=f"theirs-{device.device_id}",
        thingTypeName="lorawan",
        attributePayload={"attributes": {"devEUI": device.dev_eui, "stackName": "another-stack"}},
    )
    until_known(farm, device.dev_eui)
    farm.things_stack.network.join(device.application_id, device.device_id)
    (entry,) = eventually("the error", lambda: farm.log(f"theirs-{device.device_id}"))
    assert entry["reason"] == f"DevEUI {device.dev_eui} is registered for mismatching stack"
    assert farm.topics.messages(f"lorawan/theirs-{device.device_id}/#") == []
    assert farm.topics.messages(f"lorawan/{device.dev_eui}/#") == []


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"not JSON at all", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b'["no", "object"]', "not an object"),
        (b'{"uplink_message": {}}', "end_device_ids: is missing"),
        (b'{"end_device_ids": {"device_id": "No/Such+Id"}}', "end_device_ids.device_id"),
        (b"x" * (128 * 1024), "is not JSON"),
    ],
    ids=["text", "binary", "a list", "no ids", "a bad id", "128 KB"],
)
def test_garbage_is_recorded_once_and_the_next_message_is_handled(farm: Bridge, payload: bytes, reason: str) -> None:
    suffix = f"garbage/{farm.new_device(registered=False).device_id}"
    before = farm.dead_letters()
    publish_raw(farm, suffix, payload)
    device = farm.joined_device()
    assert farm.things_stack.network.uplink(device.application_id, device.device_id)

    def recorded() -> list[dict[str, Any]]:
        return [entry for entry in farm.log("unidentified") if str(entry.get("topic")).endswith(suffix)]

    (entry,) = eventually("the record", recorded)
    assert reason in entry["reason"]
    assert farm.dead_letters() == before


def test_a_message_that_would_become_a_downlink_request_is_not_passed_on(farm: Bridge) -> None:
    device = farm.joined_device()
    body = json.dumps({"end_device_ids": {"device_id": device.device_id, "dev_eui": device.dev_eui}, "bytes": "AQ=="})
    publish_raw(farm, "downlink/push", body.encode())
    eventually(
        "the record",
        lambda: [each for each in farm.log("unidentified") if str(each.get("topic")).endswith("Farm/downlink/push")],
    )
    assert farm.topics.messages(f"lorawan/{device.dev_eui}/downlink/push") == []


def test_two_stacks_see_only_their_own_devices(vault: Bridge, orchard: Bridge) -> None:
    apple, cow = orchard.new_device(), vault.new_device()
    orchard.things_stack.network.join(apple.application_id, apple.device_id)
    vault.things_stack.network.join(cow.application_id, cow.device_id)
    orchard.topics.wait_for(f"lorawan/orchard_{apple.device_id}/join", timeout=PATIENCE)
    vault.topics.wait_for(f"lorawan/{cow.dev_eui}/join", timeout=PATIENCE)
    things = [vault.thing(f"orchard_{apple.device_id}"), vault.thing(cow.dev_eui)]
    assert [thing and thing.attributes["stackName"] for thing in things] == ["orchard", "Vault"]
    assert vault.thing(apple.dev_eui) is None
    assert orchard.thing(f"orchard_{cow.device_id}") is None
