"""Which thing stands for which end device: found, created if missing and remembered, on moto's registry."""

import gc
import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import boto3
import pytest

from tests.unit.conftest import AnswerWith, Clock, refusal
from thingbridge.aws.clients import Clients
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import Busy, Misconfigured
from thingbridge.flows.thing_directory import ABSENT_FOR, KNOWN_FOR, ThingDirectory
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry.identity import MismatchingStack, NameTaken, StackOfThings, ThingNameScheme

GROUP = "/thethings/lorawan/farm/things"
DEVICE = EndDeviceIdentifiers("tank-7", "A81758FFFE0312AB", "A81758FFFE000001")
PERSONALIZED = EndDeviceIdentifiers("tank-7", "A81758FFFE0312AB", None)
WITHOUT_EUI = EndDeviceIdentifiers("tank-7", None, None)

Calls = Callable[[], dict[str, int]]


@pytest.fixture
def directory(iot: Any, clients: Clients, clock: Clock) -> ThingDirectory:
    """The directory of the stack `farm`, which names things after their DevEUI."""
    return open_directory(clients, ThingNameScheme.DEV_EUI, now=clock)


def open_directory(clients: Clients, scheme: ThingNameScheme, **options: Any) -> ThingDirectory:
    clients("logs").create_log_group(logGroupName=GROUP)
    clients.take_calls()
    stack = StackOfThings("farm", "lorawan", scheme)
    return ThingDirectory(Things(clients), stack, ThingsLog(clients, GROUP), **options)


def log(stream: str) -> list[dict[str, Any]]:
    events = boto3.client("logs").get_log_events(logGroupName=GROUP, logStreamName=stream)["events"]
    return [json.loads(event["message"]) for event in events]


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
    assert used < 1_000_000  # of 5,000,000 bytes


def test_a_deleted_thing_is_created_again_within_a_minute(directory: ThingDirectory, iot: Any, clock: Clock) -> None:
    directory.find_or_create(DEVICE)
    iot.delete_thing(thingName="A81758FFFE0312AB")
    clock.now = KNOWN_FOR + 1
    directory.find_or_create(DEVICE)
    assert iot.describe_thing(thingName="A81758FFFE0312AB")


def test_the_memory_is_bounded_and_forgets_the_oldest_thing(iot: Any, clients: Clients, calls: Calls) -> None:
    directory = open_directory(clients, ThingNameScheme.DEVICE_ID, capacity=2)
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
    for _ in range(2):
        with pytest.raises(NameTaken, match="taken") as caught:
            directory.find_or_create(DEVICE)
        assert caught.value.thing_name == "A81758FFFE0312AB"


@pytest.mark.parametrize("left", [{}, {"room": "12"}, {"stackName": "farm"}])
def test_a_thing_whose_attributes_were_overwritten_keeps_the_messages_of_its_device(
    directory: ThingDirectory, iot: Any, calls: Calls, answer_with: AnswerWith, left: dict[str, str]
) -> None:
    create(iot, "A81758FFFE0312AB", **left)
    answer_with("iot", "CreateThing", 409, "ResourceAlreadyExistsException")
    calls()
    assert directory.find_known(PERSONALIZED) == "A81758FFFE0312AB"
    assert directory.find_or_create(DEVICE) == "A81758FFFE0312AB"
    assert "CreateThing" not in calls()
    # Who publishes a message does not decide which device a thing stands for: the comparison restores that.
    assert iot.describe_thing(thingName="A81758FFFE0312AB")["attributes"] == left


def test_a_thing_that_is_overwritten_while_it_is_looked_up_keeps_the_message(
    directory: ThingDirectory, iot: Any
) -> None:
    def create_first(**_: Any) -> Any:
        create(boto3.client("iot"), "A81758FFFE0312AB", room="12")
        return refusal(409, "ResourceAlreadyExistsException")

    iot.meta.events.register("before-call.iot.CreateThing", create_first)
    assert directory.find_or_create(DEVICE) == "A81758FFFE0312AB"


def test_a_thing_of_another_type_or_stack_with_the_name_for_a_device_gets_no_messages(
    directory: ThingDirectory, iot: Any, answer_with: AnswerWith
) -> None:
    create(iot, "A81758FFFE0312AB", stackName="other")
    create(iot, "A81758FFFE0312AC")
    iot.update_thing(thingName="A81758FFFE0312AC", removeThingType=True)
    answer_with("iot", "CreateThing", 409, "ResourceAlreadyExistsException")
    for dev_eui in ("A81758FFFE0312AB", "A81758FFFE0312AC"):
        with pytest.raises(NameTaken):
            directory.find_or_create(EndDeviceIdentifiers("tank-7", dev_eui, "A81758FFFE000001"))


def test_a_thing_that_has_the_dev_eui_comes_before_one_that_only_has_the_name(
    directory: ThingDirectory, iot: Any
) -> None:
    create(iot, "A81758FFFE0312AB")
    create(iot, "barn", devEUI="A81758FFFE0312AB", stackName="farm")
    assert directory.find_or_create(DEVICE) == "barn"


def test_a_thing_that_was_created_for_the_device_in_the_meantime_is_used(directory: ThingDirectory, iot: Any) -> None:
    def create_first(**_: Any) -> Any:
        create(boto3.client("iot"), "A81758FFFE0312AB", devEUI="A81758FFFE0312AB", stackName="farm", site="barn")
        return refusal(409, "ResourceAlreadyExistsException")

    iot.meta.events.register("before-call.iot.CreateThing", create_first)
    assert directory.find_or_create(DEVICE) == "A81758FFFE0312AB"


def test_a_refusal_that_is_raised_again_does_not_grow(directory: ThingDirectory, iot: Any) -> None:
    create(iot, "barn", devEUI="A81758FFFE0312AB", stackName="other")

    def frames() -> int:
        """The length of the traceback that a caller sees."""
        with pytest.raises(MismatchingStack) as caught:
            directory.find_or_create(DEVICE)
        return len(caught.traceback)

    frames()
    first = frames()
    assert {frames() for _ in range(20)} == {first}


# Device ids ---------------------------------------------------------------------------------------------------------


def test_a_device_without_a_dev_eui_finds_a_thing_of_any_name_by_its_device_id(
    directory: ThingDirectory, iot: Any
) -> None:
    create(iot, "a-barn", deviceID="tank-7", stackName="other")
    create(iot, "barn", deviceID="tank-7", devEUI="A81758FFFE0312AB", stackName="farm")
    assert directory.find_or_create(WITHOUT_EUI) == "barn"


@pytest.mark.parametrize("scheme", ThingNameScheme)
@pytest.mark.parametrize("name", ["farm_tank-7", "barn"])
def test_a_thing_without_a_dev_eui_stays_the_devices_thing_and_gains_the_dev_eui(
    iot: Any, clients: Clients, scheme: ThingNameScheme, name: str
) -> None:
    create(iot, name, deviceID="tank-7", stackName="farm", site="north")
    assert open_directory(clients, scheme).find_or_create(PERSONALIZED) == name
    assert iot.describe_thing(thingName=name)["attributes"] == {
        "devEUI": "A81758FFFE0312AB",
        "deviceID": "tank-7",
        "stackName": "farm",
        "site": "north",
    }
    (entry,) = log(name)
    assert (entry["event"], entry["attributes"]) == ("identifiers_added", {"devEUI": "A81758FFFE0312AB"})


def test_a_thing_that_aws_does_not_let_change_stays_the_devices_thing(
    directory: ThingDirectory, iot: Any, answer_with: AnswerWith
) -> None:
    create(iot, "farm_tank-7", deviceID="tank-7", stackName="farm")
    answer_with("iot", "UpdateThing", 400, "InvalidRequestException")
    assert directory.find_or_create(PERSONALIZED) == "farm_tank-7"
    assert [entry["event"] for entry in log("farm_tank-7")] == ["identifiers_not_added"]


def test_a_busy_registry_has_the_identifiers_added_later(
    directory: ThingDirectory, iot: Any, answer_with: AnswerWith
) -> None:
    create(iot, "farm_tank-7", deviceID="tank-7", stackName="farm")
    answer_with("iot", "UpdateThing", 503, "ServiceUnavailableException")
    for _ in range(2):
        with pytest.raises(Busy):
            directory.find_or_create(PERSONALIZED)


def test_a_thing_of_another_device_with_the_same_device_id_is_not_touched(directory: ThingDirectory, iot: Any) -> None:
    before = {"deviceID": "tank-7", "devEUI": "A81758FFFE0312AC", "stackName": "farm"}
    create(iot, "farm_tank-7", **before)
    assert directory.find_or_create(PERSONALIZED) == "A81758FFFE0312AB"
    assert iot.describe_thing(thingName="farm_tank-7")["attributes"] == before


def test_a_new_device_that_joins_over_the_air_costs_no_search_by_device_id(
    directory: ThingDirectory, calls: Calls
) -> None:
    directory.find_or_create(DEVICE)
    assert calls() == {"DescribeThing": 2, "ListThings": 2, "CreateThing": 1}


# Messages that make no thing ----------------------------------------------------------------------------------------


def test_a_device_that_is_only_looked_up_gets_no_thing(directory: ThingDirectory, iot: Any, calls: Calls) -> None:
    assert directory.find_known(DEVICE) is None
    assert "CreateThing" not in calls()
    create(iot, "A81758FFFE0312AB", devEUI="A81758FFFE0312AB", stackName="farm")
    assert directory.find_known(DEVICE) == "A81758FFFE0312AB"


def test_a_device_without_a_thing_does_not_use_up_the_scarce_list_call(
    directory: ThingDirectory, clock: Clock, iot: Any, calls: Calls
) -> None:
    assert directory.find_known(DEVICE) is None
    assert calls()["ListThings"] == 2
    for _ in range(3):
        assert directory.find_known(DEVICE) is None
    assert "ListThings" not in calls()
    create(iot, "barn", devEUI="A81758FFFE0312AB", stackName="farm")
    clock.now = ABSENT_FOR + 1
    assert directory.find_known(DEVICE) == "barn"


def test_a_device_that_was_without_a_thing_a_moment_ago_gets_one_with_its_uplink(directory: ThingDirectory) -> None:
    assert directory.find_known(DEVICE) is None
    assert directory.find_or_create(DEVICE) == directory.find_known(DEVICE) == "A81758FFFE0312AB"


# The thing type -----------------------------------------------------------------------------------------------------


def test_a_device_waits_for_its_thing_type(directory: ThingDirectory, iot: Any) -> None:
    iot.deprecate_thing_type(thingTypeName="lorawan")
    with pytest.raises(Misconfigured, match="deprecated"):
        directory.find_or_create(DEVICE)
    iot.delete_thing_type(thingTypeName="lorawan")
    with pytest.raises(Misconfigured, match="the thing type does not exist"):
        directory.find_or_create(DEVICE)
    iot.create_thing_type(thingTypeName="lorawan")
    assert directory.find_or_create(DEVICE) == "A81758FFFE0312AB"
