"""Creating and deleting devices on four servers: completely or not at all, and repeatably."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from local.things_stack import ThingsStack as Simulation
from local.things_stack import profiles
from tests.unit.conftest import APPLICATION
from thingbridge.errors import Refused, ThingbridgeError
from thingbridge.flows import end_devices
from thingbridge.flows.end_devices import Outcome
from thingbridge.registry.attributes import DeviceReference, NewDevice
from thingbridge.registry.marks import Mark, Owner
from thingbridge.registry.provisioning import Place, Server, creation_steps
from thingbridge.things_stack.client import ThingsStack

Open = Callable[..., ThingsStack]
PATHS = {
    Server.IDENTITY: "^/api/v3/applications",
    Server.JOIN: "/js/",
    Server.NETWORK: "/ns/",
    Server.APPLICATION: "/as/",
}
CREATION_ORDER = tuple(PATHS)
_serial = count(1)

MARK = Mark("barn", Owner("eu-west-1", "123456789012", "Farm"))


def new_device() -> NewDevice:
    number = next(_serial)
    return NewDevice(
        device_id=f"device-{number}",
        dev_eui=f"A81758FFFE{number:06X}",
        join_eui="A81758FFFE000001",
        mac_version="MAC_V1_0_3",
        phy_version="PHY_V1_0_3_REV_A",
        frequency_plan_id="EU_863_870_TTN",
        app_key="01" * 16,
        nwk_key=None,
    )


def create(client: ThingsStack, device: NewDevice) -> Outcome:
    return end_devices.create(client, creation_steps(device, Place(APPLICATION, client.cluster_host, MARK)))


def knowing(client: ThingsStack, device: NewDevice) -> list[Server]:
    return [each for each in CREATION_ORDER if client.end_devices.get(each, device.device_id, ("ids",)) is not None]


def reference(device: NewDevice) -> DeviceReference:
    return DeviceReference(device.device_id, device.dev_eui, named=True)


@pytest.fixture(scope="module")
def profile() -> str:
    """Only hosted deployments claim."""
    return profiles.HOSTED


def test_the_device_of_an_application_on_other_servers_is_refused_with_the_address_to_set(
    simulation: Simulation, open_client: Open
) -> None:
    device = new_device()
    simulation.set_application_addresses(APPLICATION, network_server_address="eu1.example.com")
    try:
        with pytest.raises(Refused, match="set cluster_address to eu1.example.com"):
            create(open_client(), device)
    finally:
        simulation.set_application_addresses(APPLICATION)
    assert knowing(open_client(), device) == []


def test_a_device_is_created_on_all_servers_and_can_join(simulation: Simulation, open_client: Open) -> None:
    device = new_device()
    assert create(open_client(), device) is Outcome.CREATED
    assert simulation.network.join(APPLICATION, device.device_id)


def test_a_complete_device_is_left_as_it_is(simulation: Simulation, open_client: Open) -> None:
    device = new_device()
    create(open_client(), device)
    seen = len(simulation.requests)
    assert create(open_client(), device) is Outcome.UNCHANGED
    assert not [each for each in list(simulation.requests)[seen:] if each.method == "PUT"]


@pytest.mark.parametrize("missing", CREATION_ORDER[1:])
def test_a_device_that_an_earlier_attempt_left_incomplete_is_completed(open_client: Open, missing: Server) -> None:
    device, client = new_device(), open_client()
    create(client, device)
    client.end_devices.delete(missing, device.device_id)
    assert create(client, device) is Outcome.COMPLETED
    assert knowing(client, device) == list(CREATION_ORDER)


@pytest.mark.parametrize("status", [400, 401, 403, 409, 500])
@pytest.mark.parametrize("server", CREATION_ORDER)
def test_the_steps_before_a_refusal_are_undone(
    simulation: Simulation, open_client: Open, server: Server, status: int
) -> None:
    device, client = new_device(), open_client(remaining=1.2)
    verb = "POST" if server is Server.IDENTITY else "PUT"
    simulation.faults.add(method=verb, path=PATHS[server], status=status, times=1000)
    with pytest.raises(ThingbridgeError):
        create(client, device)
    simulation.faults.clear()
    assert knowing(client, device) == []


def test_steps_that_could_not_be_undone_are_completed_by_the_next_attempt(
    simulation: Simulation, open_client: Open
) -> None:
    device, client = new_device(), open_client(remaining=1.2)
    simulation.faults.add(method="PUT", path="/ns/", status=503, times=1000)
    simulation.faults.add(method="DELETE", path="/js/", status=503, times=1000)
    with pytest.raises(ThingbridgeError):
        create(client, device)
    simulation.faults.clear()
    assert knowing(client, device) == [Server.IDENTITY, Server.JOIN]
    assert create(client, device) is Outcome.COMPLETED
    assert knowing(client, device) == list(CREATION_ORDER)


def test_steps_that_could_not_be_undone_after_a_refusal_are_undone_by_the_next_attempt(
    simulation: Simulation, open_client: Open
) -> None:
    device, client = new_device(), open_client(remaining=1.2)
    simulation.faults.add(method="PUT", path="/ns/", status=400, times=2)
    simulation.faults.add(method="DELETE", path="/js/", status=503, times=1000)
    with pytest.raises(end_devices.Unfinished) as caught:
        create(client, device)
    assert caught.value.step == "Network Server"
    simulation.faults.clear()
    assert knowing(client, device) == [Server.IDENTITY, Server.JOIN]
    simulation.faults.add(method="PUT", path="/ns/", status=400, times=1)
    with pytest.raises(Refused):
        create(client, device)
    assert knowing(client, device) == []


@pytest.mark.parametrize("status", [Server.JOIN, Server.NETWORK])
def test_a_device_that_may_be_in_use_is_kept_when_its_completion_is_refused(
    simulation: Simulation, open_client: Open, status: Server
) -> None:
    device, client = new_device(), open_client()
    create(client, device)
    client.end_devices.delete(status, device.device_id)
    simulation.faults.add(method="PUT", path=PATHS[status], status=400, times=1)
    with pytest.raises(Refused):
        create(client, device)
    assert knowing(client, device) == [each for each in CREATION_ORDER if each is not status]


def test_a_device_that_has_joined_is_kept_when_its_completion_is_refused(
    simulation: Simulation, open_client: Open
) -> None:
    device, client = new_device(), open_client()
    create(client, device)
    simulation.network.join(APPLICATION, device.device_id)
    client.end_devices.delete(Server.APPLICATION, device.device_id)
    simulation.faults.add(method="PUT", path="/as/", status=400, times=1)
    with pytest.raises(Refused):
        create(client, device)
    assert Server.NETWORK in knowing(client, device)


@pytest.mark.parametrize("mark", [None, replace(MARK, thing_name="other"), replace(MARK, digest="0011223344556677")])
def test_only_the_unfinished_device_of_the_same_thing_is_undone(
    simulation: Simulation, open_client: Open, mark: Mark | None
) -> None:
    device, client = new_device(), open_client()
    create(client, device)
    for server in (Server.APPLICATION, Server.NETWORK):
        client.end_devices.delete(server, device.device_id)
    client.end_devices.set_attributes(device.device_id, mark.attributes() if mark else {})
    simulation.faults.add(method="PUT", path="/ns/", status=400, times=1)
    with pytest.raises(Refused):
        create(client, device)
    assert knowing(client, device) == [Server.IDENTITY, Server.JOIN]


def test_what_an_earlier_thing_of_the_name_left_unfinished_is_undone_when_its_completion_is_refused(
    simulation: Simulation, open_client: Open
) -> None:
    device, client = new_device(), open_client()
    create(client, device)
    for server in (Server.APPLICATION, Server.NETWORK):
        client.end_devices.delete(server, device.device_id)
    client.end_devices.set_attributes(device.device_id, replace(MARK, thing_id="1b2c3d4e").attributes())
    simulation.faults.add(method="PUT", path="/ns/", status=400, times=1)
    with pytest.raises(Refused):
        create(client, device)
    assert knowing(client, device) == []


def test_a_dev_eui_or_a_device_id_that_is_taken_is_refused(open_client: Open) -> None:
    device, client = new_device(), open_client()
    create(client, device)
    with pytest.raises(Refused, match=device.device_id):
        create(client, device._replace(device_id=f"{device.device_id}-b"))
    with pytest.raises(Refused):
        create(client, device._replace(dev_eui=new_device().dev_eui))
    assert knowing(client, device) == list(CREATION_ORDER)


def test_a_device_is_deleted_on_all_servers_and_then_absent(open_client: Open) -> None:
    device, client = new_device(), open_client()
    create(client, device)
    assert end_devices.delete(client, reference(device)) is Outcome.DELETED
    assert knowing(client, device) == []
    assert end_devices.delete(client, reference(device)) is Outcome.ABSENT


@pytest.mark.parametrize("server", CREATION_ORDER)
def test_a_deletion_that_stopped_half_way_can_be_repeated(
    simulation: Simulation, open_client: Open, server: Server
) -> None:
    device, client = new_device(), open_client(remaining=1.2)
    create(client, device)
    simulation.faults.add(method="DELETE", path=PATHS[server], status=503, times=1000)
    with pytest.raises(ThingbridgeError):
        end_devices.delete(client, reference(device))
    simulation.faults.clear()
    assert end_devices.delete(client, reference(device)) is Outcome.DELETED
    assert knowing(client, device) == []


def test_a_device_with_another_dev_eui_is_not_deleted(open_client: Open) -> None:
    device, client = new_device(), open_client()
    create(client, device)
    with pytest.raises(Refused, match="has DevEUI"):
        end_devices.delete(client, DeviceReference(device.device_id, "A81758FFFEFFFFFF", named=True))
    assert knowing(client, device) == list(CREATION_ORDER)


def test_a_thing_that_names_no_device_stands_for_the_one_with_its_dev_eui(open_client: Open) -> None:
    device, client = new_device(), open_client()
    create(client, device)
    unnamed = DeviceReference(f"eui-{device.dev_eui.lower()}", device.dev_eui, named=False)
    found = end_devices.resolve(client, unnamed)
    assert found
    assert found.device_id == device.device_id
    named = DeviceReference("another-id", device.dev_eui, named=True)
    assert end_devices.resolve(client, named) is None


def test_only_settings_that_differ_are_changed(simulation: Simulation, open_client: Open) -> None:
    device, client = new_device(), open_client()
    create(client, device)
    settings = {"lorawan_version": "MAC_V1_0_3", "frequency_plan_id": "EU_868_1"}
    assert end_devices.update(client, device.device_id, settings) is Outcome.UPDATED
    at = (APPLICATION, device.device_id)
    assert simulation.servers.network.devices[at]["frequency_plan_id"] == "EU_868_1"
    seen = len(simulation.requests)
    assert end_devices.update(client, device.device_id, settings) is Outcome.UNCHANGED
    assert end_devices.update(client, device.device_id, {}) is Outcome.UNCHANGED
    assert [each.method for each in list(simulation.requests)[seen:]] == ["GET"]


def test_a_class_and_mac_settings_are_set_once(simulation: Simulation, open_client: Open) -> None:
    device, client = new_device()._replace(mac_settings={"supports_class_c": True}), open_client()
    create(client, device)
    at = (APPLICATION, device.device_id)
    assert simulation.servers.network.devices[at]["supports_class_c"] is True
    settings = {"supports_class_c": True, "mac_settings.rx1_delay": {"value": "RX_DELAY_5"}}
    assert end_devices.update(client, device.device_id, settings) is Outcome.UPDATED
    assert simulation.servers.network.devices[at]["mac_settings"] == {"rx1_delay": {"value": "RX_DELAY_5"}}
    assert end_devices.update(client, device.device_id, settings) is Outcome.UNCHANGED


def test_settings_of_a_device_that_the_network_server_lost_are_refused(open_client: Open) -> None:
    with pytest.raises(Refused, match="Network Server does not know") as caught:
        end_devices.update(open_client(), "no-such-device", {"frequency_plan_id": "EU_868_1"})
    assert caught.value.step == "Network Server"


def test_root_keys_can_be_replaced(simulation: Simulation, open_client: Open) -> None:
    device, client = new_device(), open_client()
    create(client, device)
    end_devices.set_root_keys(client, device._replace(app_key="0F" * 16))
    kept = simulation.servers.join.devices[APPLICATION, device.device_id]
    assert kept["root_keys"]["app_key"]["key"] == "0F" * 16


def test_a_claimed_device_is_complete_without_a_join_server_and_is_unclaimed_when_deleted(
    simulation: Simulation, open_client: Open
) -> None:
    device = new_device()._replace(join_eui="70B3D57ED0000000", app_key=None, claim_authentication_code="C0DE")
    claimable = {"join_eui": device.join_eui, "dev_eui": device.dev_eui, "authentication_code": "C0DE"}
    simulation.claimable(**claimable)
    client = open_client()
    wrong = device._replace(claim_authentication_code="WRONG")
    with pytest.raises(Refused, match="denied") as caught:
        create(client, wrong)
    assert caught.value.step == "Device Claiming Server"
    assert knowing(client, device) == []
    assert create(client, device) is Outcome.CLAIMED
    assert create(client, device) is Outcome.UNCHANGED
    assert knowing(client, device) == [Server.IDENTITY, Server.NETWORK, Server.APPLICATION]
    assert end_devices.delete(client, reference(device)) is Outcome.DELETED
    assert knowing(client, device) == []
    assert simulation.servers.claiming.devices[device.join_eui, device.dev_eui].claimed_by is None
