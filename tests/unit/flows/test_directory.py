"""Registry events of things and the table that learns from them, in an account in process."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from tests import events
from tests.unit.conftest import AnswerWith, Clock, create_directory_table, refusal
from thingbridge.aws.clients import Clients
from thingbridge.aws.directory_table import DirectoryTable
from thingbridge.aws.queues import Queue
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.flows.directory import ON_ITS_WAY, Directory, rule_output
from thingbridge.flows.shared_directory import EVENTS_COUNTED_EVERY, TRUSTED_FOR, SharedDirectory
from thingbridge.flows.thing_directory import KNOWN_FOR, ThingDirectory
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry.directory import Fact, Surveyed
from thingbridge.registry.identity import MismatchingStack, StackOfThings, ThingNameScheme

EUI, OTHER = "A81758FFFE0312AB", "A81758FFFE0312AC"
DEVICE = EndDeviceIdentifiers("tank-7", EUI, "A81758FFFE000001")
PERSONALIZED = EndDeviceIdentifiers("tank-7", EUI, None)
STACK = StackOfThings("farm", "lorawan", ThingNameScheme.DEV_EUI)
NOTICED = 60.0
"""Seconds within which each copy of a function notices what happened to a thing."""

Calls = Callable[[], dict[str, int]]


@dataclass
class Farm:
    """A stack: its things, its table, and copies of its functions. Time passes with each look at the clock."""

    iot: Any
    clients: Clients
    clock: Clock
    url: str

    def __post_init__(self) -> None:
        self.queue = Queue(self.clients, self.url)
        self.table = DirectoryTable(self.clients, "farm-directory")
        self.log = ThingsLog(self.clients, "things")
        self.directory = Directory(STACK, Things(self.clients), self.table, self.log, self.now)
        self._ticks = itertools.count(1)

    def now(self) -> float:
        return 1_700_000_000 + self.clock.now + next(self._ticks) / 1000

    def copy(self) -> ThingDirectory:
        """What another execution environment knows."""
        shared = SharedDirectory(self.table, (self.queue,), now=self.now)
        return ThingDirectory(Things(self.clients), STACK, self.log, shared, now=self.clock)

    def put(self, name: str, stack_name: str = "farm", **attributes: str) -> None:
        payload = {"attributes": {"stackName": stack_name, **attributes}, "merge": False}
        if name in self.things():
            self.iot.update_thing(thingName=name, attributePayload=payload)
        else:
            self.iot.create_thing(thingName=name, thingTypeName="lorawan", attributePayload=payload)

    def things(self) -> set[str]:
        return {each["thingName"] for each in self.iot.list_things()["things"]}

    def announce(self, name: str, **attributes: str) -> None:
        """The event of a thing arrives."""
        self.directory.handle(json.dumps({"thingName": name, "at": int(self.now() * 1000), **attributes}))

    def work_off(self) -> int:
        """What a copy of a function has sent to the directory arrives; returns how many messages that were."""
        received = self.clients("sqs").receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])
        for each in received:
            self.directory.handle(each["Body"])
        return len(received)

    def complete(self) -> None:
        """A survey is through, and counts for a day."""
        self.table.set_survey(Surveyed(self.now(), self.now() + 86_400))


@pytest.fixture
def farm(iot: Any, clients: Clients, clock: Clock) -> Farm:
    create_directory_table(clients)
    clients("logs").create_log_group(logGroupName="things")
    url = clients("sqs").create_queue(QueueName="farm-directory")["QueueUrl"]
    clients.take_calls()
    return Farm(iot, clients, clock, url)


# What a copy of the function asks ------------------------------------------------------------------------------------


def test_a_device_that_another_copy_has_found_costs_one_read_and_no_call_of_the_registry(
    farm: Farm, calls: Calls
) -> None:
    farm.put("barn", devEUI=EUI)
    assert farm.copy().find_or_create(DEVICE) == "barn"
    other = farm.copy()
    calls()
    assert other.find_or_create(DEVICE) == "barn"
    assert calls() == {"GetItem": 1}
    assert other.find_or_create(DEVICE) == "barn"
    assert calls() == {}
    farm.clock.now += KNOWN_FOR + 1
    assert other.find_known(DEVICE) == "barn"
    assert calls() == {"GetItem": 1}


@pytest.mark.parametrize("change", ["deleted", "moved", "given to another device"])
def test_what_happens_to_a_thing_is_noticed_by_every_copy_within_a_minute(farm: Farm, change: str) -> None:
    farm.put("barn", devEUI=EUI)
    copies = [farm.copy() for _ in range(2)]
    assert {each.find_or_create(DEVICE) for each in copies} == {"barn"}
    if change == "deleted":
        farm.iot.delete_thing(thingName="barn")
    elif change == "moved":
        farm.put("barn", "other", devEUI=EUI)
    else:
        farm.put("barn", devEUI=OTHER)
    farm.clock.now += NOTICED - KNOWN_FOR - 1
    farm.announce("barn")
    farm.clock.now += KNOWN_FOR + 1
    for each in copies:
        if change == "moved":
            with pytest.raises(MismatchingStack):
                each.find_or_create(DEVICE)
        else:
            assert each.find_or_create(DEVICE) == EUI
    left = set() if change == "deleted" else {"barn"}
    assert farm.things() == (left if change == "moved" else {*left, EUI})


def test_a_thing_that_was_renamed_is_found_under_its_new_name(farm: Farm) -> None:
    farm.put("barn", devEUI=EUI)
    copy = farm.copy()
    copy.find_or_create(DEVICE)
    farm.put("shed", devEUI=EUI.lower())
    farm.iot.delete_thing(thingName="barn")
    farm.announce("barn", devEUI=EUI)
    farm.announce("shed", devEUI=EUI.lower())
    farm.clock.now += KNOWN_FOR + 1
    assert copy.find_or_create(DEVICE) == "shed"


def test_a_late_event_and_a_slow_writer_change_nothing(farm: Farm) -> None:
    old = int(farm.now() * 1_000_000)
    farm.put("barn", devEUI=EUI)
    farm.announce("barn")
    assert not farm.table.write(EUI, Fact("shed", old))
    for _ in range(2):
        farm.announce("shed", devEUI=EUI)
    assert farm.copy().find_or_create(DEVICE) == "barn"


def test_a_deleted_thing_that_a_slow_copy_still_writes_is_not_believed(farm: Farm) -> None:
    looked = int(farm.now() * 1_000_000)
    farm.announce("barn", devEUI=EUI)
    assert not farm.table.write(EUI, Fact("barn", looked))
    assert farm.copy().find_or_create(DEVICE) == EUI


def test_a_listing_that_is_older_than_an_event_does_not_reach_the_table(farm: Farm, answer_with: AnswerWith) -> None:
    farm.put("barn", devEUI=EUI)
    answer_with("iot", "DescribeThing", 404, "ResourceNotFoundException")
    assert farm.copy().find_or_create(DEVICE) == "barn"
    assert farm.table.read(EUI) is None


def test_a_thing_that_lost_its_attributes_keeps_its_messages_until_they_are_restored(farm: Farm) -> None:
    farm.put("barn", devEUI=EUI)
    copy = farm.copy()
    copy.find_or_create(DEVICE)
    farm.iot.update_thing(thingName="barn", attributePayload={"attributes": {}, "merge": False})
    farm.announce("barn")
    farm.clock.now += KNOWN_FOR + 1
    assert copy.find_or_create(DEVICE) == "barn"


def test_another_stacks_thing_does_not_replace_the_one_of_this_stack(farm: Farm) -> None:
    farm.put("barn", devEUI=EUI)
    farm.copy().find_or_create(DEVICE)
    farm.put("a-barn", "other", devEUI=EUI)
    farm.announce("a-barn")
    assert farm.copy().find_or_create(DEVICE) == "barn"


def test_without_the_table_devices_are_looked_up_and_what_was_known_stays_known(farm: Farm) -> None:
    farm.put("barn", devEUI=EUI)
    known, other = farm.copy(), farm.copy()
    known.find_or_create(DEVICE)
    farm.clients("dynamodb").delete_table(TableName="farm-directory")
    farm.clock.now += KNOWN_FOR + 1
    farm.clients.take_calls()
    assert known.find_or_create(DEVICE) == "barn"
    assert not {"DescribeThing", "ListThings"} & farm.clients.take_calls().keys()
    assert other.find_or_create(DEVICE) == "barn"


@pytest.mark.parametrize("surveyed", [False, True])
def test_a_lost_event_is_noticed_within_a_day_without_surveys_as_well(farm: Farm, calls: Calls, surveyed: bool) -> None:
    farm.put("barn", devEUI=EUI)
    farm.copy().find_or_create(DEVICE)
    farm.clock.now += TRUSTED_FOR + 1
    if surveyed:
        farm.complete()
    calls()
    assert farm.copy().find_or_create(DEVICE) == "barn"
    assert ("DescribeThing" in calls()) is not surveyed
    farm.copy().find_or_create(DEVICE)
    assert "DescribeThing" not in calls()


# New devices --------------------------------------------------------------------------------------------------------


def test_a_new_device_costs_one_registry_call_once_the_table_is_complete(farm: Farm, calls: Calls) -> None:
    farm.complete()
    copy = farm.copy()
    calls()
    assert copy.find_or_create(DEVICE) == EUI
    made = calls()
    assert {name: count for name, count in made.items() if name not in ("GetItem", "UpdateItem")} == {
        "CreateThing": 1,
        "GetQueueAttributes": 1,
    }
    assert copy.find_known(EndDeviceIdentifiers("tank-8", OTHER, None)) is None
    assert "ListThings" not in calls()


def test_a_thing_that_was_given_its_usual_name_is_found_for_messages_that_make_none(farm: Farm) -> None:
    # Its event is not selected: the table need not have it to keep a second one from being made.
    farm.complete()
    farm.put(EUI, devEUI=EUI)
    assert farm.copy().find_known(DEVICE) == EUI


@pytest.mark.parametrize("doubt", ["no survey", "an old survey", "an event waits", "the device has no DevEUI"])
def test_a_device_is_looked_up_while_it_is_not_certain_that_it_is_new(farm: Farm, doubt: str) -> None:
    device = DEVICE
    farm.put("barn", devEUI=EUI, deviceID="tank-7")
    if doubt != "no survey":
        farm.table.set_survey(Surveyed(farm.now(), farm.now() + (-1 if doubt == "an old survey" else 86_400)))
    if doubt == "an event waits":
        farm.queue.send(["event"])
    if doubt == "the device has no DevEUI":
        device = EndDeviceIdentifiers("tank-7", None, None)
    assert farm.copy().find_or_create(device) == "barn"


def test_a_thing_that_has_only_the_device_id_is_found_by_it(farm: Farm) -> None:
    farm.complete()
    farm.put("farm_tank-7", deviceID="tank-7")
    farm.announce("farm_tank-7")
    for device in (DEVICE, PERSONALIZED):
        assert farm.copy().find_or_create(device) == "farm_tank-7"


def test_a_name_that_the_stack_gives_is_given_once_whatever_the_table_says(farm: Farm, iot: Any) -> None:
    farm.complete()
    farm.put(EUI, devEUI=EUI, site="north")
    iot.meta.events.register("before-call.iot.CreateThing", lambda **_: refusal(409, "ResourceAlreadyExistsException"))
    assert farm.copy().find_or_create(DEVICE) == EUI
    farm.put(EUI, "other", devEUI=EUI)
    farm.announce(EUI)
    with pytest.raises(MismatchingStack):
        farm.copy().find_or_create(DEVICE)


def test_the_waiting_events_are_counted_every_few_seconds(farm: Farm, calls: Calls) -> None:
    farm.complete()
    copy = farm.copy()
    counted = []
    for number, wait in enumerate((0, EVENTS_COUNTED_EVERY - 1, 2)):
        farm.clock.now += wait
        calls()
        copy.find_or_create(EndDeviceIdentifiers(f"tank-{number}", f"A81758FFFE03120{number}", None))
        made = calls()
        counted.append((made.get("GetQueueAttributes", 0), made["GetItem"]))
    assert counted == [(1, 4), (0, 4), (1, 4)]


def test_after_the_table_was_lost_no_device_is_new(farm: Farm) -> None:
    farm.complete()
    copy = farm.copy()
    copy.find_or_create(PERSONALIZED)
    farm.put("barn", devEUI=OTHER)
    farm.clients("dynamodb").delete_table(TableName="farm-directory")
    create_directory_table(farm.clients)
    assert copy.find_or_create(EndDeviceIdentifiers("tank-8", OTHER, None)) == "barn"


# Two things for one device ------------------------------------------------------------------------------------------


def test_a_thing_that_a_message_made_while_the_event_of_a_persons_thing_was_on_its_way_is_undone(farm: Farm) -> None:
    farm.complete()
    farm.put("barn", devEUI=EUI)
    sent = int(farm.now() * 1000)
    assert farm.copy().find_or_create(DEVICE) == EUI
    farm.clock.now += 300
    farm.directory.handle(json.dumps({"thingName": "barn", "at": sent}))
    assert farm.things() == {"barn"}
    farm.announce(EUI, devEUI=EUI)
    assert farm.copy().find_or_create(DEVICE) == "barn"
    assert [each["event"] for each in farm.log.entries(EUI)] == ["thing_made_twice"]


@pytest.mark.parametrize("doubt", ["it was changed", "it is older", "it was found"])
def test_a_second_thing_that_may_be_meant_stays_and_the_first_keeps_its_messages(farm: Farm, doubt: str) -> None:
    if doubt == "it was found":
        farm.put(EUI, devEUI=EUI)
    farm.copy().find_or_create(DEVICE)
    if doubt == "it was changed":
        farm.put(EUI, devEUI=EUI, site="north")
    if doubt == "it is older":
        farm.clock.now += ON_ITS_WAY + 1
    farm.put("barn", devEUI=EUI)
    farm.announce("barn")
    assert farm.things() == {EUI, "barn"}
    assert farm.copy().find_or_create(DEVICE) == EUI


def test_concurrent_first_messages_make_one_thing(farm: Farm) -> None:
    farm.complete()
    first, second = farm.copy(), farm.copy()

    def meanwhile(**_: Any) -> None:
        farm.clients("iot").meta.events.unregister("before-call.iot.CreateThing", meanwhile)
        assert second.find_or_create(DEVICE) == EUI

    farm.clients("iot").meta.events.register("before-call.iot.CreateThing", meanwhile)
    assert first.find_or_create(DEVICE) == EUI
    assert farm.things() == {EUI}


@pytest.mark.parametrize("device", [DEVICE, EndDeviceIdentifiers("tank-7", None, None)], ids=["DevEUI", "device id"])
@pytest.mark.parametrize("handled", ["before-call", "after-call"], ids=["before", "after"])
def test_a_thing_is_undone_if_the_event_of_a_persons_was_handled_while_it_was_made(
    farm: Farm, device: EndDeviceIdentifiers, handled: str
) -> None:
    def meanwhile(**_: Any) -> None:
        for when in ("before-call", "after-call"):
            farm.clients("iot").meta.events.unregister(f"{when}.iot.CreateThing", meanwhile)
        farm.put("barn", **({"devEUI": EUI} if device.dev_eui else {"deviceID": "tank-7"}))
        farm.announce("barn")

    farm.clients("iot").meta.events.register(f"{handled}.iot.CreateThing", meanwhile)
    made = farm.copy().find_or_create(device)
    assert farm.things() == {"barn", made}
    assert farm.work_off() == 1
    assert farm.things() == {"barn"}
    assert farm.copy().find_or_create(device) == "barn"
    assert [each["event"] for each in farm.log.entries(made)] == ["thing_made_twice"]


@pytest.mark.parametrize("meanwhile", ["found", "forgotten", "forgotten and deleted"])
def test_the_table_knows_what_a_message_made_whatever_it_learned_meanwhile(farm: Farm, meanwhile: str) -> None:
    def learn(**_: Any) -> None:
        farm.clients("iot").meta.events.unregister("after-call.iot.CreateThing", learn)
        if meanwhile == "found":
            assert farm.copy().find_known(DEVICE) == EUI
        elif meanwhile == "forgotten":
            farm.announce("shed", devEUI=EUI)
        else:
            farm.iot.delete_thing(thingName=EUI)
            farm.announce(EUI, devEUI=EUI)

    farm.clients("iot").meta.events.register("after-call.iot.CreateThing", learn)
    assert farm.copy().find_or_create(DEVICE) == EUI
    farm.work_off()
    known = farm.table.read(EUI)
    assert known
    assert known.thing_name == (None if meanwhile == "forgotten and deleted" else EUI)
    assert bool(known.made_at) is (known.thing_name is not None)


def test_the_table_learns_what_a_copy_without_the_queue_has_made_and_nothing_is_sent(farm: Farm) -> None:
    farm.table.write(EUI, Fact("barn", int(farm.now() * 1_000_000)))
    copy = ThingDirectory(Things(farm.clients), STACK, farm.log, SharedDirectory(farm.table, now=farm.now))
    assert copy.settle(DEVICE) == EUI
    known = farm.table.read(EUI)
    assert known
    assert (known.thing_name, farm.work_off()) == (EUI, 0)


# Messages -----------------------------------------------------------------------------------------------------------


def test_what_the_rule_passes_on_has_no_secret() -> None:
    event = json.dumps(events.load("registry/thing_created")).encode()
    passed_on = json.loads(rule_output("", event))
    assert passed_on == {"thingName": "tank-7", "at": 1767364800001, "devEUI": EUI}
    assert rule_output("", b"[]") == ""


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"thingName": "a/b", "at": 1}', '{"thingName": "barn"}'])
def test_what_is_not_an_event_is_logged_and_not_retried(
    farm: Farm, body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    farm.directory.handle(body)
    assert "event_not_readable" in capsys.readouterr().out
    assert boto3.client("iot").list_things()["things"] == []
