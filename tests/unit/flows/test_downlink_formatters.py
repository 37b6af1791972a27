"""A downlink whose payload has to be encoded is pushed only to a device with a downlink formatter."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.things_stack import ThingsStack as Simulation
from tests.unit.conftest import APPLICATION, Clock
from thingbridge.errors import BadInput
from thingbridge.flows.downlink import DownlinkQueue
from thingbridge.flows.downlink_formatters import KEPT_FOR, DownlinkFormatters
from thingbridge.registry.attributes import DeviceReference
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import NotFound

Open = Callable[..., ThingsStack]
DEVICE = APPLICATION, "barn-1"
REFERENCE = DeviceReference("barn-1", "A81758FFFE0312AB", named=True)
ENCODER = {
    "down_formatter": "FORMATTER_JAVASCRIPT",
    "down_formatter_parameter": "function encodeDownlink(input) { return {bytes: [input.data.valve]} }",
}
TO_ENCODE = {"f_port": 3, "decoded_payload": {"valve": 7}}


@pytest.fixture
def joined(simulation: Simulation) -> Iterator[None]:
    """The device `barn-1`, which has joined and sent."""
    simulation.register_device(APPLICATION, device_id="barn-1", dev_eui="A81758FFFE0312AB")
    simulation.network.join(*DEVICE)
    simulation.network.uplink(*DEVICE)
    yield
    servers = simulation.servers
    for server in (servers.identity, servers.join, servers.network, servers.application):
        server.devices.pop(DEVICE, None)
    servers.application.links.clear()
    simulation.network.forget(*DEVICE)


def reads(simulation: Simulation) -> list[str]:
    """The requests since the last time, other than pushes."""
    paths = [each.path.rsplit("/", 1)[-1] for each in simulation.requests]
    simulation.requests.clear()
    return [path for path in paths if path != "push"]


def queued(simulation: Simulation) -> list[Any]:
    return [each.get("frm_payload") for each in simulation.network.queue(*DEVICE)]


@pytest.mark.usefixtures("joined")
@pytest.mark.parametrize("formatters", [None, {"up_formatter": "FORMATTER_CAYENNELPP"}])
def test_a_payload_for_a_device_without_a_downlink_formatter_is_refused_and_nothing_is_sent(
    simulation: Simulation, open_client: Open, formatters: dict[str, Any] | None
) -> None:
    if formatters:
        simulation.servers.application.devices[DEVICE]["formatters"] = formatters
        simulation.servers.application.links[APPLICATION] = {"default_formatters": ENCODER}  # not used then
    with pytest.raises(BadInput, match="barn-1 has no downlink formatter in The Things Stack") as refused:
        DownlinkQueue(open_client(), DownlinkFormatters()).schedule(REFERENCE, (TO_ENCODE,))
    assert refused.value.field == "payload"
    assert queued(simulation) == []


@pytest.mark.usefixtures("joined")
def test_the_formatter_of_the_device_or_of_its_application_encodes_the_payload(
    simulation: Simulation, open_client: Open
) -> None:
    simulation.servers.application.links[APPLICATION] = {"default_formatters": ENCODER}
    DownlinkQueue(open_client(), DownlinkFormatters()).schedule(REFERENCE, (TO_ENCODE,))
    simulation.servers.application.links.clear()
    simulation.servers.application.devices[DEVICE]["formatters"] = ENCODER
    DownlinkQueue(open_client(), DownlinkFormatters()).schedule(REFERENCE, (TO_ENCODE,))
    assert queued(simulation) == ["Bw==", "Bw=="]


@pytest.mark.usefixtures("joined")
def test_a_known_formatter_is_not_read_again_for_a_while_and_bytes_need_none(
    simulation: Simulation, open_client: Open, clock: Clock
) -> None:
    queue = DownlinkQueue(open_client(), DownlinkFormatters(clock))
    simulation.requests.clear()
    queue.schedule(REFERENCE, ({"f_port": 3, "frm_payload": "AQ=="},))
    assert reads(simulation) == []
    simulation.servers.application.devices[DEVICE]["formatters"] = ENCODER
    for passed, expected in ((0, ["barn-1"]), (KEPT_FOR - 1, []), (1, ["barn-1"])):
        clock.wait(passed)
        queue.schedule(REFERENCE, (TO_ENCODE,))
        assert reads(simulation) == expected


@pytest.mark.usefixtures("joined")
def test_without_the_right_to_read_the_application_the_things_stack_decides(
    simulation: Simulation, open_client: Open
) -> None:
    rights = ["RIGHT_APPLICATION_DEVICES_READ", "RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE"]
    key = simulation.create_api_key(APPLICATION, rights)
    DownlinkQueue(open_client(key), DownlinkFormatters()).schedule(REFERENCE, (TO_ENCODE,))
    assert queued(simulation) == [None]


def test_a_device_that_does_not_exist_is_answered_as_for_any_downlink(open_client: Open) -> None:
    with pytest.raises(NotFound):
        DownlinkQueue(open_client(), DownlinkFormatters()).schedule(REFERENCE, (TO_ENCODE,))
