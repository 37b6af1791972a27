"""Shadows written only so often: whatever the order, and wherever a function breaks off, the last state is written."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.messaging import shadow_pacing
from thingbridge.messaging.shadow_pacing import OVERDUE_SECONDS, WHOLE_EVERY_SECONDS, Row, Turn

INTERVAL = 60.0


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000000000Z"


def received(row: Row, state: dict[str, Any], second: int, now: float = 1000.0) -> Row:
    return Row.read(shadow_pacing.receive(row, state, at(second), f"t{second}", now, INTERVAL).text())


def test_the_first_state_is_due_at_once_and_the_next_when_the_interval_is_over() -> None:
    first = received(Row(), {"rssi": -70}, 1)
    assert first.turn == Turn("t1", 1000.0)
    assert shadow_pacing.unwritten(first, 1000.0) == {"rssi": -70}
    written = shadow_pacing.wrote(first, first, "next", 1000.0, INTERVAL)
    second = received(written, {"rssi": -75, "snr": 1}, 2, now=1010.5)
    assert second.turn == Turn("t2", 1060.0)
    assert shadow_pacing.delay(second.turn, 1010.5) == 50
    assert received(second, {"rssi": -80}, 3, now=1020).turn == second.turn


def test_only_what_changed_is_written_and_from_time_to_time_everything() -> None:
    row = received(Row(), {"devAddr": "26", "fCntDown": 0, "decodedPayload": {"a": 1, "b": {"c": 2}}}, 1)
    row = shadow_pacing.wrote(row, row, "next", 1000.0, INTERVAL)
    row = received(row, {"devAddr": "26", "decodedPayload": {"a": 1, "b": {"c": 3}}}, 2, now=2000.0)
    assert shadow_pacing.unwritten(row, 2000.0) == {"decodedPayload": {"b": {"c": 3}}}
    # But for the counter that others have moved on meanwhile.
    assert shadow_pacing.unwritten(row, 1000.0 + WHOLE_EVERY_SECONDS) == {
        "devAddr": "26",
        "decodedPayload": {"a": 1, "b": {"c": 3}},
    }


def test_what_others_write_as_well_is_written_when_it_was_told_and_only_then() -> None:
    shared = frozenset({"decodedPayload"})
    row = received(Row(), {"rssi": -70, "decodedPayload": {"level": 1, "mode": "a"}}, 1)
    row = shadow_pacing.wrote(row, row, "next", 1000.0, INTERVAL)
    row = received(row, {"rssi": -70, "decodedPayload": {"level": 1}}, 2, now=2000.0)
    assert shadow_pacing.unwritten(row, 2000.0, shared) == {"decodedPayload": {"level": 1}}
    assert shadow_pacing.unwritten(row, 2000.0) == {}
    row = shadow_pacing.wrote(row, row, "next", 2000.0, INTERVAL)
    assert shadow_pacing.unwritten(row, 2000.0 + WHOLE_EVERY_SECONDS, shared) == {"rssi": -70}


def test_what_came_in_during_a_write_gets_a_turn_of_its_own() -> None:
    before = received(Row(), {"rssi": -70}, 1)
    meanwhile = received(before, {"rssi": -75}, 2)
    after = shadow_pacing.wrote(before, meanwhile, "next", 1000.0, INTERVAL)
    assert after.turn == Turn("next", 1060.0)
    assert shadow_pacing.unwritten(after, 1060.0) == {"rssi": -75}


def test_a_write_whose_turn_was_taken_over_leaves_the_other_turn_out() -> None:
    before = received(Row(), {"rssi": -70}, 1)
    overdue = received(before, {"rssi": -75}, 2, now=1001.0 + OVERDUE_SECONDS)
    assert overdue.turn == Turn("t2", 1001.0 + OVERDUE_SECONDS)
    assert shadow_pacing.wrote(before, overdue, "next", 5000.0, INTERVAL).turn == overdue.turn


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
    assert shadow_pacing.unwritten(row, 1000.0) == {
        "devAddr": "new",
        "fCntUp": 1,
        "fCntDown": 0,
        "activated": "2",
        "rssi": -71,
        "lastSeen": "3",
    }


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_value_that_becomes_an_object_is_the_newer_of_the_two(order: tuple[int, int]) -> None:
    messages = [({"decodedPayload": {"door": "open"}}, 1), ({"decodedPayload": {"door": {"open": True}}}, 2)]
    row = Row()
    for index in order:
        row = received(row, *messages[index])
    assert shadow_pacing.unwritten(row, 1000.0) == {"decodedPayload": {"door": {"open": True}}}


class Broken(Exception):
    """The function ends here: Lambda's time is over, or the machine is gone."""


@dataclass
class World:
    """A table, a queue, a shadow and a clock; a function breaks off before or after each of its steps, as told."""

    row: Row | None = None
    queue: list[tuple[float, str]] = field(default_factory=list)
    shadow: dict[str, Any] = field(default_factory=dict)
    writes: list[float] = field(default_factory=list)
    now: float = 1000.0
    breaks: set[int] = field(default_factory=set)
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps in self.breaks:
            raise Broken

    def message(self, state: dict[str, Any], second: int) -> None:
        ticket = at(second)
        self.step()
        self.row = shadow_pacing.receive(self.row or Row(), state, ticket, ticket, self.now, INTERVAL)
        row = self.row
        self.step()
        if row.turn and row.turn.ticket == ticket:
            if seconds := shadow_pacing.delay(row.turn, self.now):
                self.queue.append((self.now + seconds, ticket))
            else:
                self.take(row)

    def turn(self, ticket: str) -> None:
        self.step()
        if self.row and self.row.turn and self.row.turn.ticket == ticket:
            self.take(self.row)

    def take(self, row: Row) -> None:
        if changed := shadow_pacing.unwritten(row, self.now):
            self.shadow |= changed
            self.writes.append(self.now)
        self.step()
        following = f"after-{self.steps}"
        after = shadow_pacing.wrote(row, self.row or row, following, self.now, INTERVAL)
        if after.turn and after.turn.ticket == following:
            self.queue.append((after.turn.due, following))
            self.step()
        self.row = after
        self.step()

    def settle(self) -> None:
        """The queue gives its messages until each was managed."""
        while self.queue:
            self.queue.sort()
            due, ticket = self.queue.pop(0)
            self.now = max(self.now, due)
            try:
                self.turn(ticket)
            except Broken:
                self.queue.append((self.now + 90, ticket))


MESSAGES = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 40)), min_size=1, max_size=12)


@given(messages=MESSAGES, breaks=st.sets(st.integers(1, 60)), repeated=st.sets(st.integers(0, 11)))
def test_the_newest_state_is_written_wherever_the_functions_break_off(
    messages: list[tuple[int, int]], breaks: set[int], repeated: set[int]
) -> None:
    world = World(breaks=breaks)
    waiting = [
        (second, pause) for index, each in enumerate(messages) for second, pause in [each] * (1 + (index in repeated))
    ]
    while waiting:
        second, pause = waiting.pop(0)
        world.now += pause
        try:
            world.message({"n": second, f"only{second % 3}": second}, second)
        except Broken:
            waiting.append((second, 60))  # Lambda calls again
    world.settle()
    newest = max(second for second, _ in messages)
    expected = {"n": newest} | {f"only{s % 3}": s for s, _ in sorted(messages)}
    assert world.shadow == expected
    assert world.row is not None
    assert world.row.turn is None


@given(messages=MESSAGES)
def test_a_shadow_is_written_at_most_once_in_an_interval(messages: list[tuple[int, int]]) -> None:
    world = World()
    for second, pause in messages:
        world.now += pause
        due = [each for each in world.queue if each[0] <= world.now]
        world.queue = [each for each in world.queue if each[0] > world.now]
        for when, ticket in due:
            now, world.now = world.now, when
            world.turn(ticket)
            world.now = now
        world.message({"n": second}, second)
    world.settle()
    assert all(later - earlier >= INTERVAL for earlier, later in itertools.pairwise(world.writes))
