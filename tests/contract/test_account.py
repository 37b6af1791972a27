"""What only an account shows for certain, on the stack that `make e2e-account` has applied to it.

Played before the whole (test_whole.py), whose last test destroys the stack. Nothing here knows which AWS it is: the
suite itself is tested on a local one (tests/e2e/test_account.py). What each test shows is in docs/aws.md.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from cli.app import app
from tests.contract.subject import Application, eventually
from tests.contract.whole import Bridge

pytestmark = pytest.mark.xdist_group("contract")

LATER = ("messages", "queue", "comparison")
"""What the doctor finds of messages that the tests themselves plant."""
TOKEN, SIGNATURE = "X-Thingbridge-Token", "X-Amz-Customauthorizer-Signature"


@pytest.fixture(scope="session")
def outputs(bridge: Bridge) -> dict[str, Any]:
    return bridge.stack().output()


def command(bridge: Bridge, *words: str) -> Any:
    """What `thingbridge … --json` prints, as in a shell that is configured for the account."""
    done = CliRunner(env={"THINGBRIDGE_STACK": bridge.place.stack_name}).invoke(app, [*words, "--json"])
    return json.loads(done.stdout)


def logged(bridge: Bridge, group: str) -> list[dict[str, Any]]:
    """The entries of a log group that are objects."""
    pages = bridge.place.clients("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    lines = [event["message"].strip() for page in pages for event in page["events"]]
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_an_apply_right_after_the_first_one_changes_nothing(
    bridge: Bridge, record_property: Callable[[str, object], None]
) -> None:
    changes = [str(each) for each in bridge.stack().plan_changes()]
    alarms = [each for each in changes if ".aws_cloudwatch_metric_alarm." in each]
    # An emulator may describe alarms by halves: on an account, the report has to show none.
    record_property("alarms that differ", alarms)
    assert [each for each in changes if each not in alarms] == []


def test_the_events_of_things_are_enabled_and_the_type_is_searchable(bridge: Bridge) -> None:
    iot = bridge.place.clients("iot")
    assert iot.describe_event_configurations()["eventConfigurations"]["THING"]["Enabled"]
    described = iot.describe_thing_type(thingTypeName=bridge.place.thing_type)["thingTypeProperties"]
    assert sorted(described["searchableAttributes"]) == ["devEUI", "deviceID", "stackName"]


def test_every_alarm_of_the_plan_exists(bridge: Bridge) -> None:
    planned = {each for each in bridge.stack().resources() if ".aws_cloudwatch_metric_alarm." in each}
    assert planned
    paginator = bridge.place.clients("cloudwatch").get_paginator("describe_alarms")

    def found() -> int:
        return sum(len(page["MetricAlarms"]) for page in paginator.paginate(AlarmNamePrefix=bridge.place.stack_name))

    eventually(lambda: found() == len(planned), bridge.place.patience)


def test_an_uplink_is_in_the_shadow(bridge: Bridge) -> None:
    device = bridge.settled()
    eventually(lambda: {"lastSeen", "rssi"} <= bridge.shadow(device.dev_eui).keys(), bridge.place.patience)


def test_a_write_of_a_shadow_by_an_old_version_is_refused(bridge: Bridge) -> None:
    device, data = bridge.device(), bridge.place.clients("iot-data")
    bridge.create_thing(device.dev_eui, devEUI=device.dev_eui, deviceID=device.id)
    shadow = {"thingName": device.dev_eui, "shadowName": "versions"}
    for number in range(2):
        data.update_thing_shadow(**shadow, payload=json.dumps({"state": {"reported": {"n": number}}}))
    with pytest.raises(ClientError) as refused:
        data.update_thing_shadow(**shadow, payload=json.dumps({"state": {"reported": {"n": 3}}, "version": 1}))
    data.delete_thing_shadow(**shadow)
    assert refused.value.response["Error"]["Code"] == "ConflictException"


def test_the_doctor_finds_nothing_wrong(bridge: Bridge) -> None:
    found = [each for each in command(bridge, "doctor") if not each["ok"]]
    assert [each for each in found if not each["what"].startswith(LATER)] == []


def test_a_message_that_failed_is_listed_and_replayed(bridge: Bridge, outputs: dict[str, Any]) -> None:
    device = bridge.device()
    body = {"end_device_ids": {"device_id": device.id, "dev_eui": device.dev_eui}, "uplink_message": {"f_port": 7}}
    letter = {
        "ruleName": f"{bridge.place.stack_name.replace('-', '_')}_upstream",
        "topic": f"thethings/lorawan/{bridge.place.stack_name}/uplink",
        "base64OriginalPayload": base64.b64encode(json.dumps(body).encode()).decode(),
        "failures": [{"failedAction": "LambdaAction", "errorMessage": "planted"}],
    }
    queue = outputs["queue_urls"]["upstream_failures"]
    bridge.place.clients("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(letter))
    listed: list[Any] = []

    def seen() -> bool:
        listed[:] = command(bridge, "failures", "list", "upstream_failures")["groups"]
        return bool(listed)

    eventually(seen, bridge.place.patience)
    assert device.id in listed[0]["subjects"]
    assert command(bridge, "failures", "replay", "upstream_failures")["replayed"] == 1
    bridge.take(device, "uplink")


def test_the_registries_are_in_step(bridge: Bridge) -> None:
    found = command(bridge, "sync")
    assert found["mode"] in ("apply", "report"), found


def test_no_function_has_logged_an_error(bridge: Bridge, outputs: dict[str, Any]) -> None:
    for name in outputs["function_names"].values():
        if name:
            entries = logged(bridge, f"/aws/lambda/{name}")
            assert [each for each in entries if each.get("level") == "ERROR" or "errorMessage" in each] == []


def webhook(application: Application) -> dict[str, Any]:
    """The headers of the application's only webhook."""
    path = f"/as/webhooks/{application.id}"
    (listed,) = application.json("GET", path)["webhooks"]
    id_ = listed["ids"]["webhook_id"]
    return dict(application.json("GET", f"{path}/{id_}", query={"field_mask": "headers"})["headers"])


@pytest.fixture
def by_iot_core(bridge: Bridge) -> Iterator[None]:
    """The stack with the receiver `iot_core`; the tests that follow have the one that it had before."""
    bridge.stack(ingest={"mode": "webhook", "webhook": {"receiver": "iot_core"}}).apply()
    yield
    bridge.stack().apply()


@pytest.mark.usefixtures("by_iot_core")
def test_aws_iot_core_itself_receives_what_carries_a_signed_token(bridge: Bridge) -> None:
    bridge.settled()
    headers, iot = webhook(bridge.application), bridge.place.clients("iot")

    def admitted(token: str) -> bool:
        name, signature = f"{bridge.place.stack_name}-webhook", headers[SIGNATURE]
        try:
            answer = iot.test_invoke_authorizer(authorizerName=name, token=token, tokenSignature=signature)
        except ClientError:
            return False
        return bool(answer["isAuthenticated"])

    assert admitted(headers[TOKEN])
    assert not admitted(f"{headers[TOKEN]}x")
