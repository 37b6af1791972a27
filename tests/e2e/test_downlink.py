"""Downlinks: from a request on a public topic into the queue of The Things Stack, to the device, and back."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.e2e.conftest import PATIENCE, Bridge, Device
from tests.e2e.knowing import until_known
from tests.e2e.polling import eventually
from tests.sizes import size
from thingbridge.messaging.downlink import PRIORITIES


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
    until_known(farm, device.dev_eui)
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
        (b'{"payload": {"level": NaN}}', "payload", "a number that JSON can't"),
        (b'{"payload": ' + b'{"a": ' * 300 + b"1" + b"}" * 301, "payload", "is nested deeper than 50 levels"),
        ({"bytes": "AAAA" * 84}, None, "too_long"),
    ],
    ids=["no base64", "a bad port", "no payload", "no JSON", "NaN", "nesting", "longer than the data rate allows"],
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


def test_every_field_of_several_downlinks_reaches_the_queue_in_order(farm: Bridge) -> None:
    device = farm.joined_device()
    several = [{"bytes": "AQ==", "priority": priority, "fPort": 10 + n} for n, priority in enumerate(PRIORITIES)]
    class_c = {"gateways": ["roof", "barn"], "absoluteTime": "2040-01-31T12:00:00Z"}
    request(
        farm,
        f"lorawan/{device.dev_eui}/downlink/push",
        {"downlinks": [*several, {"bytes": "Ag==", "highPriority": True, "classBC": class_c}]},
    )
    queued = eventually("all of them", lambda: found if len(found := queue(farm, device)) == 8 else None)
    assert [each["priority"] for each in queued] == [*PRIORITIES, "HIGH"]
    assert [each["f_port"] for each in queued] == [10, 11, 12, 13, 14, 15, 16, 1]
    assert queued[-1]["class_b_c"]["absolute_time"] == class_c["absoluteTime"]
    gateways = [each["gateway_ids"]["gateway_id"] for each in queued[-1]["class_b_c"]["gateways"]]
    assert gateways == class_c["gateways"]


def test_of_several_downlinks_one_of_which_is_wrong_none_is_taken_and_the_wrong_one_is_named(farm: Bridge) -> None:
    device = farm.joined_device()
    body = {"downlinks": [{"bytes": "AQ=="}, {"bytes": "AQ==", "fPort": 224}]}
    request(farm, f"lorawan/{device.dev_eui}/downlink/push", body)
    assert rejected(farm, device.dev_eui)["field"] == "downlinks[1].fPort"
    assert queue(farm, device) == []


def test_correlation_ids_come_back_to_the_end_whatever_becomes_of_the_downlink(farm: Bridge) -> None:
    device = farm.joined_device()
    push = f"lorawan/{device.dev_eui}/downlink/push"
    for name in ("lost", "unheard"):
        request(farm, push, {"bytes": "AQ==", "confirmed": name == "unheard", "correlationIDs": [f"order:{name}"]})
        eventually("it in the queue", lambda: queue(farm, device))
        if name == "lost":
            farm.things_stack.network.fail_next_downlink(device.application_id, device.device_id)
        uplink(farm, device)
    farm.things_stack.network.uplink(device.application_id, device.device_id, ack=False)
    failed = farm.topics.wait_for(f"lorawan/{device.dev_eui}/downlink/failed", timeout=PATIENCE).json()
    assert "order:lost" in failed["downlink_failed"]["downlink"]["correlation_ids"]
    assert failed["downlink_failed"]["error"]["name"] == "transmission"
    nack = farm.topics.wait_for(f"lorawan/{device.dev_eui}/downlink/nack", timeout=PATIENCE).json()
    assert "order:unheard" in nack["downlink_nack"]["correlation_ids"]


@pytest.mark.parametrize("status", [400, 403, 404, 409])
def test_what_the_things_stack_refuses_is_told_to_the_sender_once(farm: Bridge, status: int) -> None:
    device = farm.joined_device()
    before = farm.dead_letters()
    farm.things_stack.faults.add(method="POST", path=f"{device.device_id}/down/push", status=status, times=9)
    body = {"bytes": "AQ==", "correlationIDs": ["order:1"]}
    request(farm, f"lorawan/{device.dev_eui}/downlink/push", body)
    answer = rejected(farm, device.dev_eui)
    assert answer["field"] is None
    assert f"The Things Stack answered {status}" in answer["reason"]
    assert answer["request"] == body
    assert farm.dead_letters() == before
    assert len(farm.topics.messages(f"lorawan/{device.dev_eui}/downlink/rejected")) == 1


def test_a_device_that_never_joined_can_not_be_sent_to(farm: Bridge) -> None:
    device = farm.new_device()
    farm.create_thing(f"silent-{device.device_id}", devEUI=device.dev_eui, deviceID=device.device_id)
    request(farm, "lorawan/downlink", {"thingName": f"silent-{device.device_id}", "bytes": "AQ=="})
    assert "no_device_session" in rejected(farm, f"silent-{device.device_id}")["reason"]


def test_an_unknown_thing_is_answered_by_its_name(farm: Bridge) -> None:
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


def test_a_thing_of_no_stack_is_answered_by_one_of_the_stacks(vault: Bridge, orchard: Bridge) -> None:
    iot = vault.aws.client("iot")
    things = {
        "valve-9": {"devEUI": "0011AA22BB33CC12"},
        "valve-10": {"devEUI": "0011AA22BB33CC13", "stackName": "gone"},
    }
    for name, attributes in things.items():
        iot.create_thing(
            thingName=name,
            thingTypeName=vault.outputs["thing_type_name"],
            attributePayload={"attributes": attributes},
        )
    for name in things:
        request(vault, f"lorawan/{name}/downlink/push", {"bytes": "AQ==", "fPort": 1, "correlationIDs": ["order:1"]})
        assert rejected(vault, name)["field"] == "stackName"
    # Every stack has handled the first request once each has handled a later one.
    for number, stack in enumerate((vault, orchard)):
        stack.create_thing(f"after-{number}", devEUI=f"0011AA22BB33CC2{number}")
        request(stack, f"lorawan/after-{number}/downlink/push", {"fPort": 0})
        rejected(stack, f"after-{number}")
    for name in things:
        assert len(vault.topics.messages(f"lorawan/{name}/downlink/rejected")) == 1
        iot.delete_thing(thingName=name)


def test_a_thing_of_another_stack_is_left_to_that_stack(vault: Bridge, orchard: Bridge) -> None:
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
    assert vault.log(thing_name) == []


def test_a_busy_network_is_tried_again_until_it_takes_the_downlink(farm: Bridge) -> None:
    device = farm.joined_device()
    farm.things_stack.faults.add(method="POST", path=f"{device.device_id}/down/push", status=503, times=2)
    request(farm, "lorawan/downlink", {"thingName": device.dev_eui, "bytes": "AQ=="})
    farm.topics.wait_for(f"lorawan/{device.dev_eui}/downlink/queued", timeout=PATIENCE)
    assert len(queue(farm, device)) == 1


# Order --------------------------------------------------------------------------------------------------------------


def number_each(bridge: Bridge, devices: Sequence[Device], count: int) -> None:
    """Request `count` downlinks of the devices in turn, each with its number, as fast as one sender can."""
    for number in range(count):
        payload = base64.b64encode(number.to_bytes(4)).decode()
        device = devices[number % len(devices)]
        request(bridge, f"lorawan/{device.dev_eui}/downlink/push", {"bytes": payload})


def numbers(bridge: Bridge, device: Device) -> list[int]:
    return [int.from_bytes(base64.b64decode(each["frm_payload"])) for each in queue(bridge, device)]


@pytest.mark.parametrize("_again", range(size(3, 30)))
def test_four_requests_within_a_second_are_queued_in_their_order(farm: Bridge, _again: int) -> None:
    device = farm.joined_device()
    number_each(farm, [device], 4)
    eventually("four downlinks in the queue", lambda: len(queue(farm, device)) == 4)
    assert numbers(farm, device) == [0, 1, 2, 3]


def test_a_replace_comes_in_its_order_and_on_every_topic(farm: Bridge) -> None:
    device = farm.joined_device()
    topic = f"lorawan/{device.dev_eui}/downlink"
    request(farm, f"{topic}/push", {"bytes": "AQ=="})
    request(farm, f"{topic}/replace", {"bytes": "Ag=="})
    request(farm, "lorawan/downlink", {"thingName": device.dev_eui, "bytes": "Aw=="})
    farm.topics.wait_for(
        f"{topic}/queued", lambda message: message.json()["downlink_queued"]["frm_payload"] == "Aw==", timeout=PATIENCE
    )
    assert [each["frm_payload"] for each in queue(farm, device)] == ["Ag==", "Aw=="]


def test_a_device_that_the_things_stack_fails_on_keeps_its_order_and_holds_up_no_other(farm: Bridge) -> None:
    bad, other = farm.joined_device(), farm.joined_device()
    farm.things_stack.faults.add(method="POST", path=f"{bad.device_id}/down/push", status=429, times=10_000)
    number_each(farm, [bad, other], 6)
    eventually("the downlinks of the other device", lambda: len(queue(farm, other)) == 3)
    assert queue(farm, bad) == []
    farm.things_stack.faults.clear()
    eventually("those of the failed one", lambda: len(queue(farm, bad)) == 3, timeout=90)
    assert (numbers(farm, bad), numbers(farm, other)) == ([0, 2, 4], [1, 3, 5])


RUSH_DEVICES, RUSH_REQUESTS = size((5, 50), (100, 5000))


def test_in_a_rush_no_request_is_lost_and_each_device_has_its_own_in_order(farm: Bridge) -> None:
    devices = [farm.joined_device() for _ in range(RUSH_DEVICES)]
    number_each(farm, devices, RUSH_REQUESTS)
    expected = {each.dev_eui: list(range(index, RUSH_REQUESTS, RUSH_DEVICES)) for index, each in enumerate(devices)}
    eventually(
        "all downlinks in the queues",
        lambda: sum(len(queue(farm, each)) for each in devices) >= RUSH_REQUESTS,
        timeout=size(60, 1800),
    )
    assert {each.dev_eui: numbers(farm, each) for each in devices} == expected
