"""A device is deleted only on proof: a thing of this stack, account and region is gone, and no other stands for it.

Each test plays changes that people make to things, with the events that they cause and the comparison.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from tests import cases
from tests.unit.flows.registry.conftest import ACCOUNT, APPLICATION, REGION, SERVERS, Application, Stack, StackIn
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import Busy
from thingbridge.flows.registry.deletions import Deletions
from thingbridge.flows.registry.standing import StandingThings
from thingbridge.pacing import TokenBucket
from thingbridge.registry.attributes import reference
from thingbridge.registry.identity import StackOfThings, ThingNameScheme
from thingbridge.registry.marks import Owner
from thingbridge.registry.work_items import WorkItem
from thingbridge.things_stack.client import ThingsStack

EUI = "A81758FFFE0312AB"
OTHER_EUI = "A81758FFFE0312AC"
DEVICE_ID = f"eui-{EUI.lower()}"
APP_KEY = "0123456789ABCDEF0123456789ABCDEF"
DESCRIPTION = {
    "joinEUI": "A81758FFFE000001",
    "lorawanVersion": "1.0.3",
    "regionalParametersVersion": "1.0.3-a",
    "appKey": APP_KEY,
}
WHOLE = list(SERVERS)


def fleet(application: Application, size: int) -> list[str]:
    for number in range(size):
        application.register(f"tank-{number}", f"A81758FFFE{number:06X}")
    return application.device_ids()


def in_step(stack: Stack) -> None:
    """Compare until nothing is left to do."""
    for _ in range(3):
        stack.compare()
    stack.run()
    assert stack.work() == []


def quiet(stack: Stack, application: Application) -> None:
    """No later run sends work, records anything or deletes."""
    before = application.device_ids(), {name: stack.events(name) for name in [*stack.things(), None]}
    for _ in range(2):
        stack.run()
        assert stack.work() == []
    assert (application.device_ids(), {name: stack.events(name) for name in [*stack.things(), None]}) == before


def made(stack: Stack, name: str = "barn", **attributes: str) -> dict[str, str]:
    """A thing and its device; returns the thing's attributes."""
    stack.put(name, **{"devEUI": EUI, **DESCRIPTION, **attributes})
    stack.announce("CREATED", name)
    return stack.things()[name]


# Elsewhere


@pytest.mark.parametrize(
    "elsewhere", [{"region": "us-east-1"}, {"account": "999999999999"}], ids=["another region", "another account"]
)
def test_the_same_stack_applied_elsewhere_deletes_no_device_of_the_first(
    stack_in: StackIn, application: Application, elsewhere: dict[str, str]
) -> None:
    devices = fleet(application, 8)
    in_step(stack_in())
    marks = {each: application.attributes(each) for each in devices}
    second = stack_in(**elsewhere)
    for number, each in enumerate(devices):
        second.put(f"A81758FFFE{number:06X}", devEUI=f"A81758FFFE{number:06X}", deviceID=each)
    in_step(second)
    assert application.device_ids() == devices
    assert {each: application.attributes(each) for each in devices} == marks
    # Both have the things; a thing that is deleted in one place does not take the device of the other.
    attributes = second.things()["A81758FFFE000000"]
    second.iot.delete_thing(thingName="A81758FFFE000000")
    second.deliver("DELETED", "A81758FFFE000000", attributes)
    assert application.device_ids() == devices
    (entry,) = [each for each in second.log("A81758FFFE000000") if each["event"] == "end_device_kept"]
    assert "it has the mark of the stack farm of the account 123456789012 in eu-west-1" in entry["reason"]


# Created again


@pytest.mark.parametrize("created_first", [True, False], ids=["created, deleted", "deleted, created"])
@pytest.mark.parametrize(
    ("new_name", "spelling"),
    [
        ("shed", {}),
        ("shed", {"devEUI": EUI.lower()}),
        ("barn", {"devEUI": EUI.lower()}),
        ("barn", {"deviceID": DEVICE_ID}),
        ("shed", {"deviceID": DEVICE_ID, "devEUI": ""}),
    ],
    ids=["other name", "other name, lower case", "lower case", "device id named", "device id alone"],
)
def test_a_thing_created_again_keeps_its_device_and_its_keys_in_any_order_of_the_events(
    stack_in: StackIn, application: Application, new_name: str, spelling: dict[str, str], created_first: bool
) -> None:
    farm = stack_in(SCRUB_KEYS="true")
    old = made(farm)
    new = {name: value for name, value in {"devEUI": EUI, **DESCRIPTION, **spelling}.items() if value}
    if "devEUI" not in new:
        new = {"deviceID": DEVICE_ID}
    new_key = "FEDCBA9876543210FEDCBA9876543210"
    new |= {"appKey": new_key} if "appKey" in new else {}
    farm.iot.delete_thing(thingName="barn")
    farm.put(new_name, **new)
    events_in_order = [lambda: farm.announce("CREATED", new_name), lambda: farm.deliver("DELETED", "barn", old)]
    for deliver in events_in_order if created_first else reversed(events_in_order):
        deliver()
    assert application.knowing(DEVICE_ID) == WHOLE
    # The key is on the thing or on the device, never on neither.
    thing = farm.things()[new_name]
    assert "appKey" not in new or new_key in (thing.get("appKey"), application.app_key(DEVICE_ID))
    (kept,) = [each for each in farm.log("barn") if each["event"] == "end_device_kept"]
    assert kept["kept_for"] == new_name
    in_step(farm)
    assert application.knowing(DEVICE_ID) == WHOLE
    assert application.attributes(DEVICE_ID)["aws-iot-thing"].endswith(f"/{new_name}")


@pytest.mark.parametrize("with_keys", [True, False])
def test_a_device_whose_deletion_had_begun_is_completed_from_the_new_thing_or_reported_there(
    farm: Stack, application: Application, with_keys: bool
) -> None:
    old = made(farm)
    del application.simulation.servers.application.devices[APPLICATION, DEVICE_ID]
    farm.iot.delete_thing(thingName="barn")
    farm.put("shed", devEUI=EUI, **(DESCRIPTION if with_keys else {}))
    farm.deliver("DELETED", "barn", old)
    assert farm.events("barn")[-1] == "end_device_kept"
    in_step(farm)
    reported = [each["reason"] for each in farm.log("shed") if each["event"] == "end_device_incomplete"]
    if with_keys:
        assert (reported, application.knowing(DEVICE_ID)) == ([], WHOLE)
    else:
        assert len(reported) == 1
        assert "it is not on the Application Server" in reported[0]
        assert application.knowing(DEVICE_ID) == [each for each in WHOLE if each != "application"]


def test_a_thing_renamed_while_events_were_missed_keeps_its_device(farm: Stack, application: Application) -> None:
    made(farm)
    farm.iot.delete_thing(thingName="barn")
    farm.put("shed", deviceID=DEVICE_ID)
    in_step(farm)
    assert application.knowing(DEVICE_ID) == WHOLE


def test_a_deletion_whose_device_another_stacks_thing_stands_for_deletes_nothing(
    farm: Stack, stack_in: StackIn, application: Application
) -> None:
    old = made(farm)
    orchard = stack_in("orchard")
    orchard.put("theirs", devEUI=EUI.lower())
    farm.iot.delete_thing(thingName="barn")
    farm.deliver("DELETED", "barn", old)
    assert application.knowing(DEVICE_ID) == WHOLE
    assert farm.log("barn")[-1]["kept_for"] == "theirs"
    farm.compare()
    marked = application.attributes(DEVICE_ID)["aws-iot-thing"]
    assert (marked.startswith(f"{REGION}/{ACCOUNT}/orchard/unfinished/"), marked.endswith("/theirs")) == (True, True)
    in_step(orchard)
    in_step(farm)
    assert application.knowing(DEVICE_ID) == WHOLE
    assert orchard.run()["InStep"] == farm.run()["Foreign"] == 1


def test_a_device_whose_thing_is_renamed_while_it_is_made_is_not_taken_back(
    farm: Stack, application: Application
) -> None:
    farm.put("barn", devEUI=EUI, **DESCRIPTION)
    attributes = farm.things()["barn"]
    describe, calls = farm.iot.describe_thing, []

    def renamed_meanwhile(params: Any, **_: Any) -> None:
        calls.append(params)
        if len(calls) == 2:
            farm.iot.delete_thing(thingName="barn")
            farm.put("shed", devEUI=EUI, **DESCRIPTION)

    farm.iot.meta.events.register("provide-client-params.iot.DescribeThing", renamed_meanwhile)
    farm.deliver("CREATED", "barn", attributes)
    assert describe(thingName="shed")
    assert application.knowing(DEVICE_ID) == WHOLE


@dataclass
class Meanwhile:
    """The end devices of an application, among which one appears right after it was looked for."""

    end_devices: Any
    appear: Callable[[], None]

    def search(self, dev_eui: str) -> Any:
        found = self.end_devices.search(dev_eui)
        if found is None:
            self.appear()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.end_devices, name)


def test_a_device_that_appears_while_a_deletion_finds_none_is_looked_at_again(
    farm: Stack, application: Application, things_stack: ThingsStack
) -> None:
    farm.put("shed", devEUI=EUI)
    owner, stack = Owner(REGION, ACCOUNT, "farm"), StackOfThings("farm", "lorawan", ThingNameScheme.DEV_EUI)
    devices = Meanwhile(things_stack.end_devices, lambda: application.register("tank-7", EUI))
    deletions = Deletions(
        owner,
        StandingThings(stack, Things(farm.clients), TokenBucket(rate=100)),
        SimpleNamespace(end_devices=devices),  # type: ignore[arg-type]
        ThingsLog(farm.clients, farm.environment["THINGS_LOG_GROUP"]),
    )
    with pytest.raises(Busy):
        deletions.follow("barn", reference({"devEUI": EUI, "stackName": "farm"}))
    assert application.knowing("tank-7") == WHOLE


def test_a_deleted_thing_that_nothing_stands_in_for_takes_its_device(farm: Stack, application: Application) -> None:
    old = made(farm)
    farm.iot.delete_thing(thingName="barn")
    farm.deliver("DELETED", "barn", old)
    assert application.device_ids() == []
    made(farm)
    farm.iot.delete_thing(thingName="barn")
    farm.compare()
    assert application.device_ids() == []


# Changed attributes


def test_an_update_that_overwrites_attributes_costs_no_device_and_is_undone(
    farm: Stack, application: Application
) -> None:
    case = cases.load("5-update-thing-overwrites-attributes")
    device, expected = case["device"], case["expected"]
    application.register(device["device_id"], device["dev_eui"])
    in_step(farm)
    farm.iot.update_thing(thingName=case["thing_name"], attributePayload=case["update"])
    farm.compare()
    assert application.knowing(device["device_id"]) == WHOLE
    assert farm.things()[case["thing_name"]] == expected["thing_attributes"]
    assert farm.events(case["thing_name"])[-1] == expected["recorded"]
    in_step(farm)
    quiet(farm, application)


def test_a_device_whose_thing_lost_its_keys_keeps_its_own(farm: Stack, application: Application) -> None:
    made(farm)
    farm.update("barn", merge=False, room="12")
    in_step(farm)
    assert application.knowing(DEVICE_ID) == WHOLE
    assert application.app_key(DEVICE_ID) == APP_KEY
    assert "appKey" not in farm.things()["barn"]
    quiet(farm, application)


def test_a_thing_of_the_same_name_but_another_type_is_left_alone(farm: Stack, application: Application) -> None:
    made(farm)
    farm.iot.delete_thing(thingName="barn")
    farm.iot.create_thing(thingName="barn", attributePayload={"attributes": {"doors": "2"}})
    in_step(farm)
    assert application.knowing(DEVICE_ID) == WHOLE
    assert farm.things()["barn"] == {"doors": "2"}
    assert farm.events("barn")[-1] == "end_device_kept"
    quiet(farm, application)


@pytest.mark.parametrize("named", [False, True], ids=["by DevEUI", "by device id as well"])
def test_a_device_whose_thing_now_stands_for_another_is_kept_and_the_log_names_the_fix(
    farm: Stack, application: Application, named: bool
) -> None:
    application.register("tank-7", EUI)
    farm.put("barn", devEUI=EUI, **({"deviceID": "tank-7"} if named else {}))
    in_step(farm)
    farm.update("barn", devEUI=OTHER_EUI)
    farm.announce("UPDATED", "barn")
    in_step(farm)
    assert application.knowing("tank-7") == WHOLE
    (entry,) = farm.log("barn")
    assert (entry["event"], entry["device_id"]) == ("end_device_kept", "tank-7")
    assert "delete tank-7 in The Things Stack, or create a thing for it" in entry["reason"]
    quiet(farm, application)
    assert farm.run()["Retained"] == 1
    # The correction is taken back: the thing stands for the device again.
    farm.update("barn", devEUI=EUI)
    in_step(farm)
    assert farm.run()["InStep"] == 1


def test_a_corrected_dev_eui_makes_a_new_device_and_keeps_the_old_one(farm: Stack, application: Application) -> None:
    made(farm)
    farm.update("barn", devEUI=OTHER_EUI)
    farm.announce("UPDATED", "barn")
    in_step(farm)
    assert application.knowing(DEVICE_ID) == application.knowing(f"eui-{OTHER_EUI.lower()}") == WHOLE
    quiet(farm, application)


def test_a_device_whose_thing_has_lost_its_stack_name_is_kept_until_it_has_it_again(
    farm: Stack, application: Application
) -> None:
    made(farm)
    farm.update("barn", stackName="")
    in_step(farm)
    assert application.knowing(DEVICE_ID) == WHOLE
    assert "set it to farm" in farm.log("barn")[-1]["reason"]
    quiet(farm, application)
    farm.update("barn", stackName="farm")
    in_step(farm)
    assert farm.run()["InStep"] == 1


# Given to another stack


def test_things_given_to_another_stack_release_their_devices_and_the_guard_opens(
    farm: Stack, stack_in: StackIn, application: Application
) -> None:
    devices = fleet(application, 12)
    in_step(farm)
    orchard = stack_in("orchard")
    for name in farm.things():
        farm.update(name, stackName="orchard")
    counts = farm.compare()
    assert counts["Refused"] == 12
    assert application.device_ids() == devices
    handed_over = f"{REGION}/{ACCOUNT}/orchard/unfinished/"
    assert all(application.attributes(each)["aws-iot-thing"].startswith(handed_over) for each in devices)
    assert "end_device_released" in farm.events("A81758FFFE000000")
    in_step(orchard)
    assert farm.compare()["Refused"] == 0
    assert orchard.run()["InStep"] == 12
    quiet(farm, application)


def test_a_thing_of_another_stack_with_the_same_device_id_alone_is_doubtful_so_the_device_is_kept(
    farm: Stack, stack_in: StackIn, application: Application
) -> None:
    old = made(farm)
    stack_in("orchard").put("theirs", deviceID=DEVICE_ID)
    farm.iot.delete_thing(thingName="barn")
    farm.deliver("DELETED", "barn", old)
    assert application.knowing(DEVICE_ID) == WHOLE
    assert "delete the device in The Things Stack" in farm.log("barn")[-1]["reason"]
    in_step(farm)
    assert application.knowing(DEVICE_ID) == WHOLE
    # It does not come back as a thing.
    assert set(farm.things()) == {"theirs"}
    quiet(farm, application)


# The guard


def test_as_many_deletions_as_a_fleet_has_devices_are_refused_and_the_log_names_the_fix(
    farm: Stack, application: Application
) -> None:
    devices = fleet(application, 8)
    in_step(farm)
    for name in farm.things():
        farm.iot.delete_thing(thingName=name)
    for _ in range(2):
        assert farm.compare()["Refused"] == 8
    assert application.device_ids() == devices
    (line,) = [each for each in farm.lines if each.get("event") == "sync_deletions_refused"]
    assert "`thingbridge sync --stack farm --allow-deletions 8`" in line["reason"]
    assert farm.compare(allowDeletions=7)["Refused"] == 8
    assert farm.compare(allowDeletions=8)["DeletedThings"] == 8
    assert application.device_ids() == []


def test_a_report_names_the_devices_that_would_be_deleted(farm: Stack, application: Application) -> None:
    fleet(application, 2)
    in_step(farm)
    for name in farm.things():
        farm.iot.delete_thing(thingName=name)
    assert farm.compare(mode="report")["DeletedThings"] == 2
    named = [each["device_id"] for each in farm.lines if each.get("event") == "sync_would_delete"]
    assert named == ["tank-0", "tank-1"]
    assert len(application.device_ids()) == 2


def test_a_stack_that_retains_devices_records_it_once_and_still_restores_attributes(
    stack_in: StackIn, application: Application
) -> None:
    farm = stack_in(ON_THING_DELETED="retain")
    devices = fleet(application, 2)
    in_step(farm)
    farm.iot.delete_thing(thingName="A81758FFFE000000")
    farm.update("A81758FFFE000001", merge=False, room="12")
    in_step(farm)
    assert application.device_ids() == devices
    assert farm.events("A81758FFFE000000").count("end_device_retained") == 1
    assert farm.things()["A81758FFFE000001"]["stackName"] == "farm"
    assert farm.run()["Retained"] == 1
    quiet(farm, application)


# No room for a mark


@pytest.mark.parametrize("variant", range(3), ids=["eight", "nine", "ten"])
def test_a_device_with_many_attributes_of_its_own_works_with_or_without_a_mark(
    farm: Stack, application: Application, variant: int
) -> None:
    case = cases.load("5-device-with-eight-attributes")
    device, chosen = case["device"], case["variants"][variant]
    own = device["attributes"] | chosen["more_attributes"]
    application.register(device["device_id"], device["dev_eui"], **own)
    marked = chosen["expected"]["marked"]
    if not marked:
        # Its thing is made when it first sends.
        farm.put(device["dev_eui"], devEUI=device["dev_eui"], deviceID=device["device_id"])
        farm.announce("CREATED", device["dev_eui"])
    in_step(farm)
    attributes = application.attributes(device["device_id"])
    assert attributes.items() >= own.items()
    assert ("aws-iot-thing" in attributes) is marked
    thing_name = device["dev_eui"]
    assert farm.events(thing_name) == ["end_device_marked" if marked else "end_device_without_mark"]
    counts = farm.run()
    assert (counts["InStep"], counts["Unmarkable"], counts["Failed"]) == ((1, 0, 0) if marked else (0, 1, 0))
    quiet(farm, application)
    # A change is applied, and nothing says that it failed.
    farm.update(thing_name, frequencyPlanID="EU_868_1")
    farm.announce("UPDATED", thing_name)
    assert farm.events(thing_name)[1:] == ["end_device_updated"]


def test_a_mark_that_is_too_long_is_left_out(farm: Stack, application: Application) -> None:
    name = "t" * 128
    long = farm.environment | {"STACK_NAME": "s" * 40}
    stack = Stack(farm.clients, long, farm.arn, farm.capsys)
    stack.put(name, devEUI=EUI, **DESCRIPTION)
    stack.announce("CREATED", name)
    assert application.knowing(DEVICE_ID) == WHOLE
    assert stack.events(name) == ["end_device_created", "end_device_without_mark"]
    assert stack.run()["Unmarkable"] == 1
    quiet(stack, application)


# Corrected keys


def settled(stack: Stack) -> str:
    """The work item that removes the keys of the thing `barn`, without its delay."""
    return WorkItem(thing_name="barn", thing_id=stack.iot.describe_thing(thingName="barn")["thingId"]).body()


def test_a_key_corrected_while_it_is_removed_is_applied_first(stack_in: StackIn, application: Application) -> None:
    farm = stack_in(SCRUB_KEYS="true")
    farm.put("barn", devEUI=EUI, **DESCRIPTION)
    corrected, refused = "FEDCBA9876543210FEDCBA9876543210", []

    def corrected_meanwhile(params: Any, **_: Any) -> Any:
        """As AWS IoT: the version that the function expects is not the current one."""
        if "expectedVersion" in params and not refused:
            refused.append(params["expectedVersion"])
            farm.update("barn", appKey=corrected)
            raise farm.iot.exceptions.VersionConflictException(
                {"Error": {"Code": "VersionConflictException", "Message": ""}}, "UpdateThing"
            )

    farm.announce("CREATED", "barn")
    item = settled(farm)
    farm.iot.meta.events.register("provide-client-params.iot.UpdateThing", corrected_meanwhile)
    farm.handle(item)
    assert len(refused) == 1
    assert application.app_key(DEVICE_ID) == corrected
    assert farm.things()["barn"]["appKey"] == corrected
    farm.handle(settled(farm))
    assert "appKey" not in farm.things()["barn"]
    assert farm.events("barn") == ["end_device_created"]


def test_a_work_item_that_may_not_delete_deletes_nothing(farm: Stack, application: Application) -> None:
    made(farm)
    farm.iot.delete_thing(thingName="barn")
    farm.handle(json.dumps({"operation": "SYNCHRONISE", "deviceID": DEVICE_ID}))
    assert application.knowing(DEVICE_ID) == WHOLE


def test_a_device_id_that_another_device_has_is_not_deleted(farm: Stack, application: Application) -> None:
    application.register("tank-7", OTHER_EUI)
    farm.deliver("DELETED", "barn", {"devEUI": EUI, "deviceID": "tank-7", "stackName": "farm"})
    assert application.device_ids() == ["tank-7"]
    assert farm.events("barn") == ["end_device_not_synchronised"]
