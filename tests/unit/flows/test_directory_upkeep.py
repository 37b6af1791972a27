"""The directory, compared with listings of things, in an account in process."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.conftest import AnswerWith, Clock, create_directory_table
from thingbridge.aws.clients import Clients
from thingbridge.aws.directory_table import FACTS_AT_ONCE, DirectoryTable
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.flows.directory import Directory
from thingbridge.flows.directory_upkeep import GOOD_FOR, SURVEYED_EVERY, Survey, Surveyed, Upkeep
from thingbridge.pacing import TokenBucket
from thingbridge.registry.directory import Fact
from thingbridge.registry.identity import StackOfThings, ThingNameScheme

STACK = StackOfThings("farm", "lorawan", ThingNameScheme.DEV_EUI)
ENABLED = {"eventConfigurations": {"THING": {"Enabled": True}}}


class Farm:
    """A stack with things and a directory. `now` is the clock of all functions."""

    def __init__(self, iot: Any, clients: Clients, clock: Clock) -> None:
        self.iot, self.clients, self.clock, self.events_sent = iot, clients, clock, True
        self.table = DirectoryTable(clients, "farm-directory")
        self.things = Things(clients)
        self.things.send_events = lambda: self.events_sent  # type: ignore[method-assign]  # moto has no event types
        self.directory = Directory(STACK, self.things, self.table, ThingsLog(clients, "things"), self.now)
        self.survey = Survey(self.things, self.table, self.directory, TokenBucket(rate=1e6), self.now)

    def now(self) -> float:
        self.clock.now += 0.001
        return 1_700_000_000 + self.clock.now

    def time(self) -> int:
        return int(self.now() * 1_000_000)

    def put(self, name: str, stack_name: str = "farm", **attributes: str) -> None:
        given = {"attributes": {"stackName": stack_name, **attributes}}
        self.iot.create_thing(thingName=name, thingTypeName="lorawan", attributePayload=given)

    def compare(self) -> None:
        """What a comparison does with each page."""
        upkeep, at = Upkeep(self.table, self.directory), self.time()
        upkeep.correct(self.things.page("farm")[0], at)

    def known(self) -> dict[str, str | None]:
        return dict(self.table.scan())


@pytest.fixture
def farm(iot: Any, clients: Clients, clock: Clock) -> Farm:
    create_directory_table(clients)
    clients("logs").create_log_group(logGroupName="things")
    return Farm(iot, clients, clock)


def eui(number: int) -> str:
    return f"A81758FFFE{number:06X}"


def test_an_empty_table_is_filled_with_few_calls_and_then_costs_none(
    farm: Farm, calls: Callable[[], dict[str, int]]
) -> None:
    for number in range(FACTS_AT_ONCE + 10):
        farm.put(eui(number) if number % 2 else f"barn-{number}", devEUI=eui(number))
    farm.put("bell", deviceID="bell")
    calls()
    farm.compare()
    assert calls() == {"ListThings": 1, "Scan": 1, "TransactWriteItems": 2}
    assert farm.known()[eui(4)] == "barn-4"
    assert farm.known()["id:bell"] == "bell"
    assert farm.table.keys_of("barn-4") == {eui(4)}
    calls()
    farm.compare()
    assert calls() == {"ListThings": 1, "Scan": 1}


@pytest.mark.parametrize("wrong", ["a deleted thing", "to be looked up", "another stack's thing"])
def test_what_the_table_has_differently_is_corrected(farm: Farm, wrong: str) -> None:
    farm.put("barn", devEUI=eui(1))
    if wrong == "another stack's thing":
        farm.put("shed", "other", devEUI=eui(1))
    farm.table.write(eui(1), Fact(None if wrong == "to be looked up" else "shed", farm.time()))
    farm.compare()
    assert farm.known() == {eui(1): "barn"}


def test_a_fact_that_became_newer_while_things_were_listed_stays(farm: Farm) -> None:
    farm.put("barn", devEUI=eui(1))
    things, at = farm.things.page("farm")[0], farm.time()
    upkeep = Upkeep(farm.table, farm.directory)
    upkeep.correct([], at)
    farm.iot.delete_thing(thingName="barn")
    farm.directory.follow("barn", {"devEUI": eui(1)})
    upkeep.correct(things, at)
    assert farm.known() == {eui(1): None}


def test_things_that_exist_twice_are_left_as_they_are(farm: Farm, calls: Callable[[], dict[str, int]]) -> None:
    for name in ("barn", "shed", "tower"):
        farm.put(name, devEUI=eui(1))
    farm.compare()
    first = farm.known()
    for _ in range(2):
        calls()
        farm.compare()
        assert farm.known() == first
        assert "UpdateItem" not in calls()


# The survey ---------------------------------------------------------------------------------------------------------


def test_a_survey_makes_the_table_complete_with_the_things_of_other_stacks(farm: Farm) -> None:
    farm.put("barn", devEUI=eui(1))
    farm.put("mill", "other", devEUI=eui(2))
    assert farm.survey.is_due()
    assert farm.survey.resume(Surveyed(), lambda: 900.0) is None
    assert farm.known() == {eui(1): "barn", eui(2): None}
    assert farm.table.complete_until() >= farm.now() + GOOD_FOR - 10
    assert not farm.survey.is_due()
    farm.clock.now += SURVEYED_EVERY + 1
    assert farm.survey.is_due()


def test_a_survey_notices_what_is_gone_although_its_event_was_lost(farm: Farm) -> None:
    for name, stack_name in (("barn", "farm"), ("mill", "other")):
        farm.put(name, stack_name, devEUI=eui(1 if name == "barn" else 2))
    for number, name in enumerate(("barn", "mill", "shed"), start=1):
        farm.table.write(eui(number), Fact(name, farm.time()))
    assert farm.survey.resume(Surveyed(), lambda: 900.0) is None
    assert farm.known() == {eui(1): "barn", eui(2): None, eui(3): None}


def test_a_survey_that_runs_out_of_time_is_continued(farm: Farm, answer_with: AnswerWith) -> None:
    for number in range(251):
        farm.put(eui(number), devEUI=eui(number))
    left = iter([900.0, 1.0])
    stopped = farm.survey.resume(Surveyed(), lambda: next(left))
    assert stopped
    assert stopped.token
    assert len(farm.known()) == 250
    assert farm.table.complete_until() == 0
    again = Surveyed.read(json.loads(stopped.message()))
    assert again == stopped
    assert farm.survey.resume(again, lambda: 900.0) is None
    assert len(farm.known()) == 251
    assert farm.table.complete_until() > farm.now()


def test_without_registry_events_the_table_is_never_complete(farm: Farm) -> None:
    farm.events_sent = False
    assert farm.survey.resume(Surveyed(), lambda: 900.0) is None
    assert farm.table.complete_until() == 0
