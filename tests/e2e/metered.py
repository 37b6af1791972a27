"""What the meter counts of a few uplinks on an applied stack, as far as the recipes of `thingbridge cost` have it."""

import pytest

from cli.costs import uplinks
from cli.costs.prices import Item
from cli.costs.usage import Usage
from local.metering import UPLINKS, Event, Meter
from tests.e2e.conftest import PATIENCE, SHADOW_INTERVAL, Bridge, Device
from tests.e2e.polling import eventually

SENT = 8
NOT_PER_UPLINK = {Item.LAMBDA_ARM64, Item.LAMBDA_X86, Item.LOG_GB, Item.SECRET_CALL}
"""What is derived, and what happens once in some minutes."""


LOOK_UPS, COPIES = {(uplinks.DIRECTORY, Item.DYNAMODB_READ), (uplinks.WAITING, Item.DYNAMODB_READ)}, 2
AT_ONCE = 0.0
"""Seconds between two of these uplinks: a copy of the function asks the directory once in a while."""


def send(bridge: Bridge, device: Device, thing_name: str, uplinks_sent: int) -> None:
    for _ in range(uplinks_sent):
        seen = len(bridge.topics.messages())
        bridge.things_stack.network.uplink(device.application_id, device.device_id, f_port=2, frm_payload=b"\1")
        bridge.topics.wait_for(f"lorawan/{thing_name}/uplink", after=seen, timeout=PATIENCE)


def caused(bridge: Bridge, device: Device, thing_name: str) -> list[Event]:
    """What SENT uplinks of a known device cause."""
    if not bridge.aws.records:
        pytest.skip("an AWS that was not started here records nothing")
    meter = Meter(bridge.aws.records, bridge.name, UPLINKS)
    send(bridge, device, thing_name, 2)
    eventually("the end of what came before", lambda: meter.is_quiet(SHADOW_INTERVAL + 1), 60)
    mark = meter.mark()
    send(bridge, device, thing_name, SENT)
    eventually("the end of these uplinks", lambda: meter.is_quiet(SHADOW_INTERVAL + 1, mark), 60)
    return meter.since(mark)


def counted(usage: Usage) -> dict[tuple[str, Item], float]:
    """What is counted for each uplink. A copy of the function that starts meanwhile looks things up once."""
    for each in LOOK_UPS:
        assert usage.quantities.get(each, 0) <= COPIES, "more copies of the function started: the machine is busy"
    return {key: units for key, units in without_derived(usage).items() if key not in LOOK_UPS}


def without_derived(usage: Usage) -> dict[tuple[str, Item], float]:
    """What is counted, whatever it is for."""
    return {key: units for key, units in usage.quantities.items() if key[1] not in NOT_PER_UPLINK}
