"""Queues: one bad device holds up no other, nothing secret waits in them, and dead letters are replayed."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.app import app
from local import inspection
from local.aws import LocalAws
from tests.e2e.conftest import Bridge, Device
from tests.e2e.polling import eventually
from tests.e2e.test_registry import ALL_SERVERS, create
from tests.e2e.test_sync import tick

PLANTED = "FEEDFACECAFEBEEF0123456789ABCDEF"
"""A root key that may be on its thing and at The Things Stack, and nowhere else."""

SECONDS = 15.0
"""Within which nine devices are created beside one that The Things Stack fails on."""


@contextmanager
def paused(bridge: Bridge, function: str) -> Iterator[None]:
    """The function receives nothing from its queue."""
    client = bridge.aws.client("lambda")
    name = bridge.outputs["function_names"][function]
    (mapping,) = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@contextmanager
def rule_without_its_queue(bridge: Bridge) -> Iterator[None]:
    """The rule of registry events sends to a queue that does not exist."""
    client, name = bridge.aws.client("iot"), f"{bridge.name}_registry"
    rule = client.get_topic_rule(ruleName=name)["rule"]
    payload = {key: value for key, value in rule.items() if key not in ("ruleName", "createdAt")}
    broken = json.loads(json.dumps(payload).replace(f"{bridge.name}-registry", f"{bridge.name}-gone"))
    # The error action is the function of the same name.
    broken["errorAction"] = payload["errorAction"]
    client.replace_topic_rule(ruleName=name, topicRulePayload=broken)
    try:
        yield
    finally:
        client.replace_topic_rule(ruleName=name, topicRulePayload=payload)


@contextmanager
def one_attempt(bridge: Bridge, queue: str) -> Iterator[None]:
    """What fails in the queue once becomes a dead letter."""
    sqs, url = bridge.aws.client("sqs"), bridge.outputs["queue_urls"][queue]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    once = json.dumps({**json.loads(policy), "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": once})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})


def peek(bridge: Bridge, queue: str) -> list[str]:
    """The bodies of up to ten messages, which stay in the queue."""
    answer = bridge.aws.client("sqs").receive_message(
        QueueUrl=bridge.outputs["queue_urls"][queue], MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [message["Body"] for message in answer.get("Messages", [])]


def failures(bridge: Bridge, *arguments: str) -> Any:
    """`thingbridge failures … --json` for the stack, as in a shell that leads to this AWS."""
    environment = {**bridge.aws.settings(), "THINGBRIDGE_STACK": bridge.name}
    done = CliRunner(env=environment).invoke(app, ["failures", *arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert PLANTED not in done.output
    return json.loads(done.stdout)


def everything_logged(aws: LocalAws) -> str:
    """Every line of every log group of the account."""
    logs = aws.client("logs")
    groups = [
        each["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for each in page["logGroups"]
    ]
    pages = (page for group in groups for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group))
    return "\n".join(event["message"] for page in pages for event in page["events"])


@pytest.fixture
def fail_for(farm: Bridge) -> Callable[..., None]:
    """Have the Network Server fail for one device, until the faults are cleared."""

    def fail(device: Device, *, status: int = 500) -> None:
        path = f"/ns/applications/.*/{device.device_id}$"
        farm.things_stack.faults.add(method="PUT", path=path, status=status, times=10_000)

    return fail


def test_a_device_that_the_things_stack_fails_on_does_not_hold_up_the_nine_others_of_its_batch(
    farm: Bridge, fail_for: Callable[..., None]
) -> None:
    bad, *others = [farm.new_device(registered=False) for _ in range(10)]
    fail_for(bad)
    with paused(farm, "registry"):
        for device in (bad, *others):
            create(farm, device, f"ten-{device.device_id}")
        # Counted, not received: with each time that a message is received, the pause after a failure is longer.
        url = farm.outputs["queue_urls"]["registry"]
        eventually("ten events", lambda: inspection.queues(farm.aws, {"registry": url}) == {"registry": 10})
    began = time.monotonic()
    eventually(
        "nine devices",
        lambda: all(farm.on_servers(each.device_id) == ALL_SERVERS for each in others),
        timeout=SECONDS,
    )
    seconds = time.monotonic() - began
    assert farm.on_servers(bad.device_id) != ALL_SERVERS, seconds
    farm.things_stack.faults.clear()
    # After a pause of five seconds; a second one takes thirty.
    eventually("the tenth", lambda: farm.on_servers(bad.device_id) == ALL_SERVERS, timeout=90)


def test_no_key_is_in_a_queue_a_log_or_a_shadow_whichever_hop_fails(
    farm: Bridge, fail_for: Callable[..., None]
) -> None:
    devices = [farm.new_device(registered=False) for _ in range(4)]
    waiting, unqueued, refused, lost = devices
    names = [f"planted-{device.device_id}" for device in devices]
    seen: list[str] = []

    with paused(farm, "registry"):
        create(farm, waiting, names[0], appKey=PLANTED)
        seen += eventually("the event", lambda: peek(farm, "registry"))
    assert json.loads(seen[0]) == {
        "operation": "CREATED",
        "thingName": names[0],
        "devEUI": waiting.dev_eui,
        "deviceID": waiting.device_id,
        "stackName": farm.name,
    }

    with rule_without_its_queue(farm):
        create(farm, unqueued, names[1], appKey=PLANTED)
        eventually("a device whose event has no queue", lambda: farm.on_servers(unqueued.device_id) == ALL_SERVERS)
        fail_for(lost, status=501)  # which the client does not repeat
        create(farm, lost, names[3], appKey=PLANTED)
        eventually("its failure", lambda: farm.log(names[3]), timeout=90)

    fail_for(refused)
    with one_attempt(farm, "registry"):
        create(farm, refused, names[2], appKey=PLANTED)
        letters = eventually("a dead letter", lambda: peek(farm, "registry_dead_letters"), timeout=60)
    assert [json.loads(each)["thingName"] for each in letters] == [names[2]]
    seen += letters

    for queue, url in farm.outputs["queue_urls"].items():
        seen += peek(farm, queue) if url else []
    seen += [json.dumps(farm.shadow(name)) for name in names]
    seen.append(everything_logged(farm.aws))
    assert names[3] in seen[-1]
    assert PLANTED not in "\n".join(seen)

    (group,) = failures(farm, "list", "registry_dead_letters")["groups"]
    assert (group["count"], group["subjects"]) == (1, [names[2]])
    assert "500" in group["cause"]
    farm.things_stack.faults.clear()
    assert failures(farm, "replay", "registry_dead_letters") == {"replayed": 1, "failed": []}
    eventually("the dead letter's device", lambda: farm.on_servers(refused.device_id) == ALL_SERVERS)
    assert not peek(farm, "registry_dead_letters")


def test_a_message_that_no_function_was_invoked_with_is_replayed_to_it(farm: Bridge) -> None:
    device = farm.new_device()
    body = {
        "end_device_ids": {"device_id": device.device_id, "dev_eui": device.dev_eui},
        "uplink_message": {"f_port": 7},
    }
    letter = {
        "ruleName": f"{farm.name}_upstream",
        "topic": f"thethings/lorawan/{farm.name}/uplink",
        "base64OriginalPayload": base64.b64encode(json.dumps(body).encode()).decode(),
        "failures": [{"failedAction": "LambdaAction", "errorMessage": "Rate exceeded"}],
    }
    queue = farm.outputs["queue_urls"]["upstream_failures"]
    farm.aws.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(letter))
    (group,) = failures(farm, "list", "upstream_failures")["groups"]
    assert (group["subjects"], group["cause"]) == (
        [device.device_id],
        f"rule {farm.name}_upstream: LambdaAction: Rate exceeded",
    )
    assert failures(farm, "replay", "upstream_failures")["replayed"] == 1
    eventually("the thing of the message", lambda: farm.shadow(device.dev_eui))
    assert not peek(farm, "upstream_failures")


def test_a_run_that_fails_makes_way_at_once(farm: Bridge) -> None:
    # 501 is not retried by the client.
    farm.things_stack.faults.add(method="GET", path=f"/applications/{farm.application_id}/devices$", status=501)
    group = f"/aws/lambda/{farm.outputs['function_names']['sync']}"
    before = {None, *(each.get("run") for each in logged_events(farm.aws, group))}
    tick(farm)
    began = time.monotonic()

    def of_the_run() -> list[str]:
        return [each["event"] for each in logged_events(farm.aws, group) if each.get("run") not in before]

    eventually("the end of the second attempt", lambda: "synchronised" in of_the_run(), timeout=60)
    assert time.monotonic() - began > 4
    assert of_the_run() == ["sync_begins", "sync_failed", "sync_begins", "synchronised"]


def logged_events(aws: LocalAws, group: str) -> list[dict[str, Any]]:
    """The function's own entries, oldest first."""
    return [json.loads(each) for each in logged_by(aws, group)]


def logged_by(aws: LocalAws, group: str) -> list[str]:
    """The function's own lines, oldest first."""
    pages = aws.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    entries: list[dict[str, Any]] = [event for page in pages for event in page["events"]]
    lines = sorted(entries, key=lambda each: each["timestamp"])
    return [line["message"].strip() for line in lines if line["message"].startswith("{")]
