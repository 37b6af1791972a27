"""Flow `registry` on an account in process and the simulation: what one message does.

What proves that a device may be deleted is in `test_proof`; orders of messages and failures at every step are in
tests/unit/histories.
"""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from handlers import composition
from local.things_stack import ThingsStack as Simulation
from tests import documents
from tests.unit.conftest import APPLICATION, AnswerWith
from tests.unit.invocation import ARN, Invocation
from thingbridge.aws.clients import Clients
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import Busy
from thingbridge.flows.registry.scrubbing import SETTLED_AFTER
from thingbridge.flows.registry.setbacks import PATIENCE
from thingbridge.registry.marks import Mark, Owner
from thingbridge.registry.work_items import WorkItem
from thingbridge.shadow.state import SHADOW_NAME

FARM = Owner.of_function(ARN, "farm")
GROUP = "/thethings/lorawan/farm/things"
EUI = "A81758FFFE0312AB"
DEVICE_ID = f"eui-{EUI.lower()}"
THING = {
    "devEUI": EUI,
    "stackName": "farm",
    "joinEUI": "A81758FFFE000001",
    "lorawanVersion": "1.0.3",
    "regionalParametersVersion": "1.0.3-a",
    "appKey": "0123456789ABCDEF0123456789ABCDEF",
}
SERVERS = ("identity", "join", "network", "application")
Handle = Callable[..., None]


@pytest.fixture
def handle(iot: Any, clients: Clients, simulation: Simulation) -> Handle:
    """Handle a message; `settings` are changes to the environment."""
    clients("logs").create_log_group(logGroupName=GROUP)
    key = clients("secretsmanager").create_secret(Name="key", SecretString=simulation.create_api_key(APPLICATION))
    for server in SERVERS:
        getattr(simulation.servers, server).devices.clear()
    environment = {
        "STACK_NAME": "farm",
        "THINGS_LOG_GROUP": GROUP,
        "CLUSTER_ADDRESS": simulation.url,
        "IDENTITY_SERVER_ADDRESS": simulation.url,
        "APPLICATION_ID": APPLICATION,
        "API_KEY_SECRET_ARN": key["ARN"],
        "THING_TYPE_NAME": "lorawan",
        "THING_NAME_SCHEME": "DevEUI",
        "DIRECTORY_TABLE": "farm-directory",
        "DEFAULT_FREQUENCY_PLAN_ID": "EU_863_870_TTN",
        "ON_THING_DELETED": "delete",
        "SCRUB_KEYS": "false",
        "LOOK_UPS_RATE": "1",
    }

    def handle(body: str, *, remaining: float = 30, **settings: str) -> None:
        composition.registry({**environment, **settings}, clients)(Invocation(remaining)).handle(body)

    return handle


def event(operation: str, attributes: dict[str, str] = THING, name: str = "barn") -> str:
    return json.dumps({"operation": operation, "thingName": name, "attributes": attributes})


def create(iot: Any, attributes: dict[str, str] = THING, name: str = "barn") -> None:
    iot.create_thing(thingName=name, thingTypeName="lorawan", attributePayload={"attributes": attributes})


def knowing(simulation: Simulation) -> list[str]:
    return [server for server in SERVERS if getattr(simulation.servers, server).devices]


def thing_id(iot: Any, name: str = "barn") -> str:
    return str(iot.describe_thing(thingName=name)["thingId"])


def status(clients: Clients) -> dict[str, Any]:
    return dict(Shadows(clients, SHADOW_NAME).reported("barn")["provisioning"])


def logged(clients: Clients, thing_name: str | None = "barn") -> list[tuple[str, str]]:
    return [(entry["level"], entry["event"]) for entry in ThingsLog(clients, GROUP).entries(thing_name)]


def test_the_creation_of_a_thing_creates_its_device_and_reports_it_on_the_thing(
    handle: Handle, iot: Any, clients: Clients, simulation: Simulation
) -> None:
    create(iot)
    handle(event("CREATED"))
    assert knowing(simulation) == list(SERVERS)
    device = simulation.servers.identity.devices[APPLICATION, DEVICE_ID]
    assert device["attributes"] == Mark.of("barn", THING, FARM, thing_id(iot)).attributes()
    assert status(clients)["state"] == "created"
    assert logged(clients) == [("INFO", "end_device_created")]


def test_a_new_thing_of_a_complete_device_reports_it_as_unchanged(handle: Handle, iot: Any, clients: Clients) -> None:
    create(iot)
    handle(event("CREATED"))
    iot.delete_thing(thingName="barn")
    handle(event("DELETED"), ON_THING_DELETED="retain")
    create(iot)
    handle(event("CREATED"))
    assert status(clients)["state"] == "unchanged"
    assert logged(clients)[-1] == ("INFO", "end_device_unchanged")


def test_the_change_of_a_thing_changes_the_settings_of_its_device(
    handle: Handle, iot: Any, clients: Clients, simulation: Simulation
) -> None:
    create(iot)
    handle(event("CREATED"))
    changed = {"attributes": {"frequencyPlanID": "EU_868_1"}, "merge": True}
    iot.update_thing(thingName="barn", attributePayload=changed)
    handle(event("UPDATED"))
    assert simulation.servers.network.devices[APPLICATION, DEVICE_ID]["frequency_plan_id"] == "EU_868_1"
    assert logged(clients)[1:] == [("INFO", "end_device_updated")]


@pytest.mark.parametrize(("choice", "servers"), [("delete", []), ("retain", list(SERVERS))])
def test_the_deletion_of_a_thing_deletes_or_retains_its_device(
    handle: Handle, iot: Any, clients: Clients, simulation: Simulation, choice: str, servers: list[str]
) -> None:
    create(iot)
    handle(event("CREATED"))
    iot.delete_thing(thingName="barn")
    handle(event("DELETED"), ON_THING_DELETED=choice)
    assert knowing(simulation) == servers
    assert logged(clients)[1:] == [("INFO", "end_device_deleted" if choice == "delete" else "end_device_retained")]


def test_a_shadow_that_takes_no_more_fails_neither_the_device_nor_the_event(
    handle: Handle, iot: Any, clients: Clients, simulation: Simulation, answer_with: AnswerWith
) -> None:
    answer_with("iot-data", "UpdateThingShadow", 413, "RequestEntityTooLargeException")
    create(iot)
    handle(event("CREATED"))
    assert knowing(simulation) == list(SERVERS)
    assert logged(clients) == [("ERROR", "shadow_not_written"), ("INFO", "end_device_created")]


def test_a_failure_that_a_full_shadow_can_not_hold_is_in_the_log(
    handle: Handle, iot: Any, clients: Clients, answer_with: AnswerWith
) -> None:
    answer_with("iot-data", "UpdateThingShadow", 413, "RequestEntityTooLargeException")
    create(iot, THING | {"appKey": "short"})
    handle(event("CREATED"))
    assert logged(clients) == [("ERROR", "end_device_not_synchronised"), ("ERROR", "shadow_not_written")]


@pytest.fixture
def scrubbing(clients: Clients) -> dict[str, str]:
    """The settings of a stack that removes used keys, and has a queue for that."""
    return {"SCRUB_KEYS": "true", "REGISTRY_QUEUE_URL": clients("sqs").create_queue(QueueName="registry")["QueueUrl"]}


def has_key(iot: Any) -> bool:
    return "appKey" in iot.describe_thing(thingName="barn")["attributes"]


def test_used_keys_are_removed_from_the_thing_some_time_after_its_device_is_complete(
    handle: Handle, iot: Any, clients: Clients, simulation: Simulation, scrubbing: dict[str, str]
) -> None:
    create(iot)
    handle(event("CREATED"), **scrubbing)
    assert knowing(simulation) == list(SERVERS)
    assert has_key(iot)
    delayed = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    waiting = clients("sqs").get_queue_attributes(QueueUrl=scrubbing["REGISTRY_QUEUE_URL"], AttributeNames=delayed)
    assert [waiting["Attributes"][name] for name in delayed] == ["0", "1"]
    handle(settled(iot), **scrubbing)
    assert not has_key(iot)


def test_keys_are_removed_only_after_every_invocation_that_was_under_way_has_ended() -> None:
    (timeout,) = re.findall(r"function_timeout = (\d+)", documents.read("modules/registry/main.tf"))
    assert 2 * int(timeout) <= SETTLED_AFTER


def settled(iot: Any) -> str:
    """The work item that was sent for the thing, when it arrives."""
    return WorkItem(thing_name="barn", thing_id=thing_id(iot)).body()


def test_keys_stay_on_a_thing_that_was_created_again_since_its_device_was_in_step(
    handle: Handle, iot: Any, scrubbing: dict[str, str]
) -> None:
    create(iot)
    handle(event("CREATED"), **scrubbing)
    former = settled(iot)
    iot.delete_thing(thingName="barn")
    create(iot)
    handle(former, **scrubbing)
    assert has_key(iot)


def test_keys_stay_on_a_thing_whose_device_had_to_be_completed(
    handle: Handle, iot: Any, simulation: Simulation, scrubbing: dict[str, str]
) -> None:
    create(iot)
    handle(event("CREATED"), **scrubbing)
    simulation.servers.application.devices.clear()
    handle(settled(iot), **scrubbing)
    assert (knowing(simulation), has_key(iot)) == (list(SERVERS), True)
    handle(settled(iot), **scrubbing)
    assert not has_key(iot)


def test_keys_are_removed_from_two_things_that_give_their_device_other_settings(
    handle: Handle, iot: Any, scrubbing: dict[str, str]
) -> None:
    """Each event and each work item of one of them changes what the other one has set."""
    plans = {"barn": "EU_863_870_TTN", "shed": "EU_868_1"}
    for name, plan in plans.items():
        create(iot, THING | {"frequencyPlanID": plan}, name)
        handle(event("CREATED", name=name), **scrubbing)
    for name in plans:
        handle(WorkItem(thing_name=name, thing_id=thing_id(iot, name)).body(), **scrubbing)
    things = [iot.describe_thing(thingName=name)["attributes"] for name in plans]
    assert ["appKey" in each for each in things] == [False, False]


def test_a_thing_of_another_stack_is_ignored(
    handle: Handle, iot: Any, clients: Clients, simulation: Simulation
) -> None:
    create(iot, {**THING, "stackName": "orchard"})
    handle(event("CREATED"))
    iot.delete_thing(thingName="barn")
    handle(event("DELETED", {**THING, "stackName": "orchard"}))
    assert knowing(simulation) == []
    assert logged(clients) == []


def test_a_bad_description_is_reported_on_the_thing_and_not_retried(
    handle: Handle, iot: Any, clients: Clients, simulation: Simulation
) -> None:
    create(iot, {**THING, "lorawanVersion": "9"})
    handle(event("CREATED"))
    assert knowing(simulation) == []
    assert (status(clients)["state"], status(clients)["step"]) == ("failed", "attributes")
    assert logged(clients) == [("ERROR", "end_device_not_synchronised")]


def test_a_busy_server_is_reported_as_retrying_and_raised(
    handle: Handle, iot: Any, clients: Clients, simulation: Simulation
) -> None:
    create(iot)
    simulation.faults.add(method="PUT", path="/ns/", status=503, times=1000)
    with pytest.raises(Busy):
        handle(event("CREATED"), remaining=1.2)
    assert (status(clients)["state"], status(clients)["step"]) == ("retrying", "Network Server")
    assert logged(clients) == [("WARN", "end_device_not_synchronised")]
    simulation.faults.clear()
    handle(event("CREATED"))
    assert knowing(simulation) == list(SERVERS)


def test_a_fault_of_this_product_is_reported_on_the_thing_and_raised(
    handle: Handle, iot: Any, clients: Clients, simulation: Simulation
) -> None:
    create(iot)
    # An answer without the ids that every device has.
    simulation.servers.identity.devices[APPLICATION, DEVICE_ID] = {"name": "no ids"}
    with pytest.raises(KeyError):
        handle(event("CREATED"))
    assert (status(clients)["state"], logged(clients)) == ("retrying", [("WARN", "end_device_not_synchronised")])
    assert status(clients)["reason"].startswith("unexpected KeyError at ")


def test_a_device_that_the_things_stack_fails_on_leaves_time_for_others(
    handle: Handle, iot: Any, simulation: Simulation
) -> None:
    create(iot)
    simulation.faults.add(method="POST", path="/devices", status=500, times=1000)
    began = time.monotonic()
    with pytest.raises(Busy):
        handle(event("CREATED"), remaining=150)
    assert time.monotonic() - began < PATIENCE + 1


def test_a_work_item_marks_the_device_of_a_thing_that_describes_none(
    handle: Handle, iot: Any, simulation: Simulation
) -> None:
    attributes = {"devEUI": EUI, "stackName": "farm"}
    create(iot, attributes)
    simulation.register_device(APPLICATION, device_id="tank-7", dev_eui=EUI, join_eui="A81758FFFE000001")
    handle(WorkItem(thing_name="barn").body())
    device = simulation.servers.identity.devices[APPLICATION, "tank-7"]
    assert device["attributes"] == Mark.of("barn", attributes, FARM, thing_id(iot)).attributes()


def test_a_device_of_another_stacks_thing_is_recorded_and_not_retried(
    handle: Handle, iot: Any, clients: Clients, simulation: Simulation
) -> None:
    create(iot, {"devEUI": EUI, "stackName": "orchard"})
    simulation.register_device(APPLICATION, device_id="tank-7", dev_eui=EUI, join_eui="A81758FFFE000001")
    handle(WorkItem(device_id="tank-7").body())
    assert logged(clients, None) == [("ERROR", "end_device_without_thing")]


@pytest.mark.parametrize("body", ["no JSON", "{}", '{"operation": "MOVED", "thingName": "barn"}'])
def test_a_message_that_can_not_be_read_is_recorded_and_not_retried(
    handle: Handle, clients: Clients, body: str
) -> None:
    handle(body)
    assert logged(clients, None) == [("ERROR", "event_not_readable")]
