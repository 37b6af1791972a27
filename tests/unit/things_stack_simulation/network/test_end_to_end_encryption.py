"""Skipped payload crypto: only the application has the KEK, so it numbers, encrypts and decrypts itself."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from local.things_stack import Dropped, ThingsStack
from local.things_stack.network import lorawan
from local.things_stack.network.sessions import CAPACITY
from tests.unit.things_stack_simulation.conftest import APP, DEV_EUI, DEVICE, JOIN_EUI, Client, error_of
from tests.unit.things_stack_simulation.network.conftest import DOWN, kinds, push

KEK = "000102030405060708090A0B0C0D0E0F"


@pytest.fixture
def encrypted(simulation: ThingsStack, device: str, client: Client) -> str:
    """The device, in an application that is set up over the API."""
    client.json("POST", f"/js/applications/{APP}/settings", {
        "settings": {"kek_label": "kek-1", "kek": {"key": KEK}, "home_net_id": "000013"},
        "field_mask": {"paths": ["kek_label", "kek", "home_net_id"]},
    })  # fmt: skip
    skip(client, True)
    return device


def skip(client: Client, value: bool) -> None:
    link = {"link": {"skip_payload_crypto": value}, "field_mask": {"paths": ["skip_payload_crypto"]}}
    client.json("PUT", f"/as/applications/{APP}/link", link)


class Application:
    """A session as the holder of the KEK knows it from a `join_accept` or an uplink."""

    def __init__(self, message: dict[str, Any]) -> None:
        content = message.get("join_accept") or message["uplink_message"]
        self.session_key_id, self.address = content["session_key_id"], message["end_device_ids"]["dev_addr"]
        self.key = aes_key_unwrap(bytes.fromhex(KEK), base64.b64decode(content["app_s_key"]["encrypted_key"]))

    def downlink(self, f_cnt: int, payload: bytes = b"go", **others: Any) -> dict[str, Any]:
        cipher = lorawan.crypt_frm_payload(self.key, self.address, f_cnt, payload, downlink=True)
        return {"session_key_id": self.session_key_id, "f_cnt": f_cnt, "f_port": 15,
                "frm_payload": base64.b64encode(cipher).decode(), **others}  # fmt: skip

    def read(self, uplink: dict[str, Any]) -> bytes:
        cipher = base64.b64decode(uplink.get("frm_payload", ""))
        return lorawan.crypt_frm_payload(self.key, self.address, uplink.get("f_cnt", 0), cipher, downlink=False)


def confirmed(simulation: ThingsStack, device: str) -> Application:
    """The device joins and sends, which confirms its session."""
    application = Application(simulation.network.join(APP, device).message)
    simulation.network.uplink(APP, device)
    simulation.network.published.clear()
    return application


def rejection(answer: Any) -> tuple[str, dict[str, Any]]:
    details = dict(answer.json()["details"][1])
    assert details.pop("@type") == "type.googleapis.com/ttn.lorawan.v3.DownlinkQueueOperationErrorDetails"
    for name in ("dev_addr", "pending_dev_addr"):
        if name in details:
            details[name] = base64.b64decode(details[name]).hex().upper()
    return error_of(answer)[1], details


def decrypted(simulation: ThingsStack, device: str) -> list[tuple[int, bytes]]:
    return [(item["f_cnt"], base64.b64decode(item["frm_payload"])) for item in simulation.network.received(APP, device)]


def test_device_and_application_can_decrypt_and_the_stack_can_not(
    simulation: ThingsStack, encrypted: str, client: Client
) -> None:
    joined = simulation.network.join(APP, encrypted).message
    application = Application(joined)
    assert application.key.hex().upper() == simulation.network.session(APP, encrypted)["app_s_key"]
    message = simulation.network.uplink(
        APP, encrypted, f_port=2, frm_payload=b"hello", decoded_payload={"x": 1}
    ).message
    uplink = message["uplink_message"]
    assert uplink["app_s_key"] == joined["join_accept"]["app_s_key"]
    assert base64.b64decode(uplink["frm_payload"]) != b"hello"
    assert Application(message).read(uplink) == b"hello"
    assert "decoded_payload" not in uplink
    assert push(client, application.downlink(7)).status_code == 200
    queued = client.json("GET", DOWN)["downlinks"]
    assert [item["frm_payload"] for item in queued] == [application.downlink(7)["frm_payload"]]
    assert simulation.network.uplink(APP, encrypted).message["uplink_message"]["last_a_f_cnt_down"] == 7
    assert decrypted(simulation, encrypted) == [(7, b"go")]
    assert simulation.network.published[-1].message["downlink_sent"]["frm_payload"] == queued[0]["frm_payload"]
    simulation.assert_no_violations()


def test_a_downlink_encrypted_with_a_wrong_counter_can_not_be_decrypted(
    simulation: ThingsStack, encrypted: str, client: Client
) -> None:
    application = confirmed(simulation, encrypted)
    push(client, {**application.downlink(3), "f_cnt": 4})
    simulation.network.uplink(APP, encrypted)
    (f_cnt, payload), = decrypted(simulation, encrypted)  # fmt: skip
    assert f_cnt == 4
    assert payload != b"go"


def test_counters_have_32_bits(simulation: ThingsStack, encrypted: str, client: Client) -> None:
    application = confirmed(simulation, encrypted)
    simulation.network.set_frame_counters(APP, encrypted, f_cnt_up=70_000, f_cnt_down=80_000)
    uplink = simulation.network.uplink(APP, encrypted, f_port=1, frm_payload=b"far").message["uplink_message"]
    assert uplink["f_cnt"] == 70_000
    assert application.read(uplink) == b"far"
    source, details = rejection(push(client, application.downlink(79_999)))
    assert (source, details["min_f_cnt_down"]) == ("pkg/networkserver:f_cnt_too_low", 80_000)
    push(client, application.downlink(80_000))
    simulation.network.uplink(APP, encrypted)
    assert decrypted(simulation, encrypted) == [(80_000, b"go")]
    simulation.network.set_frame_counters(APP, encrypted, f_cnt_up=2**32 - 1)
    assert simulation.network.uplink(APP, encrypted).message["uplink_message"]["f_cnt"] == 2**32 - 1
    with pytest.raises(Dropped, match="join again"):
        simulation.network.uplink(APP, encrypted)
    with pytest.raises(ValueError, match="32 bits"):
        simulation.network.set_frame_counters(APP, encrypted, f_cnt_up=2**32)


# Rejections ---------------------------------------------------------------------------------------------------------
def test_a_device_that_never_joined_has_no_session(encrypted: str, client: Client) -> None:
    item = {"session_key_id": "AAAA", "f_cnt": 1, "f_port": 1, "frm_payload": "AQ=="}
    assert error_of(push(client, item)) == (400, "pkg/applicationserver:no_device_session")


def test_another_session_is_unknown(simulation: ThingsStack, encrypted: str, client: Client) -> None:
    application = confirmed(simulation, encrypted)
    answer = push(client, application.downlink(1) | {"session_key_id": "AAAA"})
    assert answer.status_code == 404
    assert rejection(answer) == ("pkg/networkserver:unknown_session", {
        "dev_addr": application.address, "session_key_id": application.session_key_id, "min_f_cnt_down": 1,
    })  # fmt: skip


def test_a_counter_must_be_above_those_sent_and_queued(simulation: ThingsStack, encrypted: str, client: Client) -> None:
    application = confirmed(simulation, encrypted)
    assert rejection(push(client, application.downlink(0)))[1]["min_f_cnt_down"] == 1
    assert push(client, application.downlink(5), application.downlink(9)).status_code == 200
    answer = push(client, application.downlink(9))
    assert answer.status_code == 400
    assert rejection(answer)[0] == "pkg/networkserver:f_cnt_too_low"
    assert rejection(answer)[1]["min_f_cnt_down"] == 10
    assert error_of(push(client, application.downlink(11), application.downlink(10)))[0] == 400
    assert [item["f_cnt"] for item in client.json("GET", DOWN)["downlinks"]] == [5, 9]
    uplink = simulation.network.uplink(APP, encrypted).message["uplink_message"]
    assert uplink["last_a_f_cnt_down"] == 9  # rejected downlinks change nothing
    assert push(client, application.downlink(6), how="replace").status_code == 200
    assert [item["f_cnt"] for item in client.json("GET", DOWN)["downlinks"]] == [6]
    assert rejection(push(client, application.downlink(5), how="replace"))[1]["min_f_cnt_down"] == 6
    assert [item["f_cnt"] for item in client.json("GET", DOWN)["downlinks"]] == [6]


def test_the_length_limit_applies_to_encrypted_payloads_too(
    simulation: ThingsStack, encrypted: str, client: Client
) -> None:
    application = confirmed(simulation, encrypted)
    assert push(client, application.downlink(1, bytes(242))).status_code == 200
    answer = push(client, application.downlink(2, bytes(243)))
    assert error_of(answer) == (400, "pkg/networkserver:application_downlink_too_long")


@pytest.mark.soak
def test_the_queue_of_a_session_has_a_capacity(simulation: ThingsStack, encrypted: str, client: Client) -> None:
    application = confirmed(simulation, encrypted)
    simulation.network.push(APP, encrypted, [application.downlink(n) for n in range(1, CAPACITY + 1)])
    answer = push(client, application.downlink(CAPACITY + 1))
    assert error_of(answer) == (429, "pkg/networkserver:downlink_queue_capacity")


# Sessions ------------------------------------------------------------------------------------------------------------
def test_a_session_is_pending_until_the_first_uplink(simulation: ThingsStack, encrypted: str, client: Client) -> None:
    application = Application(simulation.network.join(APP, encrypted).message)
    assert simulation.network.session(APP, encrypted)["pending"]
    assert push(client, application.downlink(1)).status_code == 200
    assert rejection(push(client, application.downlink(1)))[1] == {
        "pending_dev_addr": application.address, "pending_session_key_id": application.session_key_id,
        "pending_min_f_cnt_down": 2,
    }  # fmt: skip
    with pytest.raises(Dropped, match="pending"):
        simulation.network.invalidate_queue(APP, encrypted)
    simulation.network.uplink(APP, encrypted)
    assert decrypted(simulation, encrypted) == [(1, b"go")]
    assert not simulation.network.session(APP, encrypted)["pending"]


def test_a_rejoin_returns_the_queue_to_the_application(simulation: ThingsStack, encrypted: str, client: Client) -> None:
    old = confirmed(simulation, encrypted)
    push(client, old.downlink(1), old.downlink(2))
    joined = simulation.network.join(APP, encrypted).message
    assert [item["f_cnt"] for item in joined["join_accept"]["invalidated_downlinks"]] == [1, 2]
    assert {item["session_key_id"] for item in joined["join_accept"]["invalidated_downlinks"]} == {old.session_key_id}
    new = Application(joined)
    assert new.key != old.key
    source, details = rejection(push(client, {**new.downlink(1), "session_key_id": "AAAA"}))
    assert source == "pkg/networkserver:unknown_session"
    assert details == {
        "dev_addr": old.address, "session_key_id": old.session_key_id, "min_f_cnt_down": 3,
        "pending_dev_addr": new.address, "pending_session_key_id": new.session_key_id, "pending_min_f_cnt_down": 1,
    }  # fmt: skip
    simulation.network.uplink(APP, encrypted)
    assert client.json("GET", DOWN) == {}
    assert rejection(push(client, old.downlink(3)))[0] == "pkg/networkserver:unknown_session"
    assert push(client, new.downlink(1)).status_code == 200
    simulation.network.uplink(APP, encrypted)
    assert decrypted(simulation, encrypted) == [(1, b"go")]


def test_between_a_rejoin_and_the_uplink_after_it_a_downlink_that_names_its_session_is_rejected(
    simulation: ThingsStack, encrypted: str, client: Client
) -> None:
    confirmed(simulation, encrypted)
    new = Application(simulation.network.join(APP, encrypted).message)
    source, details = rejection(push(client, new.downlink(1)))
    assert (source, details["pending_min_f_cnt_down"]) == ("pkg/networkserver:f_cnt_too_low", 1)
    simulation.network.uplink(APP, encrypted)
    assert push(client, new.downlink(1)).status_code == 200


# Invalidation --------------------------------------------------------------------------------------------------------
def test_mac_commands_use_a_counter_and_invalidate_the_queue(
    simulation: ThingsStack, encrypted: str, client: Client
) -> None:
    application = confirmed(simulation, encrypted)
    push(client, application.downlink(1))
    simulation.network.uplink(APP, encrypted)
    push(client, application.downlink(2), application.downlink(3))
    published = simulation.network.invalidate_queue(APP, encrypted)
    assert published is not None
    assert published.topic == "downlink/invalidated"
    content = published.message["downlink_queue_invalidated"]
    assert [item["f_cnt"] for item in content["downlinks"]] == [2, 3]
    assert content["last_f_cnt_down"] == 2
    assert content["session_key_id"] == application.session_key_id
    assert client.json("GET", DOWN) == {}
    assert simulation.network.uplink(APP, encrypted).message["uplink_message"]["last_a_f_cnt_down"] == 2
    assert push(client, application.downlink(3)).status_code == 200


def test_a_counter_that_the_network_used_invalidates_the_queue_at_the_next_downlink_slot(
    simulation: ThingsStack, encrypted: str, client: Client
) -> None:
    application = confirmed(simulation, encrypted)
    push(client, application.downlink(1), application.downlink(2))
    simulation.network.set_frame_counters(APP, encrypted, f_cnt_down=2)
    simulation.network.uplink(APP, encrypted)
    assert kinds(simulation)[2:] == ["uplink_message", "downlink_queue_invalidated"]
    content = simulation.network.published[-1].message["downlink_queue_invalidated"]
    assert [item["f_cnt"] for item in content["downlinks"]] == [1, 2]
    assert content["last_f_cnt_down"] == 1
    assert decrypted(simulation, encrypted) == []


def test_from_lorawan_1_1_the_application_has_its_own_counter(simulation: ThingsStack, client: Client) -> None:
    simulation.register_device(
        APP, device_id=DEVICE, dev_eui=DEV_EUI, join_eui=JOIN_EUI, nwk_key="02" * 16,
        lorawan_version="MAC_V1_1", lorawan_phy_version="PHY_V1_1_REV_B",
    )  # fmt: skip
    simulation.servers.join.settings[APP] = {"kek_label": "kek-1", "kek": {"key": KEK}}
    skip(client, True)
    application = confirmed(simulation, DEVICE)
    assert push(client, application.downlink(0)).status_code == 200
    assert simulation.network.invalidate_queue(APP, DEVICE) is None
    simulation.network.uplink(APP, DEVICE)
    assert decrypted(simulation, DEVICE) == [(0, b"go")]


def test_the_stack_does_not_retry_an_unacknowledged_downlink(
    simulation: ThingsStack, encrypted: str, client: Client
) -> None:
    application = confirmed(simulation, encrypted)
    push(client, application.downlink(1, confirmed=True))
    simulation.network.uplink(APP, encrypted)
    simulation.network.uplink(APP, encrypted, ack=False)
    assert kinds(simulation) == [
        "downlink_queued", "uplink_message", "downlink_sent", "downlink_nack", "uplink_message",
    ]  # fmt: skip
    assert client.json("GET", DOWN) == {}


# Configuration --------------------------------------------------------------------------------------------------------
def test_a_device_can_override_its_application(simulation: ThingsStack, encrypted: str, client: Client) -> None:
    paths = ["skip_payload_crypto_override"]
    client.set_device("as", {"skip_payload_crypto_override": False}, paths)
    assert "app_s_key" not in simulation.network.join(APP, encrypted).message["join_accept"]
    with pytest.raises(Dropped, match="kek-1"):
        simulation.network.uplink(APP, encrypted, f_port=1, frm_payload=b"x")
    skip(client, False)
    client.set_device("as", {"skip_payload_crypto_override": True}, paths)
    assert "app_s_key" in simulation.network.uplink(APP, encrypted).message["uplink_message"]


def test_without_a_kek_the_stack_decrypts_even_if_crypto_is_skipped(
    simulation: ThingsStack, device: str, client: Client
) -> None:
    skip(client, True)
    simulation.network.join(APP, device)
    uplink = simulation.network.uplink(APP, device, f_port=1, frm_payload=b"x").message["uplink_message"]
    assert base64.b64decode(uplink["frm_payload"]) == b"x"
    assert "app_s_key" not in uplink


def test_joins_are_dropped_when_a_kek_label_has_no_kek(simulation: ThingsStack, device: str, client: Client) -> None:
    client.json("POST", f"/js/applications/{APP}/settings", {
        "settings": {"kek_label": "kek-1"}, "field_mask": {"paths": ["kek_label"]},
    })  # fmt: skip
    with pytest.raises(Dropped, match="KEK not found"):
        simulation.network.join(APP, device)


def test_the_kek_needs_the_rights_to_read_and_write_keys(simulation: ThingsStack, with_rights: Any) -> None:
    settings = f"/js/applications/{APP}/settings"
    reader = with_rights("RIGHT_APPLICATION_DEVICES_READ_KEYS", "RIGHT_APPLICATION_SETTINGS_BASIC")
    body = {"settings": {"kek_label": "a", "kek": {"key": KEK}}, "field_mask": {"paths": ["kek_label", "kek"]}}
    assert reader.call("POST", settings, body).status_code == 403
    assert reader.call("DELETE", settings).status_code == 403
    assert reader.call("GET", settings).status_code == 404
    assert with_rights("RIGHT_APPLICATION_SETTINGS_BASIC").call("GET", settings).status_code == 403


def test_the_acknowledgement_of_a_confirmed_uplink_takes_a_counter_of_the_application(
    simulation: ThingsStack, encrypted: str, client: Client
) -> None:
    application = confirmed(simulation, encrypted)
    push(client, application.downlink(1))
    simulation.network.uplink(APP, encrypted)
    simulation.network.uplink(APP, encrypted, confirmed=True)
    assert kinds(simulation)[-1] == "downlink_queue_invalidated"
    assert simulation.network.published[-1].message["downlink_queue_invalidated"]["last_f_cnt_down"] == 2
    assert error_of(push(client, application.downlink(2))) == (400, "pkg/networkserver:f_cnt_too_low")
    assert kinds(simulation)[-1] == "downlink_failed"
    simulation.assert_no_violations()


def test_no_downlink_is_accepted_after_a_join_that_the_device_did_not_receive(
    simulation: ThingsStack, encrypted: str, client: Client
) -> None:
    application = confirmed(simulation, encrypted)
    simulation.network.join(APP, encrypted, accepted=False)
    simulation.network.uplink(APP, encrypted)
    assert error_of(push(client, application.downlink(1))) == (400, "pkg/networkserver:f_cnt_too_low")
    application = confirmed(simulation, encrypted)
    push(client, application.downlink(1))
    assert len(client.json("GET", DOWN)["downlinks"]) == 1
    simulation.assert_no_violations()
