"""Marks on a simulated Identity Server."""

import itertools
from collections.abc import Callable

import pytest

from local.things_stack import ThingsStack as Simulation
from tests.unit.conftest import APPLICATION
from thingbridge.flows import marking
from thingbridge.registry.marks import Mark
from thingbridge.things_stack.client import ThingsStack

Open = Callable[..., ThingsStack]
_serial = itertools.count(1)
MARK = Mark("barn", "farm", "0123456789abcdef")


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
    assert marking.write(client, device_id, MARK) is True
    assert marking.write(client, device_id, MARK) is False
    found = marking.read(client, device_id)
    assert found
    assert found[1] == MARK
    assert found[0].dev_eui
    listed = {device.device_id: device.mark for device in marking.page(client, 1, 1000)}
    assert listed[device_id] == MARK


def test_other_attributes_of_a_device_are_kept(open_client: Open, simulation: Simulation, device_id: str) -> None:
    simulation.servers.identity.devices[APPLICATION, device_id]["attributes"] = {"colour": "red"}
    marking.write(open_client(), device_id, MARK)
    assert kept(simulation, device_id) == {"colour": "red", **MARK.attributes()}


def test_another_stacks_mark_is_left_alone(open_client: Open, simulation: Simulation, device_id: str) -> None:
    foreign = Mark("shed", "orchard", "").attributes()
    simulation.servers.identity.devices[APPLICATION, device_id]["attributes"] = foreign
    assert marking.write(open_client(), device_id, MARK) is False
    assert kept(simulation, device_id) == foreign


def test_a_device_that_is_gone_is_not_marked(open_client: Open) -> None:
    assert marking.write(open_client(), "no-such-device", MARK) is False
    assert marking.read(open_client(), "no-such-device") is None


def test_devices_are_listed_in_pages(open_client: Open, simulation: Simulation) -> None:
    for number in range(5):
        name = f"paged-{number}"
        simulation.register_device(APPLICATION, device_id=name, dev_eui=f"A81758FFFF{number:06X}")
    client = open_client()
    everything = [device.device_id for device in marking.page(client, 1, 1000)]
    paged = [device.device_id for page in (1, 2, 3) for device in marking.page(client, page, 2)]
    assert paged == everything[:6]
