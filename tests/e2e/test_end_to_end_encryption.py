"""End-to-end encryption: The Things Stack carries payloads that only devices and this stack can read."""

import base64
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.aws import LocalAws
from local.mqtt import MqttError
from local.stack import Stack
from tests.e2e import downlink_rush
from tests.e2e.conftest import APP_KEY, BOUNDARY, PATIENCE, ROLE_PATH, VAULT, VAULT_APPLICATION, Bridge, Device
from tests.e2e.polling import eventually
from tests.e2e.test_stack import FUNCTION_ENVIRONMENT, PROVIDED_BY_LAMBDA
from tests.sizes import size
from thingbridge.flows.end_to_end_encryption import setup
from thingbridge.lorawan.payload_crypto import crypt_downlink
from thingbridge.things_stack.client import ThingsStack as ThingsStackClient
from thingbridge.things_stack.transport import Transport

NAME, APPLICATION = VAULT, VAULT_APPLICATION
# Of one device alone: other stacks of the account have things with keys.
PLANTED_APP_KEY = "5EC2E7A9D1B84C03F66A0E1D9B7C2F48"


def request(bridge: Bridge, device: Device, body: object, topic: str = "push") -> None:
    bridge.aws.client("iot-data").publish(
        topic=f"lorawan/{device.dev_eui}/downlink/{topic}", qos=1, payload=json.dumps(body).encode()
    )


def uplink(bridge: Bridge, device: Device, payload: bytes = b"", **options: Any) -> None:
    bridge.things_stack.network.uplink(
        device.application_id, device.device_id, f_port=2 if payload else None, frm_payload=payload, **options
    )


def received(bridge: Bridge, device: Device) -> list[tuple[int, bytes]]:
    """What the device read with its own key: counter and plaintext."""
    return [
        (each["f_cnt"], base64.b64decode(each["frm_payload"]))
        for each in bridge.things_stack.network.received(device.application_id, device.device_id)
    ]


def message(bridge: Bridge, device: Device, event: str) -> dict[str, Any]:
    """The first message of an event; when there is none, why requests of the device were rejected."""
    try:
        return dict(bridge.topics.wait_for(f"lorawan/{device.dev_eui}/{event}", timeout=PATIENCE).json())
    except MqttError as error:
        rejected = bridge.topics.messages(f"lorawan/{device.dev_eui}/downlink/rejected")
        raise AssertionError([each.json() for each in rejected]) from error


def queue(bridge: Bridge, device: Device) -> list[dict[str, Any]]:
    return bridge.things_stack.network.queue(device.application_id, device.device_id)


def published_by_things_stack(bridge: Bridge, device: Device, kind: str) -> list[dict[str, Any]]:
    return [
        each.message[kind]
        for each in bridge.things_stack.network.published
        if each.kind == kind and each.message["end_device_ids"]["device_id"] == device.device_id
    ]


def session(bridge: Bridge, device: Device) -> dict[str, Any]:
    return dict(bridge.things_stack.network.session(device.application_id, device.device_id))


def test_what_a_stack_keeps_is_encrypted_with_the_key_that_its_user_brings(vault: Bridge) -> None:
    sqs, aws = vault.aws.client("sqs"), vault.aws
    url = vault.outputs["queue_urls"]["registry"]
    key = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["KmsMasterKeyId"])["Attributes"]["KmsMasterKeyId"]
    table = aws.client("dynamodb").describe_table(TableName=f"{VAULT}-sessions")["Table"]
    secret = aws.client("secretsmanager").describe_secret(SecretId=f"{VAULT}/AppSKeyKEK")
    (log,) = aws.client("logs").describe_log_groups(logGroupNamePrefix=vault.outputs["things_log_group_name"])[
        "logGroups"
    ]
    assert ":key/" in key
    assert {table["SSEDescription"]["KMSMasterKeyArn"], secret["KmsKeyId"], log["kmsKeyId"]} == {key}


def test_the_roles_of_a_stack_are_where_its_user_has_them(vault: Bridge) -> None:
    roles = vault.aws.client("iam").get_paginator("list_roles").paginate(PathPrefix=ROLE_PATH)
    names = [role["RoleName"] for page in roles for role in page["Roles"]]
    assert names
    assert all(name.lower().startswith(VAULT.lower()) for name in names)
    bound = vault.aws.client("iam").get_role(RoleName=names[0])["Role"]["PermissionsBoundary"]
    assert bound["PermissionsBoundaryArn"].endswith(f":policy/{BOUNDARY}")


def test_an_uplink_is_read_by_the_stack_and_not_by_the_things_stack(vault: Bridge) -> None:
    device = vault.joined_device()
    uplink(vault, device, b"secret level 42")
    body = message(vault, device, "uplink")
    assert base64.b64decode(body["uplink_message"]["frm_payload"]) == b"secret level 42"
    assert "app_s_key" not in body["uplink_message"]
    (carried,) = published_by_things_stack(vault, device, "uplink_message")
    assert base64.b64decode(carried["frm_payload"]) != b"secret level 42"
    assert carried["app_s_key"]["kek_label"].endswith(
        vault.aws.client("secretsmanager").describe_secret(SecretId=f"{NAME}/AppSKeyKEK")["ARN"]
    )
    assert {**body["uplink_message"], "frm_payload": "", "app_s_key": ""} == {
        **carried,
        "frm_payload": "",
        "app_s_key": "",
    }


def test_a_confirmed_downlink_is_read_by_the_device_alone_and_every_event_tells_it_in_the_clear(vault: Bridge) -> None:
    device = vault.joined_device()
    uplink(vault, device)
    request(vault, device, {"bytes": base64.b64encode(b"open").decode(), "fPort": 15, "confirmed": True})
    for event in ("queued", "sent", "ack"):
        downlink = message(vault, device, f"downlink/{event}")[f"downlink_{event}"]
        assert base64.b64decode(downlink["frm_payload"]) == b"open"
        assert downlink["f_port"] == 15
        uplink(vault, device)
    assert [payload for _, payload in received(vault, device)] == [b"open"]
    (queued,) = published_by_things_stack(vault, device, "downlink_queued")
    assert base64.b64decode(queued["frm_payload"]) != b"open"
    eventually("the counter in the shadow", lambda: vault.shadow(device.dev_eui).get("fCntDown") == queued["f_cnt"])


def test_a_downlink_waits_from_a_rejoin_to_the_uplink_after_it(vault: Bridge) -> None:
    device = vault.joined_device()
    uplink(vault, device)
    vault.things_stack.network.join(device.application_id, device.device_id)
    before = len(vault.things_stack.requests)
    request(vault, device, {"bytes": "AQ=="})
    path = f"/as/applications/{device.application_id}/devices/{device.device_id}"
    eventually(
        "the sessions of the device being read",
        lambda: [each for each in list(vault.things_stack.requests)[before:] if each.path.endswith(path)],
    )
    uplink(vault, device)
    message(vault, device, "downlink/queued")
    uplink(vault, device)
    assert [payload for _, payload in received(vault, device)] == [b"\1"]
    pushes = [
        each.status for each in list(vault.things_stack.requests)[before:] if each.path.endswith(f"{path}/down/push")
    ]
    assert pushes == [200]
    assert published_by_things_stack(vault, device, "downlink_failed") == []


def test_a_key_that_somebody_else_publishes_is_not_used(vault: Bridge) -> None:
    device = vault.joined_device()
    uplink(vault, device, b"first")
    message(vault, device, "uplink")
    (genuine,) = [
        each.message
        for each in vault.things_stack.network.published
        if each.kind == "uplink_message" and each.message["end_device_ids"]["device_id"] == device.device_id
    ]
    forged = {**genuine, "uplink_message": {**genuine["uplink_message"], "f_cnt": 9, "app_s_key": {"key": "00" * 16}}}
    vault.aws.client("iot-data").publish(
        topic=f"thethings/lorawan/{NAME}/uplink", qos=1, payload=json.dumps(forged).encode()
    )
    eventually(
        "the record", lambda: [each for each in vault.log(device.dev_eui) if each["event"] == "session_key_ignored"]
    )
    request(vault, device, {"bytes": "AQ=="})
    eventually("a downlink in the queue", lambda: len(queue(vault, device)) == 1)
    uplink(vault, device)
    assert [payload for _, payload in received(vault, device)] == [b"\1"]


def test_the_request_after_acknowledgements_is_queued_at_once(vault: Bridge) -> None:
    device = vault.joined_device()
    uplink(vault, device)
    request(vault, device, {"bytes": "AQ=="})
    eventually("a downlink in the queue", lambda: len(queue(vault, device)) == 1)
    uplink(vault, device)
    before = len(published_by_things_stack(vault, device, "downlink_queue_invalidated"))
    for _ in range(2):
        uplink(vault, device, confirmed=True)
    eventually(
        "the second acknowledgement",
        lambda: len(published_by_things_stack(vault, device, "downlink_queue_invalidated")) == before + 2,
    )
    uplink(vault, device, b"last")
    vault.topics.wait_for(
        f"lorawan/{device.dev_eui}/uplink",
        lambda each: each.json()["uplink_message"].get("frm_payload") == base64.b64encode(b"last").decode(),
        timeout=PATIENCE,
    )
    request(vault, device, {"bytes": "Ag=="})
    eventually("the next downlink in the queue", lambda: len(queue(vault, device)) == 1)
    assert published_by_things_stack(vault, device, "downlink_failed") == []


def test_the_queue_of_the_session_before_a_rejoin_arrives_in_the_new_one(vault: Bridge) -> None:
    device = vault.joined_device()
    uplink(vault, device)
    request(vault, device, {"downlinks": [{"bytes": "AQ=="}, {"bytes": "Ag==", "correlationIDs": ["my:2"]}]})
    eventually("two downlinks in the queue", lambda: len(queue(vault, device)) == 2)
    before = session(vault, device)["session_key_id"]
    vault.things_stack.network.join(device.application_id, device.device_id)
    uplink(vault, device)
    assert session(vault, device)["session_key_id"] != before
    eventually("them in the queue again", lambda: len(queue(vault, device)) == 2, timeout=60)
    uplink(vault, device)
    uplink(vault, device)
    assert [payload for _, payload in received(vault, device)] == [b"\1", b"\2"]
    again = published_by_things_stack(vault, device, "downlink_queued")[-1]
    assert "my:2" in again["correlation_ids"]


def test_a_queue_whose_counter_the_network_used_up_arrives_under_higher_counters(vault: Bridge) -> None:
    device = vault.joined_device()
    uplink(vault, device)
    request(vault, device, {"downlinks": [{"bytes": "AQ=="}, {"bytes": "Ag=="}, {"bytes": "Aw=="}]})
    eventually("three downlinks in the queue", lambda: len(queue(vault, device)) == 3)
    used = [each["f_cnt"] for each in queue(vault, device)]
    vault.things_stack.network.invalidate_queue(device.application_id, device.device_id)
    eventually("them in the queue again", lambda: len(queue(vault, device)) == 3)
    assert min(each["f_cnt"] for each in queue(vault, device)) > max(used)
    for _ in range(3):
        uplink(vault, device)
    assert [payload for _, payload in received(vault, device)] == [b"\1", b"\2", b"\3"]
    eventually("an empty work queue", lambda: set(vault.dead_letters().values()) == {0})


def test_what_comes_twice_is_queued_again_once(vault: Bridge) -> None:
    device = vault.joined_device()
    uplink(vault, device)
    request(vault, device, {"bytes": "AQ=="})
    eventually("a downlink in the queue", lambda: len(queue(vault, device)) == 1)
    invalidated = vault.things_stack.network.invalidate_queue(device.application_id, device.device_id)
    assert invalidated is not None
    eventually("it in the queue again", lambda: len(queue(vault, device)) == 1)
    vault.things_stack.network.publish_raw(device.application_id, "downlink/invalidated", invalidated.body)
    # Once the repeated message went through the same queue as one that comes after it, it has been dealt with.
    request(vault, device, {"bytes": "Ag=="})
    eventually("the next downlink", lambda: len(queue(vault, device)) >= 2)
    drained(vault)
    uplink(vault, device)
    uplink(vault, device)
    uplink(vault, device)
    assert [payload for _, payload in received(vault, device)] == [b"\1", b"\2"]


def drained(bridge: Bridge) -> None:
    """Wait until the function requeue has worked off its queue."""
    sqs, url = bridge.aws.client("sqs"), bridge.outputs["queue_urls"]["requeue"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def empty() -> bool:
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return all(attributes[name] == "0" for name in names)

    eventually("an empty work queue", empty)


def test_a_downlink_without_an_answer_is_sent_again(vault: Bridge) -> None:
    device = vault.joined_device()
    uplink(vault, device)
    request(vault, device, {"bytes": "AQ==", "confirmed": True})
    eventually("a downlink in the queue", lambda: len(queue(vault, device)) == 1)
    uplink(vault, device)
    uplink(vault, device, ack=False)
    assert base64.b64decode(message(vault, device, "downlink/nack")["downlink_nack"]["frm_payload"]) == b"\1"
    eventually("it in the queue again", lambda: len(queue(vault, device)) == 1)
    uplink(vault, device)
    (first, second) = received(vault, device)
    assert second[1] == first[1] == b"\1"
    assert second[0] > first[0]


def test_counters_go_on_above_16_bits_in_both_directions(vault: Bridge) -> None:
    device = vault.joined_device()
    uplink(vault, device)
    vault.things_stack.network.set_frame_counters(
        device.application_id, device.device_id, f_cnt_up=65_600, f_cnt_down=65_700
    )
    uplink(vault, device, b"far up")
    body = vault.topics.wait_for(
        f"lorawan/{device.dev_eui}/uplink",
        lambda each: each.json()["uplink_message"].get("f_cnt", 0) >= 65_536,
        timeout=PATIENCE,
    ).json()
    assert base64.b64decode(body["uplink_message"]["frm_payload"]) == b"far up"
    request(vault, device, {"bytes": "AQ=="})
    eventually("a downlink in the queue", lambda: len(queue(vault, device)) == 1)
    uplink(vault, device)
    ((f_cnt, payload),) = received(vault, device)
    assert f_cnt >= 65_700
    assert payload == b"\1"


def test_a_device_that_joined_before_goes_on_as_it_was(vault: Bridge, joined_before: Device) -> None:
    request_before_anything_was_heard = {"thingName": "old", "bytes": "AQ=="}
    vault.create_thing("old", devEUI=joined_before.dev_eui, deviceID=joined_before.device_id)
    vault.aws.client("iot-data").publish(
        topic="lorawan/downlink", qos=1, payload=json.dumps(request_before_anything_was_heard).encode()
    )
    downlink = vault.topics.wait_for("lorawan/old/downlink/queued", timeout=PATIENCE).json()["downlink_queued"]
    assert downlink["frm_payload"] == "AQ=="
    uplink(vault, joined_before, b"as ever")
    body = vault.topics.wait_for("lorawan/old/uplink", timeout=PATIENCE).json()
    assert base64.b64decode(body["uplink_message"]["frm_payload"]) == b"as ever"
    assert [payload for _, payload in received(vault, joined_before)] == [b"\1"]
    # From its next join on its payloads are its own.
    vault.things_stack.network.join(joined_before.application_id, joined_before.device_id)
    uplink(vault, joined_before, b"from now on")
    (carried,) = published_by_things_stack(vault, joined_before, "uplink_message")[-1:]
    assert base64.b64decode(carried["frm_payload"]) != b"from now on"
    body = vault.topics.wait_for(
        "lorawan/old/uplink",
        lambda each: each.json()["uplink_message"].get("frm_payload") == "ZnJvbSBub3cgb24=",
        timeout=PATIENCE,
    )


def test_an_object_for_an_encoder_is_rejected(vault: Bridge) -> None:
    device = vault.joined_device()
    request(vault, device, {"payload": {"led": "on"}})
    answer = message(vault, device, "downlink/rejected")
    assert answer["field"] == "payload"
    assert "give bytes" in answer["reason"]


def test_a_device_that_never_joined_is_told_so(vault: Bridge) -> None:
    device = vault.new_device()
    vault.create_thing(device.dev_eui, devEUI=device.dev_eui, deviceID=device.device_id)
    request(vault, device, {"bytes": "AQ=="})
    assert "no_device_session" in message(vault, device, "downlink/rejected")["reason"]


def test_what_can_not_be_decrypted_is_recorded_and_goes_on_as_it_came(vault: Bridge) -> None:
    device = vault.joined_device()
    uplink(vault, device, b"lost?")
    message(vault, device, "uplink")
    (carried,) = published_by_things_stack(vault, device, "uplink_message")
    envelope = {"kek_label": "another-owners", "encrypted_key": carried["app_s_key"]["encrypted_key"]}
    strange = {
        "end_device_ids": {
            "device_id": device.device_id, "dev_eui": device.dev_eui, "dev_addr": "26000001",
            "application_ids": {"application_id": APPLICATION},
        },
        "uplink_message": {
            "session_key_id": "AAAA", "f_port": 2, "f_cnt": 7, "frm_payload": "q80=", "app_s_key": envelope,
        },
    }  # fmt: skip
    vault.things_stack.network.publish_raw(APPLICATION, "uplink", json.dumps(strange).encode())
    body = vault.topics.wait_for(
        f"lorawan/{device.dev_eui}/uplink",
        lambda each: each.json()["uplink_message"].get("f_cnt") == 7,
        timeout=PATIENCE,
    ).json()
    assert body == strange
    (entry,) = eventually(
        "the record", lambda: [each for each in vault.log(device.dev_eui) if each["event"] == "payload_not_decrypted"]
    )
    assert entry["kek_label"] == "another-owners"


# Many at once ------------------------------------------------------------------------------------------------------

RUSH = "rush-app"
RUSH_DEVICES, RUSH_REQUESTS = size((10, 300), (50, 10_000))


@pytest.fixture
def rush(vault: Bridge) -> tuple[list[Device], dict[str, str]]:
    """Devices of an application without an integration, so that the only work is the requests'; and the environment
    of the function `downlink`, with the stack's table and key encryption key.
    """
    secrets, things_stack = vault.aws.client("secretsmanager"), vault.things_stack
    kek = secrets.get_secret_value(SecretId=f"{NAME}/AppSKeyKEK")
    things_stack.create_application(RUSH)
    api_key = things_stack.create_api_key(RUSH)
    transport = Transport(
        cluster_address=things_stack.url,
        identity_server_address=things_stack.url,
        api_key=lambda _refresh: api_key,
        remaining_seconds=lambda: 30,
    )
    setup.configure(ThingsStackClient(RUSH, transport), kek["ARN"], kek["SecretString"], None)
    devices = [Device(RUSH, f"rush-{number}", f"A81758FFFE77{number:04X}") for number in range(RUSH_DEVICES)]
    for device in devices:
        things_stack.register_device(
            RUSH, device_id=device.device_id, dev_eui=device.dev_eui, join_eui=device.join_eui, app_key=APP_KEY
        )
        things_stack.network.join(RUSH, device.device_id)
        things_stack.network.uplink(RUSH, device.device_id)
    return devices, {
        **vault.aws.settings(),
        "STACK_NAME": NAME,
        "THINGS_LOG_GROUP": vault.outputs["things_log_group_name"],
        "CLUSTER_ADDRESS": things_stack.url,
        "IDENTITY_SERVER_ADDRESS": things_stack.url,
        "APPLICATION_ID": RUSH,
        "API_KEY_SECRET_ARN": secrets.create_secret(Name=RUSH, SecretString=api_key)["ARN"],
        "SESSIONS_TABLE": f"{NAME}-sessions",
        "KEY_ENCRYPTION_KEY_SECRET_ARN": kek["ARN"],
        "DOWNLINKS_TABLE": f"{NAME}-downlinks",
        "SENDING_QUEUE_URL": vault.outputs["queue_urls"]["sending"],
        "DOWNLINK": json.dumps(
            {"concurrency": 2, "hold_seconds": 0.5, "maximum_age_seconds": 3600, "rate_per_minute": None}
        ),
    }


def test_thousands_of_requests_at_once_use_no_counter_twice(
    vault: Bridge, rush: tuple[list[Device], dict[str, str]]
) -> None:
    devices, environment = rush
    rejected = downlink_rush.send(environment, {each.dev_eui: each.device_id for each in devices}, RUSH_REQUESTS)
    assert rejected == 0
    for index, device in enumerate(devices):
        waiting = queue(vault, device)
        counters = [each["f_cnt"] for each in waiting]
        assert counters == sorted(set(counters))
        key = session(vault, device)
        texts = [
            crypt_downlink(
                bytes.fromhex(key["app_s_key"]), key["dev_addr"], each["f_cnt"], base64.b64decode(each["frm_payload"])
            )
            for each in waiting
        ]
        assert sorted(int.from_bytes(each) for each in texts) == list(range(index, RUSH_REQUESTS, RUSH_DEVICES))


# What must stay secret ---------------------------------------------------------------------------------------------


def everything_logged(aws: LocalAws) -> Iterator[str]:
    logs = aws.client("logs")
    for group in [each["logGroupName"] for page in logs.get_paginator("describe_log_groups").paginate()
                  for each in page["logGroups"]]:  # fmt: skip
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
            yield from (event["message"] for event in page["events"])


def everything_in_things(bridge: Bridge) -> Iterator[str]:
    iot, data = bridge.aws.client("iot"), bridge.aws.client("iot-data")
    for page in iot.get_paginator("list_things").paginate():
        for thing in page["things"]:
            yield json.dumps(thing)
            try:
                yield (
                    data.get_thing_shadow(thingName=thing["thingName"], shadowName="lorawan")["payload"].read().decode()
                )
            except data.exceptions.ResourceNotFoundException:
                continue


def everything_in_the_table(bridge: Bridge) -> Iterator[str]:
    dynamodb = bridge.aws.client("dynamodb")
    for page in dynamodb.get_paginator("scan").paginate(TableName=f"{NAME}-sessions"):
        yield from (json.dumps(item, default=str) for item in page["Items"])


def test_no_key_is_in_a_log_a_topic_a_thing_the_table_or_the_state(vault: Bridge, vault_stack: Stack) -> None:
    device = vault.joined_device(app_key=PLANTED_APP_KEY)
    uplink(vault, device, b"hello")
    message(vault, device, "uplink")
    request(vault, device, {"bytes": "AQ==", "confirmed": True})
    message(vault, device, "downlink/queued")
    uplink(vault, device)
    message(vault, device, "downlink/sent")
    kek = vault.aws.client("secretsmanager").get_secret_value(SecretId=f"{NAME}/AppSKeyKEK")["SecretString"]
    api_key = vault.aws.client("secretsmanager").get_secret_value(SecretId=f"{NAME}/ApplicationAPIKey")["SecretString"]
    hidden = {"the KEK": kek, "the AppSKey": session(vault, device)["app_s_key"], "the AppKey": PLANTED_APP_KEY}
    needles = {"the API key": api_key}
    for name, key in hidden.items():
        raw = bytes.fromhex(key)
        needles |= {
            name: key.lower(),
            f"{name} in base64": base64.b64encode(raw).decode().rstrip("="),
            f"{name} as bytes": repr(raw)[2:-1],
        }
    places = {
        "a log": everything_logged(vault.aws),
        "a topic": (each.payload.decode(errors="replace") for each in vault.topics.messages("#")),
        "a thing": everything_in_things(vault),
        "the table": everything_in_the_table(vault),
        "the state": iter([(vault_stack.directory / "terraform.tfstate").read_text()]),
    }
    for place, texts in places.items():
        seen = 0
        for text in texts:
            seen += 1
            for what, needle in needles.items():
                assert needle not in text, f"{what} is in {place}"
                assert needle not in text.lower(), f"{what} is in {place}"
        assert seen, f"nothing was found in {place}"


def test_the_layer_needs_nothing_but_itself_and_the_lambda_runtime(vault_stack: Stack, tmp_path: Any) -> None:
    folder = vault_stack.directory / ".terraform" / "thingbridge"
    (layer,) = folder.rglob("*-layer.zip")
    (archive,) = (each for each in folder.rglob("*.zip") if each != layer)
    with zipfile.ZipFile(layer) as packed:
        packed.extractall(tmp_path / "opt")
    for name in PROVIDED_BY_LAMBDA:
        (tmp_path / name).symlink_to(Path(boto3.__file__).parents[1] / name)
    paths = [str(tmp_path / "opt" / "python"), str(archive), str(tmp_path)]
    flows = "thingbridge.flows.end_to_end_encryption"
    program = f"import sys; sys.path[:0] = {paths!r}; import handlers.requeue, {flows}.decryption, {flows}.downlinks"
    environment = {**FUNCTION_ENVIRONMENT, "SESSIONS_TABLE": "sessions", "KEY_ENCRYPTION_KEY_SECRET_ARN": "kek"}
    command = [sys.executable, "-S", "-I", "-c", program]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_the_key_encryption_key_is_an_aes_128_key_in_upper_case_hex_and_not_in_the_state(
    vault: Bridge, vault_stack: Stack
) -> None:
    key = vault.aws.client("secretsmanager").get_secret_value(SecretId=f"{NAME}/AppSKeyKEK")["SecretString"]
    assert len(bytes.fromhex(key)) == 16
    assert key == key.upper()
    assert key not in (vault_stack.directory / "terraform.tfstate").read_text()


@pytest.mark.soak
def test_a_second_plan_is_empty(vault_stack: Stack) -> None:
    assert vault_stack.plan_changes() == []
