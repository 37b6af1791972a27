"""The named shadow `lorawan`, both ways: what uplinks report, how often, and what a changed desired state sends."""

import base64
import json
import time
from typing import Any

import pytest

from tests.e2e.conftest import DELTA_F_PORT, PATIENCE, SHADOW_INTERVAL, Bridge, Device
from tests.e2e.polling import eventually

# What a simple encoder reads, and what one of the V2 integration does.
ENCODER = {
    "down_formatter": "FORMATTER_JAVASCRIPT",
    "down_formatter_parameter": """
        function encodeDownlink(input) { return {bytes: [input.data.level, input.data.state.level]}; }
    """,
}


def thing_of(device: Device) -> str:
    """The thing of an orchard's device (scheme DeviceID)."""
    return f"orchard_{device.device_id}"


def joined(orchard: Bridge, **fields: Any) -> Device:
    device = orchard.new_device(**fields)
    orchard.things_stack.network.join(device.application_id, device.device_id)
    orchard.topics.wait_for(f"lorawan/{thing_of(device)}/join", timeout=PATIENCE)
    return device


def uplink(bridge: Bridge, device: Device, **fields: Any) -> dict[str, Any]:
    fields = {"f_port": 2, "frm_payload": b"\1", **fields}
    return bridge.things_stack.network.uplink(device.application_id, device.device_id, **fields).message


def document(bridge: Bridge, thing_name: str) -> dict[str, Any]:
    answer = bridge.aws.client("iot-data").get_thing_shadow(thingName=thing_name, shadowName="lorawan")
    return dict(json.loads(answer["payload"].read()))


def want(bridge: Bridge, thing_name: str, values: dict[str, Any]) -> None:
    """Set desired values, as an application does."""
    body = json.dumps({"state": {"desired": {"decodedPayload": values}}})
    answer = bridge.aws.client("iot-data").update_thing_shadow(
        thingName=thing_name, shadowName="lorawan", payload=body.encode()
    )
    answer["payload"].read()


def note(bridge: Bridge, thing_name: str) -> dict[str, Any]:
    return dict(bridge.shadow(thing_name).get("deltaDownlink", {}))


def queue(bridge: Bridge, device: Device) -> list[dict[str, Any]]:
    return bridge.things_stack.network.queue(device.application_id, device.device_id)


def test_the_decoders_output_is_in_the_shadow_of_a_stack_that_reports_it(orchard: Bridge) -> None:
    apple = joined(orchard)
    uplink(orchard, apple, decoded_payload={"level": 10.5, "door": {"open": True}})
    eventually("the level", lambda: orchard.shadow(thing_of(apple)).get("decodedPayload", {}).get("level") == 10.5)
    assert orchard.shadow(thing_of(apple))["decodedPayload"]["door"] == {"open": True}


def test_the_decoders_output_is_not_in_the_shadow_by_default(farm: Bridge) -> None:
    cow = farm.joined_device()
    uplink(farm, cow, decoded_payload={"level": 10.5})
    eventually("the metrics", lambda: "rssi" in farm.shadow(cow.dev_eui))
    assert "decodedPayload" not in farm.shadow(cow.dev_eui)


def test_a_decoders_state_is_what_goes_into_the_shadow(orchard: Bridge) -> None:
    device = joined(orchard)
    uplink(orchard, device, decoded_payload={"state": {"level": 3}, "raw": [1, 2]})
    eventually("the state", lambda: orchard.shadow(thing_of(device)).get("decodedPayload") == {"level": 3})
    (entry,) = [each for each in orchard.log(thing_of(device)) if each["event"] == "decoded_payload_left_out"]
    assert "without 'raw'" in entry["reason"]


def test_what_a_shadow_can_not_hold_is_left_out_and_named_and_the_rest_is_written(orchard: Bridge) -> None:
    device = joined(orchard)
    uplink(orchard, device, decoded_payload={"good": 1, "gaps": [1, None]})
    eventually("what fits", lambda: orchard.shadow(thing_of(device)).get("decodedPayload") == {"good": 1})
    assert "rssi" in orchard.shadow(thing_of(device))
    (entry,) = [each for each in orchard.log(thing_of(device)) if each["event"] == "decoded_payload_left_out"]
    assert entry["reason"] == "'gaps' is a list that contains null"


def test_a_shadow_is_written_once_in_an_interval_and_ends_with_the_last_state(orchard: Bridge) -> None:
    device = joined(orchard)
    eventually("the join in the shadow", lambda: "activated" in orchard.shadow(thing_of(device)))
    before, started = document(orchard, thing_of(device))["version"], time.monotonic()
    topic = f"lorawan/{thing_of(device)}/uplink"
    for number in range(20):
        sent = uplink(orchard, device, decoded_payload={f"v{number}": number})
        eventually(f"uplink {number}", lambda number=number: len(orchard.topics.messages(topic)) > number)
    last = sent["uplink_message"]["received_at"]
    eventually("the last state", lambda: orchard.shadow(thing_of(device)).get("lastSeen") == last)
    reported = orchard.shadow(thing_of(device))
    # The value of each of the twenty is there, and the counter of the last one.
    assert reported["decodedPayload"] == {f"v{number}": number for number in range(20)}
    assert reported["fCntUp"] == 19
    writes = document(orchard, thing_of(device))["version"] - before
    assert writes <= 1 + (time.monotonic() - started) / SHADOW_INTERVAL


def test_a_join_that_comes_after_its_uplinks_tells_when_and_resets_nothing(orchard: Bridge) -> None:
    device = orchard.new_device(registered=False)
    ids = {"device_id": device.device_id, "dev_eui": device.dev_eui, "dev_addr": "260B0001"}
    later = {"received_at": "2026-01-01T00:00:09.5Z", "f_cnt": 7, "session_key_id": "AQ=="}
    earlier = {"received_at": "2026-01-01T00:00:09Z", "session_key_id": "AQ=="}
    for suffix, body in (("uplink", {"uplink_message": later}), ("join", {"join_accept": earlier})):
        orchard.publish_upstream(suffix, json.dumps({"end_device_ids": ids, **body}).encode())
        orchard.topics.wait_for(f"lorawan/{thing_of(device)}/{suffix}", timeout=PATIENCE)
    reported = eventually(
        "the join", lambda: found if "activated" in (found := orchard.shadow(thing_of(device))) else None
    )
    assert reported["activated"] == earlier["received_at"]
    assert (reported["lastSeen"], reported["fCntUp"]) == (later["received_at"], 7)


def test_an_uplink_that_comes_late_sets_nothing_back_in_a_stack_without_an_interval(farm: Bridge) -> None:
    cow = farm.joined_device()
    newest = uplink(farm, cow)["uplink_message"]
    eventually("the uplink", lambda: farm.shadow(cow.dev_eui).get("lastSeen") == newest["received_at"])
    ids = {"device_id": cow.device_id, "dev_eui": cow.dev_eui, "dev_addr": "260B0001"}
    late = {"received_at": "2026-01-01T00:00:09Z", "f_cnt": 7, "session_key_id": "AQ=="}
    before = document(farm, cow.dev_eui)
    farm.publish_upstream("uplink", json.dumps({"end_device_ids": ids, "uplink_message": late}).encode())
    topic = f"lorawan/{cow.dev_eui}/uplink"
    eventually("the late message", lambda: len(farm.topics.messages(topic)) > 1)
    later = uplink(farm, cow)["uplink_message"]
    eventually("the next one", lambda: farm.shadow(cow.dev_eui)["lastSeen"] == later["received_at"])
    # One more write, that of the next uplink.
    assert document(farm, cow.dev_eui)["version"] == before["version"] + 1
    assert farm.shadow(cow.dev_eui)["devAddr"] == before["state"]["reported"]["devAddr"]


def test_a_changed_desired_state_is_sent_once_and_reported(orchard: Bridge) -> None:
    device = joined(orchard, formatters=ENCODER)
    thing_name = thing_of(device)
    uplink(orchard, device, decoded_payload={"level": 1, "mode": "auto"})
    eventually("the level", lambda: orchard.shadow(thing_name).get("decodedPayload", {}).get("level") == 1)
    want(orchard, thing_name, {"level": 5, "mode": "auto"})
    queued = orchard.topics.wait_for(f"lorawan/{thing_name}/downlink/queued", timeout=PATIENCE).json()
    downlink = queued["downlink_queued"]
    assert (downlink["f_port"], base64.b64decode(downlink["frm_payload"])) == (DELTA_F_PORT, b"\5\5")
    eventually("the note", lambda: note(orchard, thing_name).get("state") == "sent")
    assert orchard.shadow(thing_name)["decodedPayload"]["level"] == 5
    assert "delta" not in document(orchard, thing_name)["state"]


def test_an_uplink_that_still_tells_the_old_state_sends_nothing_again(orchard: Bridge) -> None:
    device = joined(orchard, formatters=ENCODER)
    thing_name = thing_of(device)
    want(orchard, thing_name, {"level": 5})
    eventually("the note", lambda: note(orchard, thing_name).get("state") == "sent")
    for _ in range(3):
        uplink(orchard, device, decoded_payload={"level": 1})
    eventually("a difference", lambda: document(orchard, thing_name)["state"].get("delta"))
    want(orchard, thing_name, {"mode": "eco"})
    eventually("the next one", lambda: orchard.shadow(thing_name)["decodedPayload"].get("mode") == "eco")
    assert note(orchard, thing_name)["state"] == "sent"
    received = [each["f_port"] for each in orchard.things_stack.network.received("orchard-app", device.device_id)]
    assert [each for each in received if each == DELTA_F_PORT] == [DELTA_F_PORT]
    assert len(queue(orchard, device)) == 1


def test_changes_one_after_the_other_arrive_in_order_and_end_with_the_last(orchard: Bridge) -> None:
    device = joined(orchard, formatters=ENCODER)
    thing_name = thing_of(device)
    for level in range(1, 6):
        want(orchard, thing_name, {"level": level})

    def settled() -> bool:
        level = orchard.shadow(thing_name).get("decodedPayload", {}).get("level")
        return level == 5 and note(orchard, thing_name)["state"] == "sent"

    eventually("the last one", settled)
    levels = [base64.b64decode(each["frm_payload"])[0] for each in queue(orchard, device)]
    assert levels == sorted(set(levels))
    assert levels[-1] == 5


def test_a_desired_state_that_the_things_stack_refuses_is_told_and_not_tried_again(orchard: Bridge) -> None:
    device = orchard.new_device(formatters=ENCODER)
    thing_name = f"mute-{device.device_id}"
    orchard.create_thing(thing_name, devEUI=device.dev_eui, deviceID=device.device_id)
    before = orchard.dead_letters()
    want(orchard, thing_name, {"level": 5})
    answer = orchard.topics.wait_for(f"lorawan/{thing_name}/downlink/rejected", timeout=PATIENCE).json()
    assert "no_device_session" in answer["reason"]
    assert answer["request"]["desired"] == {"level": 5}
    refused = eventually("the note", lambda: found if (found := note(orchard, thing_name)).get("reason") else None)
    assert refused["state"] == "refused"
    assert len(orchard.topics.messages(f"lorawan/{thing_name}/downlink/rejected")) == 1
    assert orchard.dead_letters() == before


def test_the_desired_state_of_another_stacks_thing_is_left_to_that_stack(vault: Bridge, orchard: Bridge) -> None:
    device = vault.joined_device()
    want(vault, device.dev_eui, {"level": 5})
    other = joined(orchard, formatters=ENCODER)
    want(orchard, thing_of(other), {"level": 5})
    eventually("the note", lambda: note(orchard, thing_of(other)).get("state") == "sent")
    assert queue(vault, device) == []
    assert note(vault, device.dev_eui) == {}


def codec_log(orchard: Bridge, device: Device) -> list[dict[str, Any]]:
    return [each for each in orchard.log(thing_of(device)) if each["event"] == "codec_failed"]


def test_a_codec_decodes_what_the_things_stack_did_not(orchard: Bridge) -> None:
    device = joined(orchard)
    sent = uplink(orchard, device, f_port=40, frm_payload=b"\x2a\x1e")
    received = orchard.topics.wait_for(f"lorawan/{thing_of(device)}/uplink", timeout=PATIENCE).json()
    assert received["uplink_message"].pop("decoded_payload") == {"level": 42, "battery": 3.0}
    assert received == sent
    eventually("the level", lambda: orchard.shadow(thing_of(device)).get("decodedPayload", {}).get("level") == 42)


def test_a_codec_leaves_alone_what_the_things_stack_decoded(orchard: Bridge) -> None:
    device = joined(orchard)
    uplink(orchard, device, f_port=40, frm_payload=b"\x2a\x1e", decoded_payload={"level": 1})
    received = orchard.topics.wait_for(f"lorawan/{thing_of(device)}/uplink", timeout=PATIENCE).json()
    assert received["uplink_message"]["decoded_payload"] == {"level": 1}


@pytest.mark.parametrize(
    ("f_port", "codec", "reason"),
    [
        (40, "acme_tank", "IndexError in line 9"),
        (41, "endless", "took longer than 1 s"),
        (42, "leaving", "SystemExit in line 10"),
        (43, "not_importable", "ModuleNotFoundError in line 3"),
    ],
)
def test_a_codec_that_fails_takes_nothing_but_its_own_result_away(
    orchard: Bridge, f_port: int, codec: str, reason: str
) -> None:
    device = joined(orchard)
    sent = uplink(orchard, device, f_port=f_port, frm_payload=b"\x99")
    received = orchard.topics.wait_for(f"lorawan/{thing_of(device)}/uplink", timeout=PATIENCE).json()
    assert received == sent
    (entry,) = eventually("the record", lambda: codec_log(orchard, device))
    assert (entry["codec"], entry["reason"]) == (codec, reason)
    eventually("the metrics", lambda: "rssi" in orchard.shadow(thing_of(device)))
    assert set(orchard.dead_letters().values()) == {0}
