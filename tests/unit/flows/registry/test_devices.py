"""A device for which the synchronisation found no thing, with both sides as they are when it is looked after."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from thingbridge.settings import OnThingDeleted, RegistrySettings, ThingNameScheme

from handlers import devices_without_thing
from local.things_stack import ThingsStack as Simulation
from thingbridge.errors import Refused
from thingbridge.registry.marks import Mark
from thingbridge.things_stack.client import ThingsStack

APPLICATION = "farm-app"
GROUP = "things"
EUI = "A81758FFFE0312AB"


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    with Simulation(port=0) as running:
        running.create_application(APPLICATION)
        running.register_device(APPLICATION, device_id="tank-7", dev_eui=EUI, join_eui="A81758FFFE000001")
        yield running
        running.assert_no_violations()


def settings(simulation: Simulation, choice: OnThingDeleted = OnThingDeleted.DELETE) -> RegistrySettings:
    return RegistrySettings(
        stack_name="farm",
        things_log_group=GROUP,
        cluster_address=simulation.url,
        identity_server_address=simulation.url,
        application_id=APPLICATION,
        api_key_secret_arn="key",
        thing_type_name="lorawan",
        thing_name_scheme=ThingNameScheme.DEV_EUI,
        default_frequency_plan_id="EU_863_870_TTN",
        on_thing_deleted=choice,
        scrub_keys=False,
    )


@pytest.fixture
def settle(iot: Any, simulation: Simulation) -> Iterator[Any]:
    boto3.client("logs").create_log_group(logGroupName=GROUP)
    key = simulation.create_api_key(APPLICATION)
    client = ThingsStack(
        cluster_address=simulation.url,
        identity_server_address=simulation.url,
        application_id=APPLICATION,
        api_key=lambda _refresh: key,
        remaining_seconds=lambda: 5.0,
    )

    def run(choice: OnThingDeleted = OnThingDeleted.DELETE, device_id: str = "tank-7") -> None:
        devices_without_thing.settle(device_id, settings(simulation, choice), client)

    yield run
    devices_without_thing._pace.cache_clear()


def attributes_of(simulation: Simulation) -> dict[str, str]:
    return dict(simulation.servers.identity.devices[APPLICATION, "tank-7"].get("attributes", {}))


def mark(simulation: Simulation, mark: Mark) -> None:
    simulation.servers.identity.devices[APPLICATION, "tank-7"]["attributes"] = mark.attributes()


def thing(iot: Any, name: str, stack_name: str = "farm") -> None:
    attributes = {"devEUI": EUI, "stackName": stack_name}
    iot.create_thing(thingName=name, thingTypeName="lorawan", attributePayload={"attributes": attributes})


def names(iot: Any) -> list[str]:
    return [each["thingName"] for each in iot.list_things()["things"]]


def events(stream: str) -> list[str]:
    logs = boto3.client("logs")
    found = logs.get_log_events(logGroupName=GROUP, logStreamName=stream)["events"]
    return [json.loads(event["message"])["event"] for event in found]


def test_a_new_device_gets_its_thing_and_the_mark_that_is_in_step_with_it(
    settle: Any, simulation: Simulation, iot: Any
) -> None:
    settle()
    made = iot.describe_thing(thingName=EUI)
    assert attributes_of(simulation) == Mark.of(EUI, made["attributes"], "farm").attributes()
    settle()
    assert names(iot) == [EUI]
    assert events(EUI) == ["end_device_marked"]


def test_a_thing_that_a_user_named_meanwhile_is_taken(settle: Any, simulation: Simulation, iot: Any) -> None:
    thing(iot, "barn")
    settle()
    assert names(iot) == ["barn"]
    assert attributes_of(simulation)["aws-iot-thing"] == "barn"


def test_a_marked_device_follows_its_deleted_thing(settle: Any, simulation: Simulation) -> None:
    mark(simulation, Mark("barn", "farm", ""))
    settle()
    assert not simulation.servers.identity.devices
    assert not simulation.servers.network.devices
    assert events("barn") == ["end_device_deleted"]


def test_a_marked_device_is_retained_where_the_stack_wants_it(settle: Any, simulation: Simulation, iot: Any) -> None:
    mark(simulation, Mark("barn", "farm", ""))
    settle(OnThingDeleted.RETAIN)
    assert attributes_of(simulation)["aws-iot-thing"] == "barn"
    assert names(iot) == []
    assert events("barn") == ["end_device_retained"]


@pytest.mark.parametrize("name", ["barn", "shed"])
def test_a_device_whose_thing_is_there_after_all_is_kept(
    settle: Any, simulation: Simulation, iot: Any, name: str
) -> None:
    mark(simulation, Mark("barn", "farm", ""))
    thing(iot, name)
    settle()
    assert attributes_of(simulation)["aws-iot-thing"] == name


def test_a_device_with_another_stacks_mark_is_new_to_this_one(settle: Any, simulation: Simulation, iot: Any) -> None:
    foreign = Mark("shed", "orchard", "")
    mark(simulation, foreign)
    settle()
    assert names(iot) == [EUI]
    assert attributes_of(simulation) == foreign.attributes()


def test_a_device_of_another_stacks_thing_is_refused(settle: Any, iot: Any) -> None:
    thing(iot, "theirs", "orchard")
    with pytest.raises(Refused, match=f"DevEUI {EUI} is registered for mismatching stack"):
        settle()
    assert names(iot) == ["theirs"]


def test_a_device_that_is_gone_is_no_work(settle: Any, iot: Any) -> None:
    settle(device_id="no-such-device")
    assert names(iot) == []


def test_a_thing_that_was_deleted_again_is_made_again(settle: Any, simulation: Simulation, iot: Any) -> None:
    settle()
    iot.delete_thing(thingName=EUI)
    simulation.servers.identity.devices[APPLICATION, "tank-7"]["attributes"] = {}
    settle()
    assert names(iot) == [EUI]
