"""Layer (c): devices on the air, the The Things Stack under contract, this module and AWS IoT, from end to end.

Played for each way in which messages reach AWS; first as a stack is by default, then with end-to-end encryption. With
the simulation it is played by `make soak`: tests/e2e has the same there, in depth.
"""

from __future__ import annotations

import secrets

import pytest

from tests.contract.radio.device import Device
from tests.contract.subject import PLAN, eventually
from tests.contract.whole import Bridge

pytestmark = pytest.mark.xdist_group("contract")

SERVERS = {"is", "ns", "as", "js"}
PAYLOAD, TEXT = b"\x2a\x07", "Kgc="
"""The same in base64."""


@pytest.fixture(scope="session")
def encrypted(bridge: Bridge) -> Bridge:
    """The same stack, from then on with end-to-end encryption."""
    bridge.stack(end_to_end_encryption=True).apply()
    return bridge


# The main job ---------------------------------------------------------------------------------------------------------
def test_a_device_that_joins_becomes_a_thing_and_its_uplinks_arrive(bridge: Bridge) -> None:
    device = bridge.device()
    device.join()
    assert bridge.take(device, "join")["join_accept"]["session_key_id"]
    device.send(PAYLOAD, f_port=2)
    uplink = bridge.take(device, "uplink")["uplink_message"]
    assert (uplink["f_port"], uplink["frm_payload"]) == (2, TEXT)
    thing = bridge.things.describe(device.dev_eui)
    assert thing
    assert thing.attributes["deviceID"] == device.id


def test_a_requested_downlink_is_heard_and_its_states_are_published(bridge: Bridge) -> None:
    device = bridge.settled()
    bridge.request(thingName=device.dev_eui, bytes=TEXT, fPort=15, confirmed=True, correlationIDs=["contract"])
    assert "contract" in bridge.take(device, "downlink/queued")["downlink_queued"]["correlation_ids"]
    device.send()
    heard = device.heard_payload()
    assert (heard.f_port, heard.payload, heard.confirmed) == (15, PAYLOAD, True)
    assert bridge.take(device, "downlink/sent")["downlink_sent"]["f_cnt"] == heard.f_cnt
    device.send()
    assert bridge.take(device, "downlink/ack")["downlink_ack"]["frm_payload"] == TEXT


def test_a_downlink_that_can_not_be_sent_is_rejected_with_a_reason(bridge: Bridge) -> None:
    device = bridge.device()
    bridge.create_thing(device.dev_eui, devEUI=device.dev_eui, deviceID=device.id)
    bridge.request(thingName=device.dev_eui, bytes=TEXT)
    assert bridge.take(device, "downlink/rejected")["reason"]
    assert bridge.take(device, "downlink/failed")["downlink_failed"]["error"]["name"] == "no_device_session"


def test_a_thing_becomes_a_device_that_joins_follows_its_changes_and_is_deleted_with_it(bridge: Bridge) -> None:
    prefix = bridge.subject.eui_prefix
    device = Device(
        bridge.subject.gateway, device_id=f"whole-{secrets.token_hex(4)}", join_eui=f"{prefix}000000",
        dev_eui=f"{prefix}E{secrets.token_hex(3)[1:].upper()}", app_key=secrets.token_hex(16).upper(),
    )  # fmt: skip
    name = device.dev_eui
    bridge.subject.remembers(bridge.application.id, device.id)
    bridge.create_thing(
        name, devEUI=device.dev_eui, joinEUI=device.join_eui, deviceID=device.id, appKey=device.app_key,
        lorawanVersion="1.0.3", regionalParametersVersion="1.0.3-a", frequencyPlanID=PLAN,
    )  # fmt: skip
    eventually(lambda: bridge.outcome(name) == "created", bridge.place.patience)
    assert bridge.servers_with(device.id) == SERVERS
    device.join()
    bridge.take(device, "join")
    bridge.things.update(name, {"supportsClassC": "true"})
    eventually(
        lambda: bool(bridge.application.device_on("ns", device.id, "supports_class_c").get("supports_class_c")),
        bridge.place.patience,
    )
    bridge.things.delete(name)
    eventually(lambda: not bridge.servers_with(device.id), bridge.place.patience)


# End-to-end encryption ------------------------------------------------------------------------------------------------
def test_with_end_to_end_encryption_uplinks_are_decrypted_in_aws_alone(encrypted: Bridge) -> None:
    device = encrypted.device()
    device.join()
    encrypted.take(device, "join")
    device.send(PAYLOAD)
    assert encrypted.take(device, "uplink")["uplink_message"]["frm_payload"] == TEXT
    (carried,) = encrypted.carried(device, "uplink")
    assert device.decrypt(carried.get("f_cnt", 0), carried["frm_payload"]) == PAYLOAD


def test_with_end_to_end_encryption_downlinks_are_encrypted_in_aws(encrypted: Bridge) -> None:
    device = encrypted.settled()
    encrypted.request(thingName=device.dev_eui, bytes=TEXT, fPort=15)
    assert encrypted.take(device, "downlink/queued")["downlink_queued"]["frm_payload"] == TEXT
    (queued,) = encrypted.carried(device, "downlink/queued")
    assert device.decrypt(queued["f_cnt"], queued["frm_payload"], downlink=True) == PAYLOAD
    device.send()
    heard = device.heard_payload()
    assert (heard.f_port, heard.payload, heard.f_cnt) == (15, PAYLOAD, queued["f_cnt"])


def test_a_destroy_removes_the_integration(bridge: Bridge) -> None:
    assert bridge.integrations
    bridge.stack().destroy()
    eventually(lambda: not bridge.integrations, bridge.place.patience)
