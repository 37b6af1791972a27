"""What an uplink is charged for, counted on applied stacks: the recipes of `thingbridge cost` hold."""

import pytest

from cli.costs import downlinks, uplinks
from cli.costs.prices import Item
from cli.costs.uplinks import Functions, Shadow, UplinkMode, WayIn
from local import metering
from local.metering import Meter
from tests.e2e.conftest import PATIENCE, Bridge
from tests.e2e.metered import AT_ONCE, SENT, caused, counted, without_derived
from tests.e2e.polling import eventually

REQUESTED = 4


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


def test_a_downlink_costs_its_row_a_ticket_and_two_invocations(farm: Bridge) -> None:
    if not farm.aws.records:
        pytest.skip("an AWS that was not started here records nothing")
    device = farm.joined_device()
    meter = Meter(farm.aws.records, farm.name, ("downlink", "sending"))

    def request() -> None:
        seen = len(farm.topics.messages())
        topic = f"lorawan/{device.dev_eui}/downlink/push"
        farm.aws.client("iot-data").publish(topic=topic, qos=1, payload=b'{"bytes": "AQ=="}')
        farm.topics.wait_for(f"lorawan/{device.dev_eui}/downlink/queued", after=seen, timeout=PATIENCE)

    request()
    # Another copy of the function may start for what follows the first request.
    eventually("the end of what came before", lambda: meter.is_quiet(5), 60)
    mark = meter.mark()
    for _ in range(REQUESTED):
        request()
    eventually("the end of these requests", lambda: meter.is_quiet(2, mark), 60)
    # The events of downlinks that come in by MQTT are not the request's.
    metered = metering.usage([each for each in meter.since(mark) if each["kind"] != "mqtt"], farm.name)
    recipe = downlinks.request(Functions()) * REQUESTED
    # On a busy machine, the window may be over before the rows are listed for the first time.
    listed = (downlinks.DOWNLINKS, Item.DYNAMODB_READ)
    assert 0 <= recipe.units(Item.DYNAMODB_READ) - metered.units(Item.DYNAMODB_READ) <= REQUESTED
    assert {**without_derived(metered), listed: 0} == {**without_derived(recipe), listed: 0}
