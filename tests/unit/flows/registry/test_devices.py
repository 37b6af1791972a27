"""A device for which the comparison found no thing, with both registries as they are when it is handled."""

from collections.abc import Callable
from typing import Any

import pytest

from local.things_stack import ThingsStack as Simulation
from tests.unit.conftest import APPLICATION
from thingbridge.aws.clients import Clients
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import Refused
from thingbridge.flows.registry.devices import DevicesWithoutThing
from thingbridge.flows.registry.standing import StandingThings
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.pacing import TokenBucket
from thingbridge.registry import marks
from thingbridge.registry.identity import StackOfThings, ThingNameScheme
from thingbridge.registry.marks import Mark, Owner
from thingbridge.registry.reconcile import OnThingDeleted
from thingbridge.things_stack.client import ThingsStack

GROUP = "things"
EUI = "A81758FFFE0312AB"
FARM = Owner("eu-west-1", "123456789012", "farm")
STACK = StackOfThings("farm", "lorawan", ThingNameScheme.DEV_EUI)


@pytest.fixture(autouse=True)
def device(simulation: Simulation) -> None:
    """One device, of which no thing is known."""
    for server in ("identity", "join", "network", "application"):
        getattr(simulation.servers, server).devices.clear()
    simulation.register_device(APPLICATION, device_id="tank-7", dev_eui=EUI, join_eui="A81758FFFE000001")


@pytest.fixture
def log(clients: Clients) -> ThingsLog:
    clients("logs").create_log_group(logGroupName=GROUP)
    return ThingsLog(clients, GROUP)


@pytest.fixture
def settle(iot: Any, clients: Clients, log: ThingsLog, open_client: Callable[..., ThingsStack]) -> Any:
    """Handle the device."""
    pace = TokenBucket(rate=1, burst=100)

    def run(
        choice: OnThingDeleted = OnThingDeleted.DELETE, device_id: str = "tank-7", *, may_delete: bool = True
    ) -> None:
        things = Things(clients)
        standing = StandingThings(STACK, things, pace)
        directory = ThingDirectory(things, STACK, log)
        devices = DevicesWithoutThing(FARM, STACK, choice, things, open_client(), standing, directory, log)
        devices.settle(device_id, may_delete=may_delete)

    return run


def attributes_of(simulation: Simulation) -> dict[str, str]:
    return dict(simulation.servers.identity.devices[APPLICATION, "tank-7"].get("attributes", {}))


def marked_thing(simulation: Simulation) -> str:
    found = marks.read(attributes_of(simulation))
    assert found
    return found.thing_name


def mark(simulation: Simulation, mark: Mark) -> None:
    simulation.servers.identity.devices[APPLICATION, "tank-7"]["attributes"] = mark.attributes()


def thing(iot: Any, name: str, stack_name: str = "farm") -> None:
    attributes = {"devEUI": EUI, "stackName": stack_name}
    iot.create_thing(thingName=name, thingTypeName="lorawan", attributePayload={"attributes": attributes})


def names(iot: Any) -> list[str]:
    return [each["thingName"] for each in iot.list_things()["things"]]


def events(log: ThingsLog, thing_name: str) -> list[str]:
    return [entry["event"] for entry in log.entries(thing_name)]


def test_a_new_device_gets_its_thing_and_the_mark_that_is_in_step_with_it(
    settle: Any, simulation: Simulation, iot: Any, log: ThingsLog
) -> None:
    settle()
    created = iot.describe_thing(thingName=EUI)
    assert attributes_of(simulation) == Mark.of(EUI, created["attributes"], FARM, created["thingId"]).attributes()
    settle()
    assert names(iot) == [EUI]
    assert events(log, EUI) == ["end_device_marked"]


def test_a_thing_that_a_user_created_in_the_meantime_is_used(settle: Any, simulation: Simulation, iot: Any) -> None:
    thing(iot, "barn")
    settle()
    assert names(iot) == ["barn"]
    assert marked_thing(simulation) == "barn"


def test_a_marked_device_follows_its_deleted_thing(settle: Any, simulation: Simulation, log: ThingsLog) -> None:
    mark(simulation, Mark("barn", FARM))
    settle()
    assert not simulation.servers.identity.devices
    assert not simulation.servers.network.devices
    assert events(log, "barn") == ["end_device_deleted"]


def test_a_device_whose_deletion_the_run_does_not_permit_is_left(settle: Any, simulation: Simulation) -> None:
    mark(simulation, Mark("barn", FARM))
    settle(may_delete=False)
    assert attributes_of(simulation) == Mark("barn", FARM).attributes()


def test_a_marked_device_is_retained_if_the_stack_retains_devices(
    settle: Any, simulation: Simulation, iot: Any, log: ThingsLog
) -> None:
    mark(simulation, Mark("barn", FARM))
    settle(OnThingDeleted.RETAIN)
    assert marked_thing(simulation) == "barn"
    assert names(iot) == []
    assert events(log, "barn") == ["end_device_retained"]


@pytest.mark.parametrize("name", ["barn", "shed"])
def test_a_device_whose_thing_exists_after_all_is_kept(
    settle: Any, simulation: Simulation, iot: Any, name: str
) -> None:
    mark(simulation, Mark("barn", FARM))
    thing(iot, name)
    settle()
    assert marked_thing(simulation) == name


def test_a_device_with_a_mark_of_elsewhere_is_new_to_this_one(settle: Any, simulation: Simulation, iot: Any) -> None:
    foreign = Mark("shed", Owner("us-east-1", "123456789012", "farm"))
    mark(simulation, foreign)
    settle()
    assert names(iot) == [EUI]
    assert attributes_of(simulation) == foreign.attributes()


def test_a_device_of_another_stacks_thing_is_refused(settle: Any, iot: Any) -> None:
    thing(iot, "theirs", "orchard")
    with pytest.raises(Refused, match=f"DevEUI {EUI} is registered for mismatching stack"):
        settle()
    assert names(iot) == ["theirs"]


def test_a_device_that_is_gone_needs_nothing(settle: Any, iot: Any) -> None:
    settle(device_id="no-such-device")
    assert names(iot) == []


def test_a_thing_that_was_deleted_again_is_created_again(settle: Any, simulation: Simulation, iot: Any) -> None:
    settle()
    iot.delete_thing(thingName=EUI)
    simulation.servers.identity.devices[APPLICATION, "tank-7"]["attributes"] = {}
    settle()
    assert names(iot) == [EUI]
