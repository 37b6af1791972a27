"""A rush: devices send for the first time, all at once. Nothing is lost, and nothing is slower than AWS's quotas."""

from collections import defaultdict
from typing import Any

import pytest

from tests.conftest import FIGURES
from tests.sizes import size
from tests.unit.flows.rush_world import DEAD_LETTERS, QUEUE, QUOTAS, SECONDS_OF_A_CALL, World, thing_name

RATES = {"CreateThing": 80.0, "ListThings": 4.0}
"""What the function `waiting` makes of each call per second, by default."""

COPIES = 10
MESSAGES, INTERVAL = 3, 10.0
"""Of each device, and the seconds between them."""


def rush(devices: int, *, complete_directory: bool, known: int = 0) -> World:
    """New devices, all of which send within a second, and again every ten seconds. Some others are known before."""
    world = World(COPIES, RATES, complete_directory=complete_directory)
    for number in range(-known, 0):
        world.knows(number)
        for second in range(int(MESSAGES * INTERVAL)):
            world.uplink(float(second), number, second)
    for number in range(devices):
        for counter in range(MESSAGES):
            world.uplink(counter * INTERVAL + number / devices, number, counter)
    world.run()
    return world


def counters(world: World, devices: range) -> list[list[int]]:
    """The frame counters of each device in the order in which they were published."""
    found = defaultdict(list)
    for each in sorted(world.region.published, key=lambda published: published.at):
        found[each.thing].append(each.counter)
    return [found[thing_name(number)] for number in devices]


def took(world: World) -> float:
    """Seconds until every device had its thing."""
    return max(each.at for each in world.region.published if each.counter == 0)


def test_no_message_of_new_devices_is_lost_or_overtaken_and_their_things_are_made_at_80_percent_of_the_quota(
    record_property: Any,
) -> None:
    devices = size(2_000, 10_000)
    world = rush(devices, complete_directory=True)
    assert counters(world, range(devices)) == devices * [list(range(MESSAGES))]
    assert world.region.sent[DEAD_LETTERS] == 0
    assert not world.region.waiting
    record_property(
        FIGURES,
        f"rush: {devices} new devices at once, {world.region.sent[QUEUE]} messages waited, "
        f"every thing made after {took(world):.0f} s, refused calls: {dict(world.region.refused)}",
    )
    assert took(world) <= devices / (0.8 * QUOTAS["CreateThing"]) + 1


def test_without_a_directory_the_searches_are_the_brake(record_property: Any) -> None:
    devices = 100
    world = rush(devices, complete_directory=False)
    assert counters(world, range(devices)) == devices * [list(range(MESSAGES))]
    assert world.region.sent[DEAD_LETTERS] == 0
    # Two for each device: by its DevEUI in either spelling.
    assert took(world) == pytest.approx(2 * devices / RATES["ListThings"], rel=0.2)


def test_known_devices_are_not_slowed_by_a_rush() -> None:
    known, devices = 20, 1_000
    world = rush(devices, complete_directory=True, known=known)
    of_known = {thing_name(number) for number in range(-known, 0)}
    late = [each for each in world.region.published if each.thing in of_known and each.at - each.counter > 0.05]
    assert late == []
    assert counters(world, range(-known, 0)) == known * [list(range(int(MESSAGES * INTERVAL)))]
    assert SECONDS_OF_A_CALL < 0.05
