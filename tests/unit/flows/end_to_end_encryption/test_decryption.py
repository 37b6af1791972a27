"""Function `upstream` under end-to-end encryption, on an account in process."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iotdata import iotdata_backends
from thingbridge.aws_iot import clients

from handlers import upstream
from thingbridge.lorawan import key_envelope
from thingbridge.lorawan.payload_crypto import crypt_downlink, crypt_uplink

from .conftest import Encryption

GROUP = "/thethings/lorawan/farm/things"
KEY = bytes(range(16, 32))
IDS = {"device_id": "tank-7", "dev_eui": "A81758FFFE0312AB", "dev_addr": "260B1C2D"}


@pytest.fixture(autouse=True)
def function(iot: Any, encryption: Encryption, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    environment = {
        "STACK_NAME": "farm",
        "THINGS_LOG_GROUP": GROUP,
        "THING_TYPE_NAME": "lorawan",
        "THING_NAME_SCHEME": "DevEUI",
        "SHADOW": '{"metrics": true}',
        "END_TO_END_ENCRYPTION": encryption.environment,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    boto3.client("logs").create_log_group(logGroupName=GROUP)
    for cached in (upstream._settings, upstream._directory):
        cached.cache_clear()
    yield
    for cached in (upstream._settings, upstream._directory):
        cached.cache_clear()


def uplink(envelope: dict[str, str], f_cnt: int = 1) -> dict[str, Any]:
    cipher = base64.b64encode(crypt_uplink(KEY, IDS["dev_addr"], f_cnt, b"level 42")).decode()
    content = {"session_key_id": "AYxy", "f_port": 2, "f_cnt": f_cnt, "frm_payload": cipher, "app_s_key": envelope}
    return {"end_device_ids": IDS, "received_at": "2025-01-02T03:04:05Z", "uplink_message": content}


def call(body: dict[str, Any], event: str = "uplink") -> bytes:
    """Handle a message; what was published of it."""
    payload = base64.b64encode(json.dumps(body).encode()).decode()
    upstream.handler({"topic": f"thethings/lorawan/farm/{event}", "payload": payload}, None)
    payloads = iotdata_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].published_payloads
    return bytes(payloads[-1][1])


def log() -> list[dict[str, Any]]:
    events = boto3.client("logs").filter_log_events(logGroupName=GROUP)["events"]
    return [json.loads(event["message"]) for event in events]


@pytest.fixture
def calls() -> list[str]:
    made: list[str] = []
    for service in ("dynamodb", "secretsmanager", "iot", "iot-data"):
        clients.client(service).meta.events.register("before-call", lambda model, **_: made.append(model.name))
    return made


def test_a_warm_uplink_costs_no_more_than_without_encryption(encryption: Encryption, calls: list[str]) -> None:
    envelope = key_envelope.wrapped(KEY, encryption.kek, encryption.label)
    call(uplink(envelope))
    assert sorted(calls).count("UpdateItem") == 2
    calls.clear()
    published = json.loads(call(uplink(envelope, f_cnt=2)))
    assert calls == ["Publish", "UpdateThingShadow"]
    assert base64.b64decode(published["uplink_message"]["frm_payload"]) == b"level 42"


def test_a_downlink_event_of_a_session_that_another_sandbox_saw_costs_one_read(
    encryption: Encryption, calls: list[str]
) -> None:
    call(uplink(key_envelope.wrapped(KEY, encryption.kek, encryption.label)))
    upstream_sandbox_is_new()
    calls.clear()
    cipher = base64.b64encode(crypt_downlink(KEY, IDS["dev_addr"], 9, b"open")).decode()
    body = {"end_device_ids": IDS, "downlink_sent": {"session_key_id": "AYxy", "f_cnt": 9, "frm_payload": cipher}}
    published = json.loads(call(body, "downlink/sent"))
    assert base64.b64decode(published["downlink_sent"]["frm_payload"]) == b"open"
    assert calls.count("GetItem") == 1


def upstream_sandbox_is_new() -> None:
    from handlers.session_keys import session_keys

    session_keys.cache_clear()


def test_a_queued_downlink_tells_the_counter_in_the_shadow(encryption: Encryption) -> None:
    call(uplink(key_envelope.wrapped(KEY, encryption.kek, encryption.label)))
    call({"end_device_ids": IDS, "downlink_queued": {"session_key_id": "AYxy", "f_cnt": 9}}, "downlink/queued")
    answer = boto3.client("iot-data").get_thing_shadow(thingName=IDS["dev_eui"], shadowName="lorawan")
    assert json.loads(answer["payload"].read())["state"]["reported"]["fCntDown"] == 9


@pytest.mark.parametrize("envelope", [{"key": KEY.hex()}, {"encrypted_key": base64.b64encode(KEY).decode()}])
def test_a_key_that_comes_in_the_clear_is_kept_wrapped(encryption: Encryption, envelope: dict[str, str]) -> None:
    published = json.loads(call(uplink(envelope)))
    assert base64.b64decode(published["uplink_message"]["frm_payload"]) == b"level 42"
    items = json.dumps(boto3.client("dynamodb").scan(TableName="farm-sessions")["Items"])
    assert encryption.label in items
    assert KEY.hex() not in items.lower()
    assert base64.b64encode(KEY).decode() not in items


def test_a_key_encryption_key_that_was_drawn_anew_is_used_at_once(encryption: Encryption) -> None:
    call(uplink(key_envelope.wrapped(KEY, encryption.kek, encryption.label)))
    boto3.client("secretsmanager").put_secret_value(SecretId=encryption.label, SecretString="FF" * 16)
    body = uplink(key_envelope.wrapped(KEY, b"\xff" * 16, encryption.label))
    body["uplink_message"]["session_key_id"] = "AYxz"
    assert base64.b64decode(json.loads(call(body))["uplink_message"]["frm_payload"]) == b"level 42"


def test_what_can_not_be_decrypted_is_published_as_it_came_and_recorded(encryption: Encryption) -> None:
    for envelope, reason in (
        (key_envelope.wrapped(KEY, encryption.kek, "theirs"), "theirs"),
        (key_envelope.wrapped(KEY, bytes(16), encryption.label), "was not wrapped"),
    ):
        body = uplink(envelope)
        assert call(body) == json.dumps(body).encode()
        assert reason in log()[-1]["reason"]
        assert log()[-1]["event"] == "payload_not_decrypted"


def test_a_device_whose_keys_the_things_stack_holds_goes_through_byte_for_byte() -> None:
    body = {"end_device_ids": IDS, "uplink_message": {"session_key_id": "AYxy", "f_port": 2, "frm_payload": "q80="}}
    assert call(body) == json.dumps(body).encode()


def test_without_encryption_no_cryptography_is_imported() -> None:
    # In a process of its own: this one has imported it.
    program = """
import base64, json, os, sys
sys.path.insert(0, "lambda_src")
from handlers import downlink, upstream
assert not [name for name in sys.modules if name.startswith("cryptography")]
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
