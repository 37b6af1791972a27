"""Layer (b): sessions, counters, queues and events of devices on the air, through a gateway.

The device and the gateway are the contract's own; every frame, counter and event is the network's. Messages are read as
a user reads them.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from local.things_stack.network import frames
from tests.contract.radio.device import Device, Downlink, NotHeard
from tests.contract.radio.gateway import Radio
from tests.contract.receivers import Messages
from tests.contract.subject import Application, Subject, eventually

pytestmark = pytest.mark.xdist_group("contract")

RX2_LATER = 1.0
"""Seconds from the first receive window to the second."""
SENT = {"session_key_id", "f_port", "f_cnt", "frm_payload", "confirmed", "priority", "correlation_ids"}
MOST_EXCHANGES = 8
"""Uplinks within which a network has set up a new session with MAC commands."""


def base64_of(payload: bytes) -> str:
    return base64.b64encode(payload).decode()


def downlink(payload: bytes, **fields: Any) -> dict[str, Any]:
    return {"f_port": 15, "frm_payload": base64_of(payload), "priority": "NORMAL", **fields}


@pytest.fixture(scope="module")
def messages(subject: Subject, application: Application) -> Messages:
    return subject.messages(application.id)


@pytest.fixture
def device(application: Application) -> Device:
    """A device of Class A on all four servers, which has not joined."""
    return application.register(f"radio-{secrets.token_hex(4)}")


@pytest.fixture
def settled(device: Device, subject: Subject, messages: Messages) -> Device:
    """The same after its join, when the network has asked for what it needs and is silent."""
    return settle(device, subject, messages)


def settle(device: Device, subject: Subject, messages: Messages) -> Device:
    """Joins, and sends until nothing is answered any more."""
    device.join()
    messages.take(device.id, "join_accept")
    for _ in range(MOST_EXCHANGES):
        device.send(b"\x01")
        messages.take(device.id, "uplink_message")
        try:
            device.heard(subject.silence)
        except NotHeard:
            return device
    raise AssertionError(f"the network still answers after {MOST_EXCHANGES} uplinks")


def heard_sooner_or_later(device: Device, subject: Subject) -> Downlink:
    """A downlink with a payload: in the windows of the last uplink, or else of the next one."""
    try:
        return device.heard_payload(subject.silence)
    except NotHeard:
        device.send()
        return device.heard_payload()


# Joins and uplinks ----------------------------------------------------------------------------------------------------
def test_a_join_starts_a_session_with_the_address_that_the_device_got(device: Device, messages: Messages) -> None:
    device.join()
    joined = messages.take(device.id, "join_accept")
    assert joined["end_device_ids"]["dev_addr"] == device.dev_addr
    assert set(joined["join_accept"]) == {"session_key_id", "received_at"}


def test_a_join_request_that_is_repeated_starts_no_session(
    device: Device, subject: Subject, messages: Messages
) -> None:
    device.join()
    first = messages.take(device.id, "join_accept")
    device.request_again()
    device.join()
    second = messages.take(device.id, "join_accept")
    assert second["end_device_ids"]["dev_addr"] == device.dev_addr != first["end_device_ids"]["dev_addr"]
    device.send(b"\x01")
    messages.take(device.id, "uplink_message")
    assert not messages.has(device.id, "join_accept")


def test_uplinks_are_counted_from_zero_which_is_left_out(device: Device, subject: Subject, messages: Messages) -> None:
    device.join()
    for payload in (b"\x01\x02\x03", b"\x04"):
        device.send(payload, f_port=2)
    both = [messages.take(device.id, "uplink_message")["uplink_message"] for _ in range(2)]
    assert {each.get("f_cnt"): (each["f_port"], each["frm_payload"]) for each in both} == {
        None: (2, base64_of(b"\x01\x02\x03")),
        1: (2, base64_of(b"\x04")),
    }


def test_an_uplink_has_the_reception_of_the_gateway(device: Device, subject: Subject, messages: Messages) -> None:
    device.join()
    device.send(b"\x01", radio=Radio(frequency=868.3, data_rate="SF9BW125", rssi=-97, snr=-3.5))
    uplink = messages.take(device.id, "uplink_message")["uplink_message"]
    reception, settings = uplink["rx_metadata"][0], uplink["settings"]
    assert reception["gateway_ids"]["eui"] == subject.gateway.eui
    assert (reception["rssi"], reception["snr"], settings["frequency"]) == (-97, -3.5, "868300000")
    assert settings["data_rate"]["lora"] == {"bandwidth": 125000, "spreading_factor": 9, "coding_rate": "4/5"}
    assert settings["timestamp"] == reception["timestamp"]


def test_a_frame_that_is_repeated_or_changed_is_not_published(
    settled: Device, messages: Messages, subject: Subject
) -> None:
    raw = settled.send(b"\x07")
    assert messages.take(settled.id, "uplink_message")["uplink_message"]["frm_payload"] == base64_of(b"\x07")
    settled.repeat(raw)
    settled.repeat(raw[:-1] + bytes([raw[-1] ^ 1]))
    settled.send(b"\x08")
    assert messages.take(settled.id, "uplink_message")["uplink_message"]["frm_payload"] == base64_of(b"\x08")
    assert not messages.has(settled.id, "uplink_message")


# What the network sends by itself -------------------------------------------------------------------------------------
def test_the_network_asks_for_the_status_with_mac_commands_until_it_is_answered(
    device: Device, subject: Subject, messages: Messages
) -> None:
    device.join()
    device.send(b"\x01")
    asked = device.heard()
    assert asked.f_port is None
    assert asked.f_cnt == 0
    assert frames.DEV_STATUS in asked.commands
    assert asked.delay in (device.rx1_delay, device.rx1_delay + RX2_LATER)
    for _ in range(MOST_EXCHANGES):
        device.send(b"\x02")
        try:
            assert frames.DEV_STATUS not in device.heard(subject.silence).commands
        except NotHeard:
            break
    device.join()
    device.send(b"\x03")
    with pytest.raises(NotHeard):  # the status is known, whatever the session
        device.heard(subject.silence)


def test_the_acknowledgement_of_a_confirmed_uplink_takes_a_downlink_counter(
    application: Application, settled: Device, messages: Messages
) -> None:
    settled.send(b"\x01", confirmed=True)
    assert messages.take(settled.id, "uplink_message")["uplink_message"]["confirmed"] is True
    acknowledgement = settled.heard()
    assert (acknowledgement.ack, acknowledgement.f_port) == (True, None)
    assert application.downlinks(settled, downlink(b"\x02")).ok
    settled.send()
    assert settled.heard_payload().f_cnt == acknowledgement.f_cnt + 1
    assert messages.take(settled.id, "downlink_sent")["downlink_sent"]["f_cnt"] == acknowledgement.f_cnt + 1


# Downlinks ------------------------------------------------------------------------------------------------------------
def test_a_downlink_is_queued_and_sent_after_the_next_uplink(
    application: Application, settled: Device, messages: Messages
) -> None:
    assert application.downlinks(settled, downlink(b"\x2a\x07", correlation_ids=["my:request"])).ok
    queued = messages.take(settled.id, "downlink_queued")["downlink_queued"]
    assert set(queued) == {"f_port", "frm_payload", "priority", "correlation_ids"}
    assert "my:request" in queued["correlation_ids"]
    settled.send()
    heard = settled.heard_payload()
    assert (heard.f_port, heard.payload, heard.confirmed) == (15, b"\x2a\x07", False)
    assert heard.delay in (settled.rx1_delay, settled.rx1_delay + RX2_LATER)
    sent = messages.take(settled.id, "downlink_sent")["downlink_sent"]
    assert set(sent) == SENT - {"confirmed"}
    assert (sent["f_cnt"], sent["frm_payload"]) == (heard.f_cnt, base64_of(b"\x2a\x07"))
    assert "my:request" in sent["correlation_ids"]


def test_a_confirmed_downlink_is_sent_again_until_the_device_acknowledges_it(
    application: Application, settled: Device, subject: Subject, messages: Messages
) -> None:
    assert application.downlinks(settled, downlink(b"\x2a", confirmed=True)).ok
    settled.send()
    first = settled.heard_payload()
    assert first.confirmed
    assert set(messages.take(settled.id, "downlink_sent")["downlink_sent"]) == SENT
    settled.send(ack=False)
    refused = messages.take(settled.id, "downlink_nack")["downlink_nack"]
    assert refused["confirmed_retry"] == {"attempt": 2}
    again = heard_sooner_or_later(settled, subject)
    assert (again.payload, again.confirmed) == (b"\x2a", True)
    assert again.f_cnt > first.f_cnt
    settled.send()
    acknowledged = messages.take(settled.id, "downlink_ack")["downlink_ack"]
    assert (acknowledged["frm_payload"], acknowledged["f_cnt"]) == (base64_of(b"\x2a"), again.f_cnt)


def test_a_downlink_to_class_c_is_sent_at_once(application: Application, subject: Subject, messages: Messages) -> None:
    device = application.register(f"radio-{secrets.token_hex(4)}", network={"supports_class_c": True})
    settle(device, subject, messages)
    assert application.downlinks(device, downlink(b"\x0c")).ok
    assert device.heard_payload().payload == b"\x0c"
    assert messages.take(device.id, "downlink_sent")["downlink_sent"]["frm_payload"] == base64_of(b"\x0c")


def test_a_new_join_keeps_the_queue_which_is_encrypted_for_the_new_session(
    application: Application, settled: Device, subject: Subject, messages: Messages
) -> None:
    assert application.downlinks(settled, downlink(b"\x01"), downlink(b"\x02")).ok
    settled.join()
    heard = []
    for _ in range(2):
        # The queue is encrypted again after the first uplink, which may be too late for its windows.
        settled.send()
        heard.append(heard_sooner_or_later(settled, subject).payload)
    assert heard == [b"\x01", b"\x02"]
    new = messages.take(settled.id, "join_accept")["join_accept"]["session_key_id"]
    sent = [messages.take(settled.id, "downlink_sent")["downlink_sent"] for _ in range(2)]
    assert {each["session_key_id"] for each in sent} == {new}


def test_a_downlink_that_is_refused_is_published_as_failed_too(
    application: Application, device: Device, messages: Messages
) -> None:
    answer = application.downlinks(device, downlink(b"\x01"))
    assert answer.status_code == 400
    error = messages.take(device.id, "downlink_failed")["downlink_failed"]["error"]
    names = {key: answer.json()["details"][0][key] for key in ("namespace", "name")}
    assert {key: error[key] for key in names} == names == {
        "namespace": "pkg/applicationserver", "name": "no_device_session"
    }  # fmt: skip


# Payloads that The Things Stack can't read ----------------------------------------------------------------------------
def test_with_an_own_kek_payloads_are_the_devices_and_the_applications_alone(
    subject: Subject, encrypted: Application
) -> None:
    kek = secrets.token_bytes(16)
    base = f"/applications/{encrypted.id}"
    link = {"skip_payload_crypto": True}
    encrypted.json("PUT", f"/as{base}/link", {"link": link, "field_mask": {"paths": list(link)}})
    settings = {"kek_label": "contract", "kek": {"key": kek.hex().upper()}}
    encrypted.json("POST", f"/js{base}/settings", {"settings": settings, "field_mask": {"paths": list(settings)}})
    messages = subject.messages(encrypted.id)
    device = encrypted.register(f"radio-{secrets.token_hex(4)}")

    device.join()
    accepted = messages.take(device.id, "join_accept")["join_accept"]
    wrapped = base64.b64decode(accepted["app_s_key"]["encrypted_key"])
    assert accepted["app_s_key"]["kek_label"] == "contract"
    assert aes_key_unwrap(kek, wrapped) == device.app_s_key

    device.send(b"\x01\x02")
    uplink = messages.take(device.id, "uplink_message")["uplink_message"]
    assert device.decrypt(0, uplink["frm_payload"]) == b"\x01\x02"
    asked = device.heard()
    invalidated = messages.take(device.id, "downlink_queue_invalidated")["downlink_queue_invalidated"]
    assert invalidated == {"session_key_id": accepted["session_key_id"]}

    eventually(lambda: "session" in encrypted.device_on("as", device.id, "session"))
    own = {"session_key_id": accepted["session_key_id"], "f_cnt": asked.f_cnt + 1}
    ciphertext = device.decrypt(own["f_cnt"], base64_of(b"\x2a"), downlink=True)
    assert encrypted.downlinks(device, downlink(ciphertext, **own)).ok
    queued = messages.take(device.id, "downlink_queued")["downlink_queued"]
    assert {name: queued[name] for name in own} == own
    device.send()
    heard = device.heard_payload()
    assert (heard.f_cnt, heard.payload) == (own["f_cnt"], b"\x2a")

    low = encrypted.downlinks(device, downlink(ciphertext, **own))
    assert low.json()["details"][0]["name"] == "f_cnt_too_low"
    assert messages.take(device.id, "downlink_failed")["downlink_failed"]["error"]["name"] == "f_cnt_too_low"
