"""What an uplink is charged for, counted on applied stacks: the recipes of `thingbridge cost` hold."""

from cli.costs import uplinks
from cli.costs.prices import Item
from cli.costs.uplinks import Functions, Shadow, UplinkMode, WayIn
from local import metering
from tests.e2e.conftest import PATIENCE, Bridge
from tests.e2e.metered import AT_ONCE, SENT, caused, counted


def test_an_uplink_costs_two_messages_a_rule_an_invocation_and_the_shadow(farm: Bridge) -> None:
    device = farm.joined_device()
    metered = metering.usage(caused(farm, device, device.dev_eui), farm.name)
    recipe = uplinks.ours(WayIn.ROLE, Shadow(), Functions(), gap=AT_ONCE)
    assert counted(metered) == counted(recipe * SENT)
    assert metered.units(Item.LOG_GB) == 0  # What succeeds is not logged.


def test_a_webhook_costs_an_invocation_more_batches_a_queue_and_basic_ingest_saves_the_message_in(
    orchard: Bridge,
) -> None:
    device = orchard.new_device()
    orchard.things_stack.network.join(device.application_id, device.device_id)
    thing = f"orchard_{device.device_id}"
    orchard.topics.wait_for(f"lorawan/{thing}/join", timeout=PATIENCE)
    metered = counted(metering.usage(caused(orchard, device, thing), orchard.name))
    of_the_shadow = {uplinks.SHADOW, "function shadow"}  # It is paced: tests/e2e/test_shadow.py.
    # Each is waited for, so it is a batch of its own.
    recipe = uplinks.ours(
        WayIn.WEBHOOK_BASIC, Shadow(written=False), Functions(), mode=UplinkMode.BATCHED, batch=1, gap=AT_ONCE
    )
    assert {key: units for key, units in metered.items() if key[0] not in of_the_shadow} == counted(recipe * SENT)
