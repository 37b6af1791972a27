"""What a paced shadow is charged for: the calls that docs/costs.md and `thingbridge cost` calculate with."""

import pytest

from cli.costs import uplinks
from cli.costs.prices import Item
from cli.costs.uplinks import Functions, Shadow
from tests.unit.flows.shadow_account import NOW, ShadowAccount, at

SENT = 900
"""A multiple of the messages in each interval."""


def calls_per_uplink(gap: int, interval: int) -> dict[str, float]:
    """Calls of both functions, each with an execution environment of its own, once a device has sent for a while."""
    account = ShadowAccount()
    upstream, function = account.paced(interval), account.paced(interval)
    for number in range(2 * SENT):
        if number == SENT:
            account.take_calls()
        account.clock.now = NOW + number * gap
        while account.deferred and account.deferred[0][0] <= account.clock.now:
            function.write_scheduled(account.deferred.pop(0)[1])
        upstream.write("tank", {"lastSeen": at(number * gap), "fCntUp": number}, at(number * gap))
    return {name: count / SENT for name, count in account.take_calls().items()}


@pytest.mark.parametrize(("gap", "interval"), [(60, 600), (60, 300), (60, 900), (10, 900), (600, 300), (900, 600)])
def test_an_uplink_makes_the_calls_that_its_price_is_made_of(gap: int, interval: int) -> None:
    made = calls_per_uplink(gap, interval)
    recipe = uplinks.writes(Shadow(interval=interval), Functions(), gap)
    assert made["UpdateThingShadow"] == pytest.approx(recipe.units(Item.IOT_OPERATION), rel=0.02)
    assert made["UpdateItem"] == pytest.approx(recipe.units(Item.DYNAMODB_WRITE), rel=0.02)
    assert made.get("GetItem", 0.0) == pytest.approx(recipe.units(Item.DYNAMODB_READ), rel=0.02)
    assert made.get("SendMessage", 0.0) * 3 == pytest.approx(recipe.units(Item.SQS_REQUEST), rel=0.02)
