"""The meter: which events a stack is charged for, and as what."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.costs import metering as rules
from cli.costs.prices import Item
from local import metering
from local.metering import UPLINKS, Meter, capability_of, usage

KB = 1024
ROLE = "arn:aws:sts::000000000000:assumed-role/Farm-upstream-eu-west-1/session"


def request(operation: str, *, by: str = ROLE, size: int = 100, path: str = "/", **more: Any) -> dict[str, Any]:
    return {"kind": "request", "operation": operation, "by": by, "path": path, "bytes": size, "status": 200, **more}


def invocation(function: str = "Farm-upstream", *, processor_ms: float | None = 2.0, **more: Any) -> dict[str, Any]:
    usual = {"milliseconds": 9.0, "memory_mb": 512, "architecture": "arm64", "cold": False, "failed": False}
    logged = {"log_bytes": 0, "log_entries": 0, "system_log_level": "INFO"}
    return {"kind": "invocation", "function": function, "processor_ms": processor_ms, **usual, **logged, **more}


def units(*events: dict[str, Any]) -> dict[tuple[str, Item], float]:
    return usage(events, "Farm").quantities


def meter(directory: Path, *events: dict[str, Any], capabilities: tuple[str, ...] = ()) -> Meter:
    file = directory / "records.jsonl"
    file.write_text("".join(json.dumps({"at": 100.0, **event}) + "\n" for event in events))
    return Meter(file, "Farm", capabilities)


def test_a_stack_is_charged_for_what_its_functions_rules_and_queues_do_and_for_what_is_sent_to_it(
    tmp_path: Path,
) -> None:
    own = [
        request("iot:Publish", path="/topics/lorawan/x/uplink"),
        {"kind": "mqtt", "topic": "thethings/lorawan/Farm/uplink", "bytes": 9, "client": "tts"},
        request("iot:Publish", by="", path="/topics/thethings/lorawan/Farm/uplink"),
        {"kind": "rule", "rule": "Farm_upstream", "bytes": 9},
        {"kind": "action", "rule": "Farm_upstream", "action": "lambda", "bytes": 9},
        invocation(),
        {"kind": "mapping", "operation": "ReceiveMessage", "queue": "http://x/0/Farm-sync.fifo", "messages": 1},
    ]
    others = [
        request("iot:Publish", by="arn:aws:iam::000000000000:root"),
        request("iot:Publish", by=ROLE.replace("Farm-", "Farmer-")),
        {**request("iot:UpdateThingShadow"), "status": 403},
        {"kind": "mqtt", "topic": "thethings/lorawan/Farmer/uplink", "bytes": 9, "client": "tts"},
        request("iot:Publish", by="", path="/topics/thethings/lorawan/Farmer/uplink"),
        {"kind": "rule", "rule": "Farmer_upstream", "bytes": 9},
        invocation("orchard-upstream"),
        {"kind": "mapping", "operation": "ReceiveMessage", "queue": "http://x/0/orchard-sync.fifo", "messages": 1},
    ]
    counted = meter(tmp_path, *own, *others).since(0)
    assert [{name: each[name] for name in each if name != "at"} for each in counted] == own


def test_only_some_capabilities_can_be_counted(tmp_path: Path) -> None:
    registry = [invocation("Farm-registry"), {"kind": "rule", "rule": "Farm_registry", "bytes": 9}]
    assert meter(tmp_path, *registry, invocation(), capabilities=UPLINKS).since(0) == [{"at": 100.0, **invocation()}]


def test_what_is_not_completely_written_waits(tmp_path: Path) -> None:
    counted = meter(tmp_path, invocation())
    mark = counted.mark()
    with counted.records.open("a") as file:
        file.write(json.dumps({"at": 1.0, **invocation()}) + '\n{"kind": "invoc')
    assert len(counted.since(0)) == 2
    assert len(counted.since(mark)) == 1


def test_a_stack_is_quiet_when_its_last_event_is_old(tmp_path: Path) -> None:
    assert meter(tmp_path, invocation()).is_quiet(5)
    assert not meter(tmp_path, {**invocation(), "at": 1e12}).is_quiet(5)


@pytest.mark.parametrize(
    ("stack", "name", "expected"),
    [("Farm", "Farm-upstream", "upstream"), ("my-farm", "my-farm-webhook", "webhook"), ("Farm", "Farmer-sync", None)],
)
def test_the_capability_is_in_the_name(stack: str, name: str, expected: str | None) -> None:
    assert capability_of(invocation(name), stack) == expected
    assert capability_of({"kind": "rule", "rule": name.replace("-", "_")}, stack) == expected
    assert capability_of({"kind": "mapping", "queue": f"http://x/0/{name}.fifo"}, stack) == expected


def test_messages_are_counted_by_five_kilobytes_and_by_mqtt_with_their_topic() -> None:
    topic = "thethings/lorawan/Farm/uplink"
    sent = {"kind": "mqtt", "topic": topic, "bytes": 5 * KB - len(topic), "client": "tts"}
    assert units(sent) == {("message in", Item.IOT_MESSAGE): 1}
    assert units({**sent, "bytes": sent["bytes"] + 1}) == {("message in", Item.IOT_MESSAGE): 2}
    out = request("iot:Publish", path="/topics/lorawan/x/uplink", size=5 * KB)
    assert units(out) == {("message out", Item.IOT_MESSAGE): 1}
    webhook = request("iot:Publish", path="/topics/thethings/lorawan/Farm/uplink", size=5 * KB + 1)
    assert units(webhook) == {("message in", Item.IOT_MESSAGE): 2}


@pytest.mark.parametrize("prefix", ["$aws/rules/", "%24aws%2Frules%2F"])
def test_basic_ingest_is_not_counted_as_a_message(prefix: str) -> None:
    assert units(request("iot:Publish", path=f"/topics/{prefix}Farm_upstream/thethings/lorawan/Farm/uplink")) == {}


def test_operations_on_shadows_and_things_are_counted_by_one_kilobyte_unless_they_are_free() -> None:
    assert units(request("iot:UpdateThingShadow", size=KB + 1)) == {("shadow", Item.IOT_OPERATION): 2}
    assert units(request("iot:CreateThing")) == {("registry", Item.IOT_OPERATION): 1}
    assert units(request("iot:DeleteThing")) == {}


def test_the_units_of_a_table_are_those_that_it_consumed() -> None:
    assert units(request("dynamodb:UpdateItem", units=3.0), request("dynamodb:GetItem", units=0.5)) == {
        ("shadow", Item.DYNAMODB_WRITE): 3.0,
        ("shadow", Item.DYNAMODB_READ): 0.5,
    }
    known = request("dynamodb:GetItem", units=0.5, table="Farm-directory")
    assert units(known) == {("directory", Item.DYNAMODB_READ): 0.5}


def test_a_row_that_a_rule_writes_is_charged_by_one_kilobyte() -> None:
    action = {"kind": "action", "rule": "Farm_downlink", "action": "dynamoDBv2", "bytes": KB + 1}
    assert units(action, request("dynamodb:DeleteItem", units=2.0, table="Farm-downlinks")) == {
        ("rule and action", Item.IOT_ACTION): 1,
        ("downlinks", Item.DYNAMODB_WRITE): 4.0,
    }


def test_a_write_whose_condition_does_not_hold_is_charged(tmp_path: Path) -> None:
    refused = {**request("dynamodb:UpdateItem", error="ConditionalCheckFailedException"), "status": 400}
    invalid = {**request("dynamodb:UpdateItem", error="ValidationException"), "status": 400}
    events = meter(tmp_path, refused, invalid).since(0)
    assert usage(events, "Farm").quantities == {("shadow", Item.DYNAMODB_WRITE): 1.0}


def test_requests_to_queues_are_counted_by_64_kilobytes_whoever_makes_them() -> None:
    queue = "http://127.0.0.1:1/000000000000/Farm-shadow"
    assert units(
        request("sqs:SendMessage", size=65 * KB, queue=queue),
        {"kind": "mapping", "operation": "ReceiveMessage", "queue": queue, "messages": 3, "bytes": 9},
        {"kind": "mapping", "operation": "DeleteMessageBatch", "queue": queue, "messages": 3},
        {"kind": "action", "rule": "Farm_upstream", "action": "sqs", "bytes": 65 * KB},
        request("sqs:SendMessage", queue=f"{queue.replace('shadow', 'sync')}.fifo"),
    ) == {
        ("shadow", Item.SQS_REQUEST): 4,
        ("rule and action", Item.IOT_ACTION): 13,
        ("queue upstream", Item.SQS_REQUEST): 2,
        ("queue sync", Item.SQS_FIFO_REQUEST): 1,
    }


def test_an_invocation_costs_a_request_its_duration_on_aws_and_what_lambda_logs() -> None:
    # The message is published while the shadow is written: both are waited for once, after the directory.
    asked = request("dynamodb:GetItem", units=0.5, table="Farm-directory")
    calls = [asked, request("iot:UpdateThingShadow"), request("iot:Publish", path="/topics/lorawan/x/uplink")]
    counted = units(invocation(), *calls, invocation(processor_ms=500.0, cold=True), *calls)
    assert counted["function upstream", Item.LAMBDA_REQUEST] == 2
    duration = rules.duration_on_aws(2.0, 2, 512)
    assert counted["function upstream", Item.LAMBDA_ARM64] == pytest.approx(2 * rules.gb_seconds(duration, 512))
    assert counted["logs", Item.LOG_GB] == pytest.approx(2 * rules.platform_log_gb("INFO"))


def test_an_invocation_that_succeeds_logs_nothing_unless_its_system_logs_have_the_level_info() -> None:
    assert units(invocation(system_log_level="WARN"))["logs", Item.LOG_GB] == 0
    assert units(invocation(system_log_level="INFO"))["logs", Item.LOG_GB] > 0


def test_without_the_processor_time_the_time_that_passed_counts() -> None:
    assert metering.duration([invocation(processor_ms=None)], "Farm", "upstream") == pytest.approx(
        rules.duration_on_aws(9.0, 0, 512)
    )


def test_entries_of_a_log_are_counted_with_their_overhead() -> None:
    own, things = invocation(log_bytes=974, log_entries=1), request("logs:PutLogEvents", entries=2, entry_bytes=948)
    gb = units(own, things)["logs", Item.LOG_GB] - rules.platform_log_gb("INFO")
    assert gb * KB**3 == pytest.approx(2000)
