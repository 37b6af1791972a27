"""Which thing stands for which end device: found, created if missing and remembered, on moto's registry."""

import gc
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import boto3
import pytest

from tests.unit.conftest import AnswerWith, Clock, refusal
from thingbridge.aws.clients import Clients
from thingbridge.aws.things import Things
from thingbridge.errors import Refused
from thingbridge.flows.thing_directory import KNOWN_FOR, ThingDirectory
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry.identity import MismatchingStack, StackOfThings, ThingNameScheme

DEVICE = EndDeviceIdentifiers("tank-7", "A81758FFFE0312AB", "A81758FFFE000001")

Calls = Callable[[], dict[str, int]]


@pytest.fixture
def directory(iot: Any, clients: Clients, clock: Clock) -> ThingDirectory:
    """The directory of the stack `farm`, which names things after their DevEUI."""
    clients.take_calls()
    return ThingDirectory(Things(clients), StackOfThings("farm", "lorawan", ThingNameScheme.DEV_EUI), now=clock)


def create(iot: Any, name: str, **attributes: str) -> None:
    iot.create_thing(thingName=name, thingTypeName="lorawan", attributePayload={"attributes": attributes})


def test_an_unknown_device_gets_a_thing_of_the_stack(directory: ThingDirectory, iot: Any) -> None:
    assert directory.find_or_create(DEVICE) == "A81758FFFE0312AB"
    created = iot.describe_thing(thingName="A81758FFFE0312AB")
    assert created["thingTypeName"] == "lorawan"
    assert created["attributes"] == {
        "devEUI": "A81758FFFE0312AB",
        "stackName": "farm",
        "deviceID": "tank-7",
        "joinEUI": "A81758FFFE000001",
    }


def test_a_known_device_costs_no_call(directory: ThingDirectory, calls: Calls) -> None:
    directory.find_or_create(DEVICE)
    calls()
    directory.find_or_create(DEVICE)
    assert calls() == {}


def test_the_scarce_list_call_is_saved_when_the_name_identifies_the_thing(
    directory: ThingDirectory, iot: Any, calls: Calls
) -> None:
    create(iot, "A81758FFFE0312AB", devEUI="A81758FFFE0312AB", stackName="farm")
    calls()
    directory.find_or_create(DEVICE)
    assert calls() == {"DescribeThing": 1}


@pytest.mark.parametrize("spelling", ["A81758FFFE0312AB", "a81758fffe0312ab"])
def test_a_thing_of_any_name_is_found_by_its_dev_eui(directory: ThingDirectory, iot: Any, spelling: str) -> None:
    create(iot, "barn", devEUI=spelling, stackName="farm")
    assert directory.find_or_create(DEVICE) == "barn"


def test_another_stacks_thing_is_a_mismatch_and_nothing_is_created(
    directory: ThingDirectory, iot: Any, calls: Calls
) -> None:
    create(iot, "barn", devEUI="A81758FFFE0312AB", stackName="other")
    calls()
    with pytest.raises(MismatchingStack):
        directory.find_or_create(DEVICE)
    assert "CreateThing" not in calls()


def test_this_stacks_thing_is_found_beside_another_stacks(directory: ThingDirectory, iot: Any) -> None:
    create(iot, "a-barn", devEUI="A81758FFFE0312AB", stackName="other")
    create(iot, "barn", devEUI="A81758FFFE0312AB", stackName="farm")
    assert directory.find_or_create(DEVICE) == "barn"


def test_a_mismatch_is_remembered_for_a_minute_and_then_looked_up_again(
    directory: ThingDirectory, iot: Any, clock: Clock, calls: Calls
) -> None:
    create(iot, "barn", devEUI="A81758FFFE0312AB", stackName="other")
    for at, looked_up in ((0.0, True), (59.0, False), (61.0, True)):
        clock.now = at
        calls()
        with pytest.raises(MismatchingStack):
            directory.find_or_create(DEVICE)
        assert bool(calls()) is looked_up


def test_a_remembered_mismatch_keeps_nothing_of_the_messages_that_met_it(directory: ThingDirectory, iot: Any) -> None:
    create(iot, "barn", devEUI="A81758FFFE0312AB", stackName="other")

    def look_up(message: bytes) -> None:
        assert message
        with suppress(MismatchingStack):
            directory.find_or_create(DEVICE)

    look_up(b"x")
    tracemalloc.start()
    try:
        for _ in range(50):
            look_up(b"x" * 100_000 + b"y")
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 100_000


def test_a_deleted_thing_is_created_again_within_the_hour(directory: ThingDirectory, iot: Any, clock: Clock) -> None:
    directory.find_or_create(DEVICE)
    iot.delete_thing(thingName="A81758FFFE0312AB")
    clock.now = KNOWN_FOR + 1
    directory.find_or_create(DEVICE)
    assert iot.describe_thing(thingName="A81758FFFE0312AB")


def test_the_memory_is_bounded_and_forgets_the_oldest_thing(iot: Any, clients: Clients, calls: Calls) -> None:
    stack = StackOfThings("farm", "lorawan", ThingNameScheme.DEVICE_ID)
    directory = ThingDirectory(Things(clients), stack, capacity=2)
    one, two, three = (EndDeviceIdentifiers(name, None, None) for name in ("one", "two", "three"))
    for device in (one, two, three):
        directory.find_or_create(device)
    calls()
    for device in (two, three):
        directory.find_or_create(device)
    assert calls() == {}
    directory.find_or_create(one)
    assert calls() == {"DescribeThing": 1}


def test_a_name_that_another_device_has_is_refused(
    directory: ThingDirectory, iot: Any, answer_with: AnswerWith
) -> None:
    # This thing was given the DevEUI of one device as its name and the DevEUI of another as its attribute.
    create(iot, "A81758FFFE0312AB", devEUI="A81758FFFE0312AC", stackName="farm")
    # moto overwrites a thing of the same name; AWS answers like this when the attributes differ.
    answer_with("iot", "CreateThing", 409, "ResourceAlreadyExistsException")
    with pytest.raises(Refused, match="taken"):
        directory.find_or_create(DEVICE)


def test_a_thing_that_was_created_for_the_device_in_the_meantime_is_used(directory: ThingDirectory, iot: Any) -> None:
    def create_first(**_: Any) -> Any:
        create(boto3.client("iot"), "A81758FFFE0312AB", devEUI="A81758FFFE0312AB", stackName="farm", site="barn")
        return refusal(409, "ResourceAlreadyExistsException")

    iot.meta.events.register("before-call.iot.CreateThing", create_first)
    assert directory.find_or_create(DEVICE) == "A81758FFFE0312AB"
