"""What `uplink_mode` promises, whichever it is: the same topics and bytes, things, shadows and records.

Each mode that the local AWS can run has a stack: `Farm` the default, `orchard` batches.
"""

import json
from typing import Any

import pytest

from tests.e2e.conftest import PATIENCE, Bridge, Device
from tests.e2e.polling import eventually

KINDS = ("downlink/queued", "downlink/ack", "location/solved", "service/data", "some/thing/new")


class Contract:
    """The tests; a class below names the stack, and how it names things."""

    naming = "{dev_eui}"

    def thing_name(self, device: Device) -> str:
        return self.naming.format(dev_eui=device.dev_eui, device_id=device.device_id)

    def topic(self, device: Device, kind: str) -> str:
        return f"lorawan/{self.thing_name(device)}/{kind}"

    def test_a_device_that_joins_and_sends_becomes_a_thing_with_a_shadow(self, bridge: Bridge) -> None:
        device = bridge.new_device()
        joined = bridge.things_stack.network.join(device.application_id, device.device_id)
        assert bridge.topics.wait_for(self.topic(device, "join"), timeout=PATIENCE).json() == joined.message
        sent = bridge.things_stack.network.uplink(
            device.application_id, device.device_id, f_port=2, frm_payload=b"\1\2\3", decoded_payload={"level": 10.0}
        )
        received = bridge.topics.wait_for(self.topic(device, "uplink"), timeout=PATIENCE)
        assert received.json() == sent.message
        thing = bridge.thing(self.thing_name(device))
        assert thing
        assert thing.attributes["devEUI"] == device.dev_eui
        uplink = sent.message["uplink_message"]
        expected = {
            "activated": joined.message["join_accept"].get("received_at", joined.message["received_at"]),
            "lastSeen": uplink["received_at"],
            "devAddr": sent.message["end_device_ids"]["dev_addr"],
            "sessionID": uplink["session_key_id"],
            "fCntUp": 0,
            "fCntDown": 0,
            "gateways": 1,
            "rssi": -71,
            "snr": 8.5,
        }
        eventually("the shadow", lambda: expected.items() <= bridge.shadow(self.thing_name(device)).items())

    def test_every_kind_of_message_reaches_its_public_topic_byte_for_byte(self, bridge: Bridge) -> None:
        device = bridge.new_device(registered=False)
        name = self.thing_name(device)
        bridge.create_thing(name, devEUI=device.dev_eui)
        ids = {"device_id": device.device_id, "dev_eui": device.dev_eui}
        bodies = {
            kind: json.dumps({"end_device_ids": ids, "kind": kind, "n": 10.0, "text": "ü"}, indent=1).encode()
            for kind in KINDS
        }
        for kind, body in bodies.items():
            bridge.publish_upstream(kind, body)
        for kind, body in bodies.items():
            assert bridge.topics.wait_for(self.topic(device, kind), timeout=PATIENCE).payload == body

    def test_uplinks_that_come_at_once_all_arrive_and_the_shadow_shows_the_next(self, bridge: Bridge) -> None:
        """Which of those that come at once is written last is not certain: several copies of the function work."""
        device = bridge.new_device()
        bridge.things_stack.network.join(device.application_id, device.device_id)
        bridge.topics.wait_for(self.topic(device, "join"), timeout=PATIENCE)

        def send() -> Any:
            network = bridge.things_stack.network
            return network.uplink(device.application_id, device.device_id, f_port=1, frm_payload=b"\1").message

        for _ in range(12):
            send()

        def counters() -> set[int]:
            messages = bridge.topics.messages(self.topic(device, "uplink"))
            return {message.json()["uplink_message"].get("f_cnt", 0) for message in messages}

        eventually("every uplink", lambda: counters() == set(range(12)), timeout=PATIENCE)
        eventually("a state", lambda: "fCntUp" in bridge.shadow(self.thing_name(device)))
        last = send()["uplink_message"]["f_cnt"]
        eventually("the last state", lambda: bridge.shadow(self.thing_name(device)).get("fCntUp") == last)

    @pytest.mark.parametrize(
        ("payload", "reason"),
        [
            (b"\xff\xfe\x00", "is not JSON"),
            (b'{"uplink_message": {}}', "end_device_ids: is missing"),
            (b"x" * (128 * 1024), "is not JSON"),
        ],
        ids=["binary", "no ids", "128 KB"],
    )
    def test_garbage_is_recorded_once_and_held_up_nothing(self, bridge: Bridge, payload: bytes, reason: str) -> None:
        device = bridge.new_device(registered=False)
        before = bridge.dead_letters()
        suffix = f"garbage/{device.device_id}"
        bridge.publish_upstream(suffix, payload)

        def recorded() -> list[dict[str, Any]]:
            return [each for each in bridge.log("unidentified") if str(each.get("topic")).endswith(suffix)]

        (entry,) = eventually("the record", recorded)
        assert reason in entry["reason"]
        assert bridge.dead_letters() == before

    def test_a_message_about_a_device_without_a_thing_creates_none(self, bridge: Bridge) -> None:
        device = bridge.new_device(registered=False)
        ids = {"device_id": device.device_id, "dev_eui": device.dev_eui}
        body = json.dumps({"end_device_ids": ids, "downlink_failed": {}}).encode()
        bridge.publish_upstream("downlink/failed", body)

        def recorded() -> list[dict[str, Any]]:
            return [each for each in bridge.log("unidentified") if device.device_id in each.get("reason", "")]

        eventually("the record", recorded)
        assert bridge.thing(self.thing_name(device)) is None


class TestFunction(Contract):
    @pytest.fixture
    def bridge(self, farm: Bridge) -> Bridge:
        return farm


class TestBatched(Contract):
    naming = "orchard_{device_id}"

    @pytest.fixture
    def bridge(self, orchard: Bridge) -> Bridge:
        return orchard

    def test_what_aws_refuses_comes_again_and_what_stays_refused_is_a_dead_letter(self, bridge: Bridge) -> None:
        # Written past the rule: not what it passes on, so that the function can't handle it.
        sqs, urls = bridge.aws.client("sqs"), bridge.outputs["queue_urls"]
        policy = sqs.get_queue_attributes(QueueUrl=urls["upstream"], AttributeNames=["RedrivePolicy"])
        device = bridge.new_device()
        once = json.dumps({**json.loads(policy["Attributes"]["RedrivePolicy"]), "maxReceiveCount": 1})
        sqs.set_queue_attributes(QueueUrl=urls["upstream"], Attributes={"RedrivePolicy": once})
        try:
            sqs.send_message(QueueUrl=urls["upstream"], MessageBody="not of the rule")
            bridge.things_stack.network.join(device.application_id, device.device_id)
            bridge.topics.wait_for(self.topic(device, "join"), timeout=PATIENCE)
            letters = eventually(
                "the dead letter",
                lambda: sqs.receive_message(QueueUrl=urls["upstream_dead_letters"]).get("Messages"),
                timeout=60,
            )
        finally:
            sqs.set_queue_attributes(QueueUrl=urls["upstream"], Attributes=policy["Attributes"])
        assert [letter["Body"] for letter in letters] == ["not of the rule"]
        sqs.delete_message(QueueUrl=urls["upstream_dead_letters"], ReceiptHandle=letters[0]["ReceiptHandle"])
