"""The examples of events and messages: each is read by the code that it is for, and copies of one another agree."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests import events
from thingbridge.flows.configuration import Place
from thingbridge.flows.ingest.integration import Integration
from thingbridge.flows.sync import Tick
from thingbridge.messaging import downlink, upstream
from thingbridge.messaging.topics import UPSTREAM_EVENTS
from thingbridge.messaging.webhook import Publication, Request, admit
from thingbridge.registry import events as registry_events
from thingbridge.registry import work_items
from thingbridge.registry.sync import SyncMode
from thingbridge.shadow import delta, state

NAMES = sorted(str(path.relative_to(events.FOLDER).with_suffix("")) for path in events.FOLDER.rglob("*.json"))


def in_folder(folder: str) -> list[str]:
    return [name for name in NAMES if name.startswith(f"{folder}/")]


def published(output: dict[str, str]) -> Any:
    return json.loads(base64.b64decode(output["payload"]))


def test_there_is_an_example_of_every_kind_of_message() -> None:
    kinds = {kind for name in in_folder("things_stack") for kind in events.load(name)}
    assert UPSTREAM_EVENTS.keys() <= kinds


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("rule_output/upstream", "things_stack/uplink"),
        ("rule_output/downlink_request", "downlink_request/one"),
        ("rule_output/shadow_delta", "shadow/delta"),
    ],
)
def test_the_output_of_a_rule_contains_its_message(output: str, message: str) -> None:
    assert published(events.load(output)) == events.load(message)


@pytest.mark.parametrize(
    ("batch", "body"),
    [("sqs/registry_event", "registry/selected"), ("sqs/sync_tick", "scheduler/sync_tick")],
)
def test_a_record_of_sqs_contains_its_message(batch: str, body: str) -> None:
    (record,) = events.load(batch)["Records"]
    assert json.loads(record["body"]) == events.load(body)


def test_the_returned_downlinks_are_the_output_of_a_rule() -> None:
    (record,) = events.load("sqs/returned_downlinks")["Records"]
    message = upstream.parse(json.loads(record["body"]), "farm")
    assert message.event == "downlink/invalidated"
    assert message.body == events.load("things_stack/downlink_invalidated")


def test_the_deferred_shadow_write_names_a_thing_and_an_owner() -> None:
    (record,) = events.load("sqs/deferred_shadow_write")["Records"]
    assert json.loads(record["body"]).keys() == {"thing", "owner"}


def test_the_request_of_the_function_url_is_admitted_and_contains_its_message() -> None:
    request = Request.read(events.load("function_url/uplink"))
    admitted = admit(request, "farm")
    assert isinstance(admitted, Publication)
    assert admitted.topic == "thethings/lorawan/farm/uplink"
    assert json.loads(admitted.payload) == events.load("things_stack/uplink")


@pytest.mark.parametrize("name", in_folder("downlink_request"))
def test_a_downlink_request_is_read(name: str) -> None:
    request = downlink.receive(events.rule_output(events.load(name), "lorawan/tank-7/downlink/push"))
    assert downlink.parse(request)


@pytest.mark.parametrize("name", [name for name in in_folder("registry") if "thing_" in Path(name).name[:6]])
def test_a_registry_event_is_read(name: str) -> None:
    event = registry_events.parse(json.dumps(events.load(name)))
    assert (event.thing_name, event.operation.lower()) == ("tank-7", name.rpartition("_")[2])
    assert registry_events.belongs_to(event.attributes, "farm")


@pytest.mark.parametrize("name", [name for name in in_folder("registry") if "work_item" in name])
def test_a_work_item_is_read(name: str) -> None:
    item = work_items.parse(json.dumps(events.load(name)))
    assert item
    assert "tank-7" in (item.thing_name, item.device_id)


def test_a_tick_of_the_schedule_starts_a_run() -> None:
    (record,) = events.load("sqs/sync_tick")["Records"]
    tick = Tick.of_record(record)
    run = tick.run(SyncMode.APPLY, now=tick.sent_at)
    assert run
    assert (run.run_id, run.mode) == (record["messageId"], SyncMode.APPLY)


def test_the_shadow_has_the_state_that_the_uplink_reports() -> None:
    reported = state.metrics(events.load("things_stack/uplink"))
    assert events.load("shadow/document")["state"]["reported"] == reported
    assert delta.change(events.load("shadow/document"))


@pytest.mark.parametrize("name", in_folder("terraform"))
def test_an_invocation_by_terraform_names_its_resource(name: str) -> None:
    event = events.load(name)
    assert event["resource"] == name.rpartition("/")[2]
    # The others are invoked on create alone.
    assert ("tf" in event) == ("configuration" in event) == (f"parameters/{event['resource']}" in NAMES)
    assert ("attempt" in event) == ("tf" in event and event["resource"] != "check")
    assert event.get("tf", {"action": "create", "prev_input": None}).keys() == {"action", "prev_input"}


@pytest.mark.parametrize("name", in_folder("parameters"))
def test_what_terraform_writes_names_an_application_and_no_secret(name: str) -> None:
    wanted = Place.wanted(json.dumps(events.load(name)))
    assert wanted.application.host == "eu1.cloud.thethings.network"
    if name.endswith("integration"):
        assert Integration.read(wanted.settings).stack_name == "farm"
