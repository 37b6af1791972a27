"""Nothing that lives is lost, whatever happens to things and devices in several places, in any order.

Generated histories in a world of two regions, four stacks and two applications: what people do on both sides, events
that come late, twice and in any order, comparisons in parts, and calls that fail. What must hold after every step is in
`witness`; here is what must hold once everything was delivered.
"""

from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from tests.sizes import size
from tests.unit.histories.places import World
from tests.unit.histories.settled import settle
from tests.unit.histories.steps import Step, histories, play
from thingbridge.registry.reconcile import OnThingDeleted

TWO_PLANS: Final[list[Step]] = [
    *(("create", at, 0, 0, name) for at, name in ((0, 1), (3, 0))),
    ("change the plan", 0, 0, 1, 0),
]
"""Two stacks of an application have a thing with keys for one device, and the things do not name the same plan."""

HALF_DELETED: Final[list[Step]] = [
    *(("create", 0, 0, 0, 0), ("deliver", 0, 0, 0, 0), ("delete", 0, 0, 0, 0), ("compare", 0, 2, 0, 0)),
    *(("deliver", 0, 1, 10, 5), ("create", 0, 0, 1, 0)),
]
"""A deletion is interrupted after the Application Server, and then a thing without keys is made for the device."""

HALF_DELETED_AND_GIVEN: Final[list[Step]] = [
    *(("create", 3, 0, 0, 0), ("deliver", 0, 0, 0, 0), ("delete", 0, 0, 0, 0), ("deliver", 0, 0, 0, 7)),
    *(("compare", 3, 1, 0, 0), ("create", 0, 0, 1, 0)),
]
"""The same, and the new thing is that of another stack."""

many = settings(
    max_examples=size(40, 5000),
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("on_thing_deleted", list(OnThingDeleted))
@pytest.mark.parametrize("scrub_keys", [False, True], ids=["keys kept", "keys scrubbed"])
def test_nothing_that_lives_is_lost_in_any_place(on_thing_deleted: OnThingDeleted, scrub_keys: bool) -> None:
    @many
    @given(histories)
    @example(TWO_PLANS)
    @example(HALF_DELETED)
    @example(HALF_DELETED_AND_GIVEN)
    def live(history: list[Step]) -> None:
        world = World(on_thing_deleted, scrub_keys)
        play(world, history)
        settle(world, allowed=10)

    live()
