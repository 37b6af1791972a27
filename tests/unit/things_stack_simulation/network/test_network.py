"""Devices join and send; the published messages are those of The Things Stack."""

from __future__ import annotations

import base64
import re

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from local.things_stack import Dropped, ThingsStack
from local.things_stack.network import lorawan
from local.things_stack.profiles import PROFILES
from tests.unit.things_stack_simulation.conftest import APP, DEV_EUI, DEVICE, JOIN_EUI, Client

IDS = {"device_id": DEVICE, "application_ids": {"application_id": APP}, "dev_eui": DEV_EUI, "join_eui": JOIN_EUI}
KEK = bytes(range(16))


def encrypted_end_to_end(simulation: ThingsStack) -> None:
    simulation.servers.join.settings[APP] = {"kek_label": "kek-1", "kek": {"key": KEK.hex()}}
    simulation.servers.application.links[APP] = {"skip_payload_crypto": True}


def test_a_join_is_published_and_recorded_on_the_servers(simulation: ThingsStack, device: str) -> None:
    published = simulation.network.join(APP, device)
    message = published.message
    assert (published.kind, published.topic) == ("join_accept", "join")
    address = message["end_device_ids"]["dev_addr"]
    assert re.fullmatch("260B[0-9A-F]{4}", address)
    assert message["end_device_ids"] == {**IDS, "dev_addr": address}
    assert len(base64.b64decode(message["join_accept"]["session_key_id"])) == 16
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", message["received_at"])
    assert set(message["join_accept"]) == {"session_key_id", "received_at"}
    servers, at = simulation.servers, (APP, device)
    for server in (servers.network, servers.application):
        assert server.devices[at]["pending_session"]["dev_addr"] == address
        assert "session" not in server.devices[at]
    simulation.network.uplink(APP, device)
    for server in (servers.network, servers.application):
        assert server.devices[at]["session"]["dev_addr"] == server.devices[at]["ids"]["dev_addr"] == address
        assert "pending_session" not in server.devices[at]
    assert "activated_at" in servers.identity.devices[at]


def test_zero_values_are_omitted_from_the_first_uplink(simulation: ThingsStack, device: str) -> None:
    simulation.network.join(APP, device)
    first = simulation.network.uplink(APP, device, rssi=0, snr=0).message["uplink_message"]
    assert not {"f_cnt", "f_port", "frm_payload", "confirmed", "decoded_payload"} & set(first)
    assert not {"snr", "rssi"} & set(first["rx_metadata"][0])
    second = simulation.network.uplink(APP, device, f_port=2, frm_payload=b"\1", confirmed=True).message[
        "uplink_message"
    ]
    assert (second["f_cnt"], second["f_port"], second["frm_payload"], second["confirmed"]) == (1, 2, "AQ==", True)
    assert second["settings"]["frequency"] == "868100000"


def test_a_decoded_payload_keeps_its_zeros(simulation: ThingsStack, device: str) -> None:
    simulation.network.join(APP, device)
    decoded = {"level": 0, "open": False, "inner": {"empty": []}}
    uplink = simulation.network.uplink(APP, device, f_port=1, frm_payload=b"\0", decoded_payload=decoded)
    assert uplink.message["uplink_message"]["decoded_payload"] == decoded


def test_every_gateway_is_listed_also_behind_packet_broker(simulation: ThingsStack, device: str) -> None:
    simulation.network.join(APP, device)
    own = simulation.network.uplink(APP, device, gateways=10).message["uplink_message"]["rx_metadata"]
    assert len({item["gateway_ids"]["eui"] for item in own}) == 10
    assert max(item["rssi"] for item in own) == -71
    foreign = simulation.network.uplink(APP, device, gateways=2, packet_broker=True).message["uplink_message"][
        "rx_metadata"
    ]
    assert {item["gateway_ids"]["gateway_id"] for item in foreign} == {"packetbroker"}
    assert len({item["packet_broker"]["forwarder_gateway_id"] for item in foreign}) == 2


@pytest.mark.parametrize(
    ("server", "named"),
    [
        ("network", "Network Server"),
        ("join", "Join Server"),
        ("application", "Application Server"),
        ("identity", "Identity Server"),
    ],
)
def test_a_device_that_one_server_does_not_know_can_not_join(
    simulation: ThingsStack, device: str, server: str, named: str
) -> None:
    del getattr(simulation.servers, server).devices[APP, device]
    with pytest.raises(Dropped, match=f"the {named} does not know the device"):
        simulation.network.join(APP, device)
    assert not simulation.network.published


def test_a_device_that_was_deleted_or_never_joined_can_not_send(
    simulation: ThingsStack, device: str, client: Client
) -> None:
    with pytest.raises(Dropped, match="has not joined"):
        simulation.network.uplink(APP, device)
    simulation.network.join(APP, device)
    client.json("DELETE", f"/ns/applications/{APP}/devices/{device}")
    with pytest.raises(Dropped, match="the Network Server does not know"):
        simulation.network.uplink(APP, device)


def test_a_device_with_another_root_key_can_not_join(simulation: ThingsStack, device: str) -> None:
    with pytest.raises(Dropped, match="MIC"):
        simulation.network.join(APP, device, app_key="02" * 16)


def test_the_join_server_prefers_a_nwk_key_before_1_1(simulation: ThingsStack) -> None:
    simulation.register_device(APP, device_id=DEVICE, dev_eui=DEV_EUI, app_key="01" * 16, nwk_key="02" * 16)
    with pytest.raises(Dropped, match="MIC"):
        simulation.network.join(APP, DEVICE, app_key="01" * 16)
    assert simulation.network.join(APP, DEVICE, app_key="02" * 16)


def test_1_1_needs_a_nwk_key(simulation: ThingsStack) -> None:
    versions = {"lorawan_version": "MAC_V1_1", "lorawan_phy_version": "PHY_V1_1_REV_B"}
    simulation.register_device(APP, device_id=DEVICE, dev_eui=DEV_EUI, **versions)
    with pytest.raises(Dropped, match="no_nwk_key"):
        simulation.network.join(APP, DEVICE)


def test_with_end_to_end_encryption_only_the_holder_of_the_kek_can_read(simulation: ThingsStack, device: str) -> None:
    encrypted_end_to_end(simulation)
    joined = simulation.network.join(APP, device).message
    envelope = joined["join_accept"]["app_s_key"]
    assert envelope["kek_label"] == "kek-1"
    key = aes_key_unwrap(KEK, base64.b64decode(envelope["encrypted_key"]))
    simulation.network.uplink(APP, device)
    up = simulation.network.uplink(APP, device, f_port=2, frm_payload=b"secret", decoded_payload={"x": 1}).message[
        "uplink_message"
    ]
    assert up["app_s_key"] == envelope
    assert "decoded_payload" not in up
    address = joined["end_device_ids"]["dev_addr"]
    cipher = base64.b64decode(up["frm_payload"])
    assert cipher != b"secret"
    assert lorawan.crypt_frm_payload(key, address, up["f_cnt"], cipher, downlink=False) == b"secret"


def test_uplinks_with_a_wrapped_key_are_dropped_unless_crypto_is_skipped(simulation: ThingsStack, device: str) -> None:
    encrypted_end_to_end(simulation)
    simulation.servers.application.links.clear()
    simulation.network.join(APP, device)
    with pytest.raises(Dropped, match="kek-1"):
        simulation.network.uplink(APP, device, f_port=1, frm_payload=b"x")


def test_only_a_hosted_deployment_says_in_each_message_what_it_knows_of_the_device() -> None:
    versions, attributes = {"brand_id": "acme", "model_id": "tank"}, {"place": "roof"}
    location = {"user": {"latitude": 52.37, "longitude": 4.9, "source": "SOURCE_REGISTRY"}}
    for profile in PROFILES:
        with ThingsStack(profile=profile) as simulation:
            simulation.create_application(APP)
            simulation.register_device(APP, device_id=DEVICE, dev_eui=DEV_EUI, join_eui=JOIN_EUI)
            simulation.servers.application.devices[APP, DEVICE]["version_ids"] = versions
            simulation.servers.identity.devices[APP, DEVICE] |= {"attributes": attributes, "locations": location}
            simulation.network.join(APP, DEVICE)
            simulation.network.push(APP, DEVICE, [{"f_port": 1, "frm_payload": "AQ=="}])
            simulation.network.uplink(APP, DEVICE, battery=80)
            join, queued, uplink, sent = (next(iter(reversed(each.message.values()))) for each in
                                          simulation.network.published)  # fmt: skip
        known = {"version_ids", "locations", "network_ids"}
        assert known < uplink.keys()
        hosted = known | {"attributes"} if profile == "hosted" else set()
        assert all(each.keys() & (known | {"attributes"}) == hosted for each in (join, queued, sent))
        assert uplink.get("last_battery_percentage", {}).get("value") == (80 if hosted else None)
        assert ("tenant_id" in uplink["network_ids"], "attributes" in uplink) == (bool(hosted), bool(hosted))


def test_services_publish_messages(simulation: ThingsStack, device: str) -> None:
    location = simulation.network.location_solved(APP, device, latitude=52.37, longitude=4.9)
    assert (location.topic, location.message["location_solved"]["location"]["latitude"]) == ("location/solved", 52.37)
    data = simulation.network.service_data(APP, device, service="lora-cloud", data={"n": 0})
    assert (data.topic, data.message["service_data"]["data"]) == ("service/data", {"n": 0})
