"""Flow `upstream` under end-to-end encryption, on an account in process."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iotdata import iotdata_backends

from handlers import composition
from tests import events
from tests.unit.flows.conftest import SESSIONS, Encryption
from thingbridge.aws.clients import Clients
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things_log import ThingsLog
from thingbridge.flows.upstream import Upstream
from thingbridge.lorawan import key_envelope
from thingbridge.lorawan.payload_crypto import crypt_downlink, crypt_uplink

GROUP = "/thethings/lorawan/farm/things"
ENVIRONMENT = {
    "STACK_NAME": "farm",
    "THINGS_LOG_GROUP": GROUP,
    "THING_TYPE_NAME": "lorawan",
    "THING_NAME_SCHEME": "DevEUI",
    "DIRECTORY_TABLE": "farm-directory",
    "SHADOW": '{"metrics": true}',
}
LAMBDA_SRC = Path(__file__).parents[4] / "lambda_src"
KEY = bytes(range(16, 32))
UPLINK = events.load("things_stack/uplink_end_to_end_encrypted")
IDS = UPLINK["end_device_ids"]
SESSION_KEY_ID = UPLINK["uplink_message"]["session_key_id"]

Calls = Callable[[], dict[str, int]]


@pytest.fixture
def flow(iot: Any, clients: Clients, encryption: Encryption) -> Upstream:
    clients("logs").create_log_group(logGroupName=GROUP)
    return composition.upstream({**ENVIRONMENT, **encryption.environment}, clients)


@pytest.fixture
def wrapped(encryption: Encryption) -> dict[str, str]:
    return key_envelope.wrapped(KEY, encryption.kek, encryption.label)


def uplink(
    envelope: dict[str, str], f_cnt: int = 1, session_key_id: str = SESSION_KEY_ID, **others: Any
) -> dict[str, Any]:
    cipher = base64.b64encode(crypt_uplink(KEY, IDS["dev_addr"], f_cnt, b"level 42")).decode()
    content = {"session_key_id": session_key_id, "f_cnt": f_cnt, "frm_payload": cipher, "app_s_key": envelope}
    return {**UPLINK, "uplink_message": {**UPLINK["uplink_message"], **content, **others}}


def downlink(kind: str, **content: Any) -> dict[str, Any]:
    return {"end_device_ids": IDS, kind: {"session_key_id": SESSION_KEY_ID, "f_cnt": 9, **content}}


def publish(flow: Upstream, body: dict[str, Any], event: str = "uplink") -> bytes:
    """Handle a message; returns what was published of it."""
    flow.handle(events.rule_output(body, f"thethings/lorawan/farm/{event}"))
    payloads = iotdata_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].published_payloads
    return bytes(payloads[-1][1])


def payload(published: bytes) -> bytes:
    return base64.b64decode(json.loads(published)["uplink_message"]["frm_payload"])


def test_a_warm_uplink_costs_no_more_calls_than_without_encryption(
    flow: Upstream, wrapped: dict[str, str], calls: Calls
) -> None:
    calls()
    publish(flow, uplink(wrapped, received_at=events.just_now()))
    assert calls()["UpdateItem"] == 3  # with what the directory learns
    published = publish(flow, uplink(wrapped, f_cnt=2, received_at=events.just_now()))
    assert calls() == {"Publish": 1, "UpdateThingShadow": 1}
    assert payload(published) == b"level 42"


def test_a_key_in_plain_text_leaves_a_simulated_uplink_as_well(flow: Upstream, clients: Clients) -> None:
    publish(flow, UPLINK)
    published = publish(flow, {**uplink({"key": base64.b64encode(KEY).decode()}), "simulated": True})
    assert json.loads(published)["simulated"] is True
    assert "app_s_key" not in json.loads(published)["uplink_message"]


def test_a_downlink_event_of_a_session_that_another_execution_environment_saw_costs_one_more_read(
    flow: Upstream, clients: Clients, encryption: Encryption, wrapped: dict[str, str], calls: Calls
) -> None:
    publish(flow, uplink(wrapped))
    other = composition.upstream({**ENVIRONMENT, **encryption.environment}, clients)
    calls()
    cipher = base64.b64encode(crypt_downlink(KEY, IDS["dev_addr"], 9, b"open")).decode()
    published = json.loads(publish(other, downlink("downlink_sent", frm_payload=cipher), "downlink/sent"))
    assert base64.b64decode(published["downlink_sent"]["frm_payload"]) == b"open"
    assert calls()["GetItem"] == 2


def test_a_queued_downlink_reports_its_counter_in_the_shadow(
    flow: Upstream, clients: Clients, wrapped: dict[str, str]
) -> None:
    publish(flow, uplink(wrapped))
    publish(flow, downlink("downlink_queued"), "downlink/queued")
    assert Shadows(clients, "lorawan").reported(IDS["dev_eui"])["fCntDown"] == 9


@pytest.mark.parametrize("envelope", [{"key": KEY.hex()}, {"encrypted_key": base64.b64encode(KEY).decode()}])
def test_a_key_that_comes_in_plain_text_is_stored_wrapped(
    flow: Upstream, clients: Clients, encryption: Encryption, envelope: dict[str, str]
) -> None:
    assert payload(publish(flow, uplink(envelope))) == b"level 42"
    items = json.dumps(clients("dynamodb").scan(TableName=SESSIONS)["Items"])
    assert encryption.label in items
    assert KEY.hex() not in items.lower()
    assert base64.b64encode(KEY).decode() not in items


def test_a_rotated_key_encryption_key_is_used_at_once(
    flow: Upstream, clients: Clients, encryption: Encryption, wrapped: dict[str, str]
) -> None:
    publish(flow, uplink(wrapped))
    clients("secretsmanager").put_secret_value(SecretId=encryption.label, SecretString="FF" * 16)
    body = uplink(key_envelope.wrapped(KEY, b"\xff" * 16, encryption.label), session_key_id="AYxz")
    assert payload(publish(flow, body)) == b"level 42"


def test_a_message_that_can_not_be_decrypted_is_published_unchanged_and_recorded(
    flow: Upstream, clients: Clients, encryption: Encryption
) -> None:
    log = ThingsLog(clients, GROUP)
    for session, envelope, reason in (
        ("AYx1", key_envelope.wrapped(KEY, encryption.kek, "theirs"), "another key"),
        ("AYx2", key_envelope.wrapped(KEY, bytes(16), encryption.label), "was not wrapped"),
    ):
        body = uplink(envelope, session_key_id=session)
        assert publish(flow, body) == json.dumps(body).encode()
        entry = log.entries(IDS["dev_eui"])[-1]
        assert entry["event"] == "payload_not_decrypted"
        assert reason in entry["reason"]
        assert entry["kek_label"] == envelope["kek_label"]


CHOSEN = bytes(range(32, 48))
"""A key that somebody who may publish on the stack's topics has chosen."""


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("kind", ["in plain text", "under a foreign label", "of another session"])
def test_no_message_replaces_the_key_of_a_session(
    flow: Upstream, clients: Clients, encryption: Encryption, wrapped: dict[str, str], kind: str, warm: bool
) -> None:
    forged = {
        "in plain text": {"key": CHOSEN.hex()},
        "under a foreign label": key_envelope.wrapped(CHOSEN, bytes(16), "theirs"),
        "of another session": key_envelope.wrapped(CHOSEN, encryption.kek, encryption.label),
    }[kind]
    publish(flow, uplink(wrapped))
    if not warm:
        flow = composition.upstream({**ENVIRONMENT, **encryption.environment}, clients)
    publish(flow, uplink(forged, f_cnt=2))
    stored = encryption.keys.table.find(IDS["dev_eui"], SESSION_KEY_ID)
    assert stored is not None
    assert stored.session.app_s_key == wrapped
    (entry,) = [each for each in ThingsLog(clients, GROUP).entries(IDS["dev_eui"]) if each["level"] == "ERROR"]
    assert (entry["event"], entry["session_key_id"]) == ("session_key_ignored", SESSION_KEY_ID)
    # The device's own messages are read as before, and cost no more.
    assert payload(publish(flow, uplink(wrapped, f_cnt=3))) == b"level 42"


@pytest.mark.parametrize("envelope", [{"key": CHOSEN.hex()}, {"kek_label": "theirs", "encrypted_key": "AAAA"}])
def test_the_key_of_the_join_server_replaces_one_that_came_before_it(
    flow: Upstream, encryption: Encryption, wrapped: dict[str, str], envelope: dict[str, str]
) -> None:
    publish(flow, uplink(envelope))
    assert payload(publish(flow, uplink(wrapped, f_cnt=2))) == b"level 42"
    stored = encryption.keys.table.find(IDS["dev_eui"], SESSION_KEY_ID)
    assert stored is not None
    assert stored.session.app_s_key == wrapped


def test_a_message_with_another_dev_addr_does_not_change_that_of_the_session(
    flow: Upstream, encryption: Encryption, wrapped: dict[str, str]
) -> None:
    publish(flow, uplink(wrapped))
    publish(flow, {**uplink(wrapped, f_cnt=2), "end_device_ids": {**IDS, "dev_addr": "260BFFFF"}})
    stored = encryption.keys.table.find(IDS["dev_eui"], SESSION_KEY_ID)
    assert stored is not None
    assert stored.session.dev_addr == IDS["dev_addr"]


def test_a_message_of_a_session_that_the_things_stack_encrypts_is_published_byte_for_byte(flow: Upstream) -> None:
    body = events.load("things_stack/uplink")
    assert publish(flow, body) == json.dumps(body).encode()


def test_without_end_to_end_encryption_cryptography_is_not_imported() -> None:
    # In a process of its own: this one has imported it.
    program = """
import sys
from handlers import downlink, upstream
assert not [name for name in sys.modules if name.startswith("cryptography")]
"""
    downlink = {
        "CLUSTER_ADDRESS": "https://tts.example.com",
        "IDENTITY_SERVER_ADDRESS": "https://tts.example.com",
        "APPLICATION_ID": "farm-app",
        "API_KEY_SECRET_ARN": "arn:key",
        "DOWNLINK": '{"concurrency": 2, "hold_seconds": 0.5, "maximum_age_seconds": 3600, "rate_per_minute": null}',
        "DOWNLINKS_TABLE": "farm-downlinks",
        "MAXIMUM_RECEIVE_COUNT": "200",
        "SENDING_QUEUE_URL": "https://sqs/farm-sending.fifo",
    }
    environment = {**os.environ, **ENVIRONMENT, **downlink, "PYTHONPATH": str(LAMBDA_SRC)}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr
