"""Operations on one server each, against a simulation that checks every request by the published API."""

from collections.abc import Callable

from local.things_stack import ThingsStack as Simulation
from tests.unit.conftest import APPLICATION
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry.provisioning import Server
from thingbridge.things_stack.client import ThingsStack

Open = Callable[..., ThingsStack]


def test_a_device_that_a_server_does_not_know_is_none(open_client: Open) -> None:
    end_devices = open_client().end_devices
    for server in set(Server) - {Server.CLAIMING}:
        assert end_devices.get(server, "no-such-device", ("ids",)) is None
        assert end_devices.delete(server, "no-such-device") is False
    assert end_devices.search("A81758FFFE999999") is None


def test_a_device_is_found_by_its_dev_eui(simulation: Simulation, open_client: Open) -> None:
    simulation.register_device(
        APPLICATION, device_id="found-1", dev_eui="A81758FFFE0F0001", join_eui="A81758FFFE000001", app_key="01" * 16
    )
    expected = EndDeviceIdentifiers("found-1", "A81758FFFE0F0001", "A81758FFFE000001")
    assert open_client().end_devices.search("A81758FFFE0F0001") == expected
