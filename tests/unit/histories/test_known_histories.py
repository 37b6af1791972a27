"""Histories that once lost a device, a key or the way out, each by its name; the generated ones go further.

After each, everything is delivered and compared until nothing changes, and all of `witness` and `settled` must hold.
"""

import itertools
from collections.abc import Sequence

import pytest

from tests.unit.histories.account import Message, registry_queue
from tests.unit.histories.places import DUBLIN, FARM, OHIO, Failure, Function, World
from tests.unit.histories.settled import compare, settle
from tests.unit.histories.steps import (
    HARDWARE,
    KEYS,
    Hardware,
    begin,
    correct_eui,
    described,
    person_corrects,
    put,
    register,
    remove,
)
from tests.unit.histories.witness import mark_of
from thingbridge.registry.reconcile import OnThingDeleted

TANK, OTHER, _, BELL = HARDWARE
BARN, SHED = "barn", "shed"
KEYS_GIVEN, BARE, NAMED, LOWER, ID_ALONE = 0, 1, 2, 4, 24
"""Variants of a thing: see `steps.described`."""


@pytest.fixture(params=[False, True], ids=["keys kept", "keys scrubbed"])
def world(request: pytest.FixtureRequest) -> World:
    made = World(OnThingDeleted.DELETE, request.param)
    begin(made)
    return made


@pytest.fixture
def farm(world: World) -> Function:
    return world.functions[0]


def make(world: World, at: Function, hardware: Hardware = TANK, name: str = BARN, variant: int = NAMED) -> None:
    """A thing is made with its device, and all events arrive."""
    put(world, at.place.region, name, described(at, hardware, variant))
    world.work_off()
    assert (at.place.application, hardware.device_id) in world.cluster.servers.identity.devices


def exists(world: World, hardware: Hardware = TANK) -> bool:
    """Whether the application has the device, with its key."""
    known = world.cluster.servers.join.devices.get((FARM, hardware.device_id), {})
    on_all = all(
        (FARM, hardware.device_id) in each.devices
        for each in (world.cluster.servers.identity, world.cluster.servers.network, world.cluster.servers.application)
    )
    return on_all and bool(known.get("root_keys"))


def attributes(world: World, name: str = BARN) -> dict[str, str]:
    return world.regions[DUBLIN].things[name]


def in_order(world: World, at: Function, order: Sequence[int]) -> None:
    """Deliver the waiting events in this order, each of them twice."""
    waiting = [message.body for message in at.account.queues[registry_queue(at.place.stack)]]
    at.waiting.clear()
    for position in order:
        for _ in range(2):
            at.waiting.append(Message(waiting[position]))
            world.deliver(at)


# A second place ------------------------------------------------------------------------------------------------------


def test_the_same_stack_in_another_region_deletes_and_marks_no_device_of_the_first(
    world: World, farm: Function
) -> None:
    make(world, farm)
    compare(world, world.functions[2])
    settle(world)
    assert exists(world)


def test_a_thing_deleted_in_another_region_deletes_no_device_of_the_first(world: World, farm: Function) -> None:
    make(world, farm)
    make(world, world.functions[2], variant=BARE | NAMED)
    remove(world, OHIO, BARN)
    settle(world)
    assert exists(world)


def test_a_thing_deleted_in_another_region_deletes_no_device_that_nobody_has_marked(world: World) -> None:
    register(world, TANK, FARM, 0)
    for at in (world.functions[0], world.functions[2]):
        put(world, at.place.region, BARN, described(at, TANK, BARE | NAMED))
    remove(world, OHIO, BARN)
    settle(world)
    assert exists(world)


def test_devices_of_two_stacks_with_one_application_are_compared_without_work(world: World, farm: Function) -> None:
    make(world, farm)
    make(world, world.functions[1], OTHER, SHED)
    settle(world)
    assert exists(world)
    assert exists(world, OTHER)


# Renamed, created again ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))), ids=str)
@pytest.mark.parametrize("variant", [KEYS_GIVEN, NAMED, LOWER, BARE | NAMED, BARE | LOWER, ID_ALONE])
def test_a_thing_that_is_renamed_keeps_its_device(
    world: World, farm: Function, order: tuple[int, ...], variant: int
) -> None:
    make(world, farm)
    put(world, DUBLIN, SHED, described(farm, TANK, variant))
    remove(world, DUBLIN, BARN)
    in_order(world, farm, order)
    settle(world)
    assert exists(world)


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))), ids=str)
@pytest.mark.parametrize("variant", [KEYS_GIVEN, LOWER, LOWER | NAMED, BARE | LOWER, ID_ALONE])
def test_a_thing_that_is_created_again_in_another_spelling_keeps_its_device(
    world: World, farm: Function, order: tuple[int, ...], variant: int
) -> None:
    make(world, farm)
    remove(world, DUBLIN, BARN)
    put(world, DUBLIN, BARN, described(farm, TANK, variant))
    in_order(world, farm, order)
    settle(world)
    assert exists(world)


def test_a_thing_that_is_created_again_with_another_key_loses_neither(world: World, farm: Function) -> None:
    make(world, farm)
    remove(world, DUBLIN, BARN)
    put(world, DUBLIN, BARN, described(farm, TANK, NAMED) | {"appKey": KEYS[1]})
    in_order(world, farm, (1, 0))
    settle(world)
    device = world.cluster.servers.join.devices[FARM, TANK.device_id]
    assert KEYS[1] in (attributes(world).get("appKey"), device["root_keys"]["app_key"]["key"])


def test_a_device_that_got_its_thing_by_sending_goes_with_it_before_any_comparison(
    world: World, farm: Function
) -> None:
    register(world, TANK, FARM, 0)
    put(world, DUBLIN, BARN, described(farm, TANK, BARE | NAMED))
    world.work_off()
    remove(world, DUBLIN, BARN)
    world.work_off()
    assert not exists(world)
    settle(world)
    assert world.things() == []


def test_deleting_the_last_thing_of_a_device_deletes_it(world: World, farm: Function) -> None:
    make(world, farm)
    put(world, DUBLIN, SHED, described(farm, TANK, LOWER))
    world.work_off()
    for name in (BARN, SHED):
        remove(world, DUBLIN, name)
        world.work_off()
    assert world.cluster.servers.identity.devices == {}
    settle(world)
    assert world.things() == []


def test_a_device_that_was_registered_again_outlives_the_dead_letter_of_its_old_thing(
    world: World, farm: Function
) -> None:
    make(world, farm)
    remove(world, DUBLIN, BARN)
    world.work_off()
    register(world, TANK, FARM, 0)
    world.deliver_again(farm, -1)
    settle(world)
    assert exists(world)


# Changed -------------------------------------------------------------------------------------------------------------


def test_a_thing_whose_attributes_were_wiped_keeps_its_device(world: World, farm: Function) -> None:
    make(world, farm)
    put(world, DUBLIN, BARN, {"room": "12"})
    settle(world)
    assert exists(world)
    assert attributes(world)["room"] == "12"


def test_deleting_a_wiped_thing_deletes_its_device(world: World, farm: Function) -> None:
    make(world, farm)
    put(world, DUBLIN, BARN, {"room": "12"})
    world.work_off()
    remove(world, DUBLIN, BARN)
    settle(world)
    assert (world.things(), exists(world)) == ([], False)


@pytest.mark.parametrize("hardware", [TANK, OTHER], ids=["same device", "other device"])
def test_a_wiped_thing_that_was_created_again_gets_nothing_back_by_its_name(
    world: World, farm: Function, hardware: Hardware
) -> None:
    make(world, farm)
    farm.account.events_enabled = False
    recreate(world, farm, hardware)
    put(world, DUBLIN, BARN, {"room": "12"})
    farm.account.events_enabled = True
    settle(world)
    assert (attributes(world), exists(world)) == ({"room": "12"}, True)
    assert [each["kept_for"] for each in farm.account.log if each["event"] == "end_device_kept"] == [None]


@pytest.mark.parametrize("compared", [False, True], ids=["before a comparison", "after a comparison"])
@pytest.mark.parametrize("wiped", [False, True], ids=["other device", "wiped"])
def test_the_event_of_a_deleted_thing_deletes_its_device_whatever_the_next_thing_of_that_name_is(
    world: World, farm: Function, compared: bool, wiped: bool
) -> None:
    make(world, farm)
    recreate(world, farm, OTHER)
    if wiped:
        put(world, DUBLIN, BARN, {"room": "12"})
    waiting = [farm.waiting.pop() for _ in range(len(farm.waiting))]
    if compared:
        compare(world, farm)
    farm.waiting.extend(Message(each.body) for each in waiting)
    settle(world)
    assert not exists(world)


def test_a_wiped_thing_that_was_created_again_and_seen_since_gets_its_attributes_back(
    world: World, farm: Function
) -> None:
    make(world, farm)
    recreate(world, farm, TANK)
    world.work_off()
    put(world, DUBLIN, BARN, {"room": "12"})
    settle(world)
    assert (attributes(world)["devEUI"], exists(world)) == (TANK.dev_eui, True)


def test_a_wiped_thing_that_the_comparison_created_gets_its_attributes_back(world: World, farm: Function) -> None:
    register(world, TANK, FARM, 0)
    farm.account.events_enabled = False
    settle(world)
    ((_, name),) = [each for each in world.things() if each[0] == DUBLIN]
    put(world, DUBLIN, name, {"room": "12"})
    farm.account.events_enabled = True
    settle(world)
    assert attributes(world, name)["devEUI"] == TANK.dev_eui


def recreate(world: World, at: Function, hardware: Hardware) -> None:
    """The thing is deleted and created again under its name, for one of the devices; the events wait."""
    remove(world, DUBLIN, BARN)
    put(world, DUBLIN, BARN, described(at, hardware, NAMED))


@pytest.mark.parametrize("registered", [False, True], ids=["new device", "known device"])
def test_a_thing_that_gets_another_eui_leaves_its_first_device_as_it_is(
    world: World, farm: Function, registered: bool
) -> None:
    if registered:
        register(world, OTHER, FARM, 0)
    make(world, farm, variant=KEYS_GIVEN)
    correct_eui(world, world.things().index((DUBLIN, BARN)), 4, 0, 0)
    settle(world)
    assert exists(world)


def test_the_late_event_of_an_earlier_thing_deletes_no_device_of_a_thing_that_got_another_eui(
    world: World, farm: Function
) -> None:
    put(world, DUBLIN, BARN, described(farm, TANK, KEYS_GIVEN))
    remove(world, DUBLIN, BARN)
    late = next(message for message in farm.waiting if '"DELETED"' in message.body)
    farm.waiting.clear()
    make(world, farm, variant=KEYS_GIVEN)
    correct_eui(world, world.things().index((DUBLIN, BARN)), 4, 0, 0)
    world.work_off()
    farm.waiting.append(Message(late.body))
    settle(world)
    assert exists(world)


def test_a_key_that_is_corrected_while_the_device_is_made_is_not_lost(world: World, farm: Function) -> None:
    for call in range(1, 12):
        fresh = World(OnThingDeleted.DELETE, True)
        begin(fresh)
        at = fresh.functions[0]
        put(fresh, DUBLIN, BARN, described(at, TANK, NAMED))
        at.transport.happens = lambda fresh=fresh: person_corrects(fresh)
        fresh.deliver(at, failure=Failure("The Things Stack", call, "a person corrects the key"))
        settle(fresh)
        corrected = any("02" * 16 in line for line in fresh.story)
        key = fresh.cluster.servers.join.devices[FARM, TANK.device_id]["root_keys"]["app_key"]["key"]
        assert key == (KEYS[1] if corrected else KEYS[0]), "\n".join(fresh.story)


# Given to another stack ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "other"), [(0, "Field"), (2, "Yard")], ids=["same application", "other application"])
def test_a_thing_that_is_given_to_another_stack_releases_its_device(world: World, at: int, other: str) -> None:
    of = world.functions[at]
    make(world, of)
    region = world.regions[of.place.region]
    put(world, of.place.region, BARN, {**region.things[BARN], "stackName": other})
    settle(world)
    assert exists(world)


@pytest.mark.parametrize("other", ["Field", "Elsewhere"])
@pytest.mark.parametrize("missed", [False, True], ids=["events", "events missed"])
def test_a_thing_that_is_given_back_gets_its_device_back(
    world: World, farm: Function, other: str, missed: bool
) -> None:
    make(world, farm)
    for stack in (other, "Farm"):
        farm.account.events_enabled = not missed
        put(world, DUBLIN, BARN, {**attributes(world), "stackName": stack})
        settle(world)
    ((_, record),) = world.witness.records()
    mark = mark_of(record)
    assert mark
    assert farm.place.has(mark)
    farm.account.events_enabled = True
    remove(world, DUBLIN, BARN)
    settle(world)
    assert not exists(world)


@pytest.mark.parametrize("count", [4, 12])
@pytest.mark.parametrize("other", ["Field", "Elsewhere"])
def test_a_fleet_that_is_given_to_another_stack_does_not_keep_deletions_refused(
    world: World, farm: Function, count: int, other: str
) -> None:
    hardware = fleet(count)
    for number, each in enumerate(hardware):
        make(world, farm, each, f"thing-{number}")
        put(world, DUBLIN, f"thing-{number}", {**attributes(world, f"thing-{number}"), "stackName": other})
    settle(world)
    assert all(exists(world, each) for each in hardware)
    last = Hardware("last", "A81758FFFE0002FF", TANK.join_eui)
    make(world, farm, last, "last")
    farm.account.events_enabled = False
    remove(world, DUBLIN, "last")
    farm.account.events_enabled = True
    settle(world)
    assert not exists(world, last)


def fleet(count: int) -> list[Hardware]:
    """A number of devices."""
    return [Hardware(f"tank-{n}", f"A81758FFFE0001{n:02X}", TANK.join_eui) for n in range(count)]


# No room -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [0, 7, 8, 9, 10])
@pytest.mark.parametrize("variant", [BARE, NAMED])
def test_a_device_with_attributes_of_its_own_is_compared_without_work(
    world: World, farm: Function, own: int, variant: int
) -> None:
    register(world, TANK, FARM, own)
    put(world, DUBLIN, BARN, described(farm, TANK, variant))
    settle(world)
    assert exists(world)
    failed = {name for name, shadow in farm.account.shadows.items() if shadow.get("state") == "failed"}
    assert failed == set()


def test_a_device_whose_thing_has_its_name_taken_is_compared_without_work(world: World, farm: Function) -> None:
    register(world, TANK, FARM, 0)
    for region in (DUBLIN, OHIO):
        put(world, region, str(TANK.dev_eui), {"stackName": "Farm", "deviceID": BELL.device_id})
    settle(world)
    assert exists(world)


def test_a_device_without_a_dev_eui_is_compared_without_work(world: World, farm: Function) -> None:
    register(world, BELL, FARM, 0)
    settle(world)
    assert (DUBLIN, "Farm_bell") in world.things()
