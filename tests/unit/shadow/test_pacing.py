"""Shadows written at intervals: in any order, and wherever a function is interrupted, the last state is written."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.shadow import pacing
from thingbridge.shadow.pacing import COMPLETE_EVERY_SECONDS, OVERDUE_SECONDS, Row, ScheduledWrite

INTERVAL = 60.0


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000000000Z"


def received(row: Row, state: dict[str, Any], second: int, now: float = 1000.0) -> Row:
    return Row.read(pacing.receive(row, state, at(second), f"t{second}", now, INTERVAL).text())


def test_the_first_state_is_due_at_once_and_the_next_after_the_interval() -> None:
    first = received(Row(), {"rssi": -70}, 1)
    assert first.scheduled == ScheduledWrite("t1", 1000.0)
    assert pacing.unwritten(first, 1000.0) == {"rssi": -70}
    written = pacing.wrote(first, first, "next", 1000.0, INTERVAL)
    second = received(written, {"rssi": -75, "snr": 1}, 2, now=1010.5)
    assert second.scheduled == ScheduledWrite("t2", 1060.0)
    assert pacing.delay(second.scheduled, 1010.5) == 50
    assert received(second, {"rssi": -80}, 3, now=1020).scheduled == second.scheduled


def test_only_changes_are_written_and_from_time_to_time_everything() -> None:
    row = received(Row(), {"devAddr": "26", "fCntDown": 0, "decodedPayload": {"a": 1, "b": {"c": 2}}}, 1)
    row = pacing.wrote(row, row, "next", 1000.0, INTERVAL)
    row = received(row, {"devAddr": "26", "decodedPayload": {"a": 1, "b": {"c": 3}}}, 2, now=2000.0)
    assert pacing.unwritten(row, 2000.0) == {"decodedPayload": {"b": {"c": 3}}}
    # Except for the counter, which others have changed in the meantime.
    assert pacing.unwritten(row, 1000.0 + COMPLETE_EVERY_SECONDS) == {
        "devAddr": "26",
        "decodedPayload": {"a": 1, "b": {"c": 3}},
    }


def test_a_field_that_others_write_as_well_is_written_when_a_message_reports_it_and_only_then() -> None:
    shared = frozenset({"decodedPayload"})
    row = received(Row(), {"rssi": -70, "decodedPayload": {"level": 1, "mode": "a"}}, 1)
    row = pacing.wrote(row, row, "next", 1000.0, INTERVAL)
    row = received(row, {"rssi": -70, "decodedPayload": {"level": 1}}, 2, now=2000.0)
    assert pacing.unwritten(row, 2000.0, shared) == {"decodedPayload": {"level": 1}}
    assert pacing.unwritten(row, 2000.0) == {}
    row = pacing.wrote(row, row, "next", 2000.0, INTERVAL)
    assert pacing.unwritten(row, 2000.0 + COMPLETE_EVERY_SECONDS, shared) == {"rssi": -70}


def test_a_state_that_arrives_during_a_write_is_scheduled_for_the_next_one() -> None:
    before = received(Row(), {"rssi": -70}, 1)
    meanwhile = received(before, {"rssi": -75}, 2)
    after = pacing.wrote(before, meanwhile, "next", 1000.0, INTERVAL)
    assert after.scheduled == ScheduledWrite("next", 1060.0)
    assert pacing.unwritten(after, 1060.0) == {"rssi": -75}


def test_an_overdue_write_that_ends_keeps_the_write_that_replaced_it() -> None:
    before = received(Row(), {"rssi": -70}, 1)
    overdue = received(before, {"rssi": -75}, 2, now=1001.0 + OVERDUE_SECONDS)
    assert overdue.scheduled == ScheduledWrite("t2", 1001.0 + OVERDUE_SECONDS)
    assert pacing.wrote(before, overdue, "next", 5000.0, INTERVAL).scheduled == overdue.scheduled


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_join_resets_the_session_in_any_order(order: tuple[int, ...]) -> None:
    messages = [
        ({"devAddr": "old", "fCntUp": 9, "rssi": -70, "lastSeen": "1"}, 1),
        ({"devAddr": "new", "fCntUp": 0, "fCntDown": 0, "activated": "2", "lastSeen": "2"}, 2),
        ({"devAddr": "new", "fCntUp": 1, "rssi": -71, "lastSeen": "3"}, 3),
        ({"devAddr": "new", "fCntUp": 0, "fCntDown": 0, "activated": "2", "lastSeen": "2"}, 2),
    ]
    row = Row()
    for index in order:
        row = received(row, *messages[index])
    assert pacing.unwritten(row, 1000.0) == {
        "devAddr": "new",
        "fCntUp": 1,
        "fCntDown": 0,
        "activated": "2",
        "rssi": -71,
        "lastSeen": "3",
    }


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_a_value_and_an_object_in_its_place_the_newer_one_is_kept(order: tuple[int, int]) -> None:
    messages = [({"decodedPayload": {"door": "open"}}, 1), ({"decodedPayload": {"door": {"open": True}}}, 2)]
    row = Row()
    for index in order:
        row = received(row, *messages[index])
    assert pacing.unwritten(row, 1000.0) == {"decodedPayload": {"door": {"open": True}}}


class Interrupted(Exception):
    """The function ends here: it ran out of time, or the machine is gone."""


@dataclass
class World:
    """A table, a queue, a shadow and a clock. `interruptions`: numbers of the steps at which a function ends."""

    row: Row | None = None
    queue: list[tuple[float, str]] = field(default_factory=list)
    shadow: dict[str, Any] = field(default_factory=dict)
    writes: list[float] = field(default_factory=list)
    now: float = 1000.0
    interruptions: set[int] = field(default_factory=set)
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps in self.interruptions:
            raise Interrupted

    def message(self, state: dict[str, Any], second: int) -> None:
        owner = at(second)
        self.step()
        self.row = pacing.receive(self.row or Row(), state, owner, owner, self.now, INTERVAL)
        row = self.row
        self.step()
        if row.scheduled and row.scheduled.owner == owner:
            if seconds := pacing.delay(row.scheduled, self.now):
                self.queue.append((self.now + seconds, owner))
            else:
                self.write(row)

    def deferred(self, owner: str) -> None:
        self.step()
        if self.row and self.row.scheduled and self.row.scheduled.owner == owner:
            self.write(self.row)

    def write(self, row: Row) -> None:
        if changed := pacing.unwritten(row, self.now):
            self.shadow |= changed
            self.writes.append(self.now)
        self.step()
        following = f"after-{self.steps}"
        after = pacing.wrote(row, self.row or row, following, self.now, INTERVAL)
        if after.scheduled and after.scheduled.owner == following:
            self.queue.append((after.scheduled.due, following))
            self.step()
        self.row = after
        self.step()

    def settle(self) -> None:
        """Deliver the messages of the queue until each was handled."""
        while self.queue:
            self.queue.sort()
            due, owner = self.queue.pop(0)
            self.now = max(self.now, due)
            try:
                self.deferred(owner)
            except Interrupted:
                self.queue.append((self.now + 90, owner))


MESSAGES = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 40)), min_size=1, max_size=12)


@given(messages=MESSAGES, interruptions=st.sets(st.integers(1, 60)), repeated=st.sets(st.integers(0, 11)))
def test_the_newest_state_is_written_wherever_the_functions_are_interrupted(
    messages: list[tuple[int, int]], interruptions: set[int], repeated: set[int]
) -> None:
    world = World(interruptions=interruptions)
    waiting = [
        (second, pause) for index, each in enumerate(messages) for second, pause in [each] * (1 + (index in repeated))
    ]
    while waiting:
        second, pause = waiting.pop(0)
        world.now += pause
        try:
            world.message({"n": second, f"only{second % 3}": second}, second)
        except Interrupted:
            waiting.append((second, 60))  # Lambda retries
    world.settle()
    newest = max(second for second, _ in messages)
    expected = {"n": newest} | {f"only{s % 3}": s for s, _ in sorted(messages)}
    assert world.shadow == expected
    assert world.row is not None
    assert world.row.scheduled is None


@given(messages=MESSAGES)
def test_a_shadow_is_written_at_most_once_in_an_interval(messages: list[tuple[int, int]]) -> None:
    world = World()
    for second, pause in messages:
        world.now += pause
        due = [each for each in world.queue if each[0] <= world.now]
        world.queue = [each for each in world.queue if each[0] > world.now]
        for when, owner in due:
            now, world.now = world.now, when
            world.deferred(owner)
            world.now = now
        world.message({"n": second}, second)
    world.settle()
    assert all(later - earlier >= INTERVAL for earlier, later in itertools.pairwise(world.writes))
