"""Marks on a simulated Identity Server."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from local.things_stack import ThingsStack as Simulation
from tests.unit.conftest import APPLICATION
from thingbridge.flows import marking
from thingbridge.flows.marking import Marking
from thingbridge.registry.marks import KEPT, UNFINISHED, Mark, Owner
from thingbridge.things_stack.client import ThingsStack

Open = Callable[..., ThingsStack]
_serial = itertools.count(1)
FARM = Owner("eu-west-1", "123456789012", "farm")
MARK = Mark("barn", FARM, "0123456789abcdef")


@pytest.fixture
def device_id(simulation: Simulation) -> str:
    number = next(_serial)
    name = f"marked-{number}"
    simulation.register_device(APPLICATION, device_id=name, dev_eui=f"A81758FFFE{number:06X}")
    return name


def kept(simulation: Simulation, device_id: str) -> dict[str, str]:
    return dict(simulation.servers.identity.devices[APPLICATION, device_id].get("attributes", {}))


def test_a_mark_is_written_once_and_read(open_client: Open, simulation: Simulation, device_id: str) -> None:
    client = open_client()
    assert marking.write(client, device_id, MARK) is Marking.WRITTEN
    assert marking.write(client, device_id, MARK) is Marking.UNCHANGED
    found = marking.read(client, device_id)
    assert found
    assert found[1] == MARK
    assert found[0].dev_eui
    listed = {device.device_id: device.mark for device in marking.page(client, 1, 1000).devices}
    assert listed[device_id] == MARK


def test_other_attributes_of_a_device_are_kept(open_client: Open, simulation: Simulation, device_id: str) -> None:
    simulation.servers.identity.devices[APPLICATION, device_id]["attributes"] = {"colour": "red"}
    marking.write(open_client(), device_id, MARK)
    assert kept(simulation, device_id) == {"colour": "red", **MARK.attributes()}


@pytest.mark.parametrize(
    "owner",
    [
        Owner("eu-west-1", "123456789012", "orchard"),
        Owner("us-east-1", "123456789012", "farm"),
        Owner("eu-west-1", "999999999999", "farm"),
    ],
    ids=["another stack", "another region", "another account"],
)
def test_a_mark_of_elsewhere_is_left_alone(
    open_client: Open, simulation: Simulation, device_id: str, owner: Owner
) -> None:
    foreign = Mark("barn", owner, "0123456789abcdef").attributes()
    simulation.servers.identity.devices[APPLICATION, device_id]["attributes"] = foreign
    assert marking.write(open_client(), device_id, MARK) is Marking.FOREIGN
    assert marking.hand_over(open_client(), device_id, MARK, MARK) is False
    assert kept(simulation, device_id) == foreign


def test_a_device_with_ten_attributes_is_left_as_it_is(
    open_client: Open, simulation: Simulation, device_id: str
) -> None:
    own = {f"key-{number}": "x" for number in range(10)}
    simulation.servers.identity.devices[APPLICATION, device_id]["attributes"] = own
    client = open_client()
    assert marking.write(client, device_id, MARK) is Marking.NO_ROOM
    assert kept(simulation, device_id) == own
    assert [each.room for each in marking.page(client, 1, 1000).devices if each.device_id == device_id] == [False]


def test_a_mark_that_is_too_long_removes_an_earlier_one(
    open_client: Open, simulation: Simulation, device_id: str
) -> None:
    owner = Owner("eu-west-1", "123456789012", "s" * 40)
    simulation.servers.identity.devices[APPLICATION, device_id]["attributes"] = {
        "colour": "red",
        **Mark("barn", owner).attributes(),
    }
    assert marking.write(open_client(), device_id, Mark("t" * 128, owner)) is Marking.NO_ROOM
    assert kept(simulation, device_id) == {"colour": "red"}


@pytest.mark.parametrize(
    ("stack_name", "left"), [("orchard", {"aws-iot-thing"}), ("s" * 170, set())], ids=["room", "no room"]
)
def test_a_mark_is_handed_over_if_it_is_still_the_same(
    open_client: Open, simulation: Simulation, device_id: str, stack_name: str, left: set[str]
) -> None:
    successor = Mark("barn", replace(FARM, stack_name=stack_name))
    client = open_client()
    simulation.servers.identity.devices[APPLICATION, device_id]["attributes"] = {"colour": "red"}
    marking.write(client, device_id, MARK)
    assert marking.hand_over(client, device_id, Mark("shed", FARM), successor) is False
    assert marking.hand_over(client, device_id, MARK, successor) is True
    assert kept(simulation, device_id) == {"colour": "red", **successor.attributes()}
    assert set(kept(simulation, device_id)) == {"colour", *left}


@pytest.mark.parametrize("digest", [UNFINISHED, KEPT])
def test_a_mark_that_comes_with_the_thing_is_replaced(
    open_client: Open, simulation: Simulation, device_id: str, digest: str
) -> None:
    theirs = Mark("barn", replace(FARM, stack_name="orchard"), digest)
    simulation.servers.identity.devices[APPLICATION, device_id]["attributes"] = theirs.attributes()
    assert marking.write(open_client(), device_id, Mark("shed", FARM)) is Marking.FOREIGN
    expected = Marking.TAKEN_OVER if digest == UNFINISHED else Marking.WRITTEN
    assert marking.write(open_client(), device_id, MARK) is expected


def test_a_device_that_is_gone_is_not_marked(open_client: Open) -> None:
    assert marking.write(open_client(), "no-such-device", MARK) is Marking.ABSENT
    assert marking.hand_over(open_client(), "no-such-device", MARK, MARK) is False
    assert marking.read(open_client(), "no-such-device") is None


def test_devices_are_listed_in_pages(open_client: Open, simulation: Simulation) -> None:
    for number in range(5):
        name = f"paged-{number}"
        simulation.register_device(APPLICATION, device_id=name, dev_eui=f"A81758FFFF{number:06X}")
    client = open_client()
    everything = [device.device_id for device in marking.page(client, 1, 1000).devices]
    paged = [device.device_id for page in (1, 2, 3) for device in marking.page(client, page, 2).devices]
    assert paged == everything[:6]
    assert marking.page(client, 1, 2).total == len(everything)
