"""The order of downlinks: those of a thing are sent as they were received, however they arrive and are repeated."""

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import events
from tests.sizes import size
from tests.unit.conftest import AnswerWith, Clock
from tests.unit.flows.conftest import DOWNLINKS, create_downlinks_table
from tests.unit.flows.downlink_world import HOLD, Request, Sent, World
from thingbridge.aws.clients import Clients
from thingbridge.aws.things_log import ThingsLog
from thingbridge.aws.waiting_downlinks import Waiting, WaitingDownlinks
from thingbridge.errors import BadInput, Busy, Deferred
from thingbridge.flows.downlink_order import MAY_BE_REPEATED_AFTER, DownlinkArrivals, DownlinkOrder
from thingbridge.messaging import topics
from thingbridge.messaging.downlink_tickets import Ticket


def first_sends(sent: Sequence[Sent]) -> dict[str, list[int]]:
    """Thing → the numbers of its requests, in the order in which they were sent for the first time."""
    found: dict[str, list[int]] = defaultdict(list)
    for each in sorted(sent, key=lambda each: each.at):
        if each.request.number not in found[each.request.thing]:
            found[each.request.thing].append(each.request.number)
    return found


def received(requests: Sequence[Request]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for each in sorted(requests, key=lambda each: each.received_at):
        found[each.thing].append(each.number)
    return found


def assert_looked_for_when_sent_again(sent: Sequence[Sent]) -> None:
    seen: set[int] = set()
    for each in sorted(sent, key=lambda each: each.at):
        assert each.repeated or each.request.number not in seen
        seen.add(each.request.number)


@st.composite
def requests_on_their_way(draw: st.DrawFn, latest: float) -> list[Request]:
    """Requests for three things, each in the table up to `latest` seconds after it was received."""
    at, found = 1.0, []
    for number in range(draw(st.integers(1, 25))):
        at += draw(st.sampled_from([0.001, 0.01, 0.1, 0.3, 2.0]))
        found.append(Request(draw(st.sampled_from("abc")), number, at, at + draw(st.floats(0.0, latest))))
    return found


FAULTS = st.lists(st.sampled_from(["", "", "busy", "killed", "killed after"]), max_size=12)
SIZES = st.lists(st.integers(1, 8), min_size=1, max_size=8)
AGAIN = st.lists(st.booleans(), max_size=8)


@settings(max_examples=size(80, 2000), deadline=None)
@given(requests=requests_on_their_way(latest=0.9 * HOLD), faults=FAULTS, sizes=SIZES, again=AGAIN)
def test_every_request_is_sent_in_the_order_of_its_thing_and_one_that_is_sent_again_is_looked_for_first(
    requests: list[Request], faults: list[str], sizes: list[int], again: list[bool]
) -> None:
    world = World(requests, faults)
    world.announce(sizes, again=again)
    world.run()
    assert first_sends(world.sent) == received(requests)
    assert_looked_for_when_sent_again(world.sent)
    assert world.rows == {}


@settings(max_examples=size(40, 1000), deadline=None)
@given(requests=requests_on_their_way(latest=40 * HOLD), faults=FAULTS, sizes=SIZES, again=AGAIN)
def test_a_request_that_arrives_after_newer_ones_is_sent_late_and_not_lost(
    requests: list[Request], faults: list[str], sizes: list[int], again: list[bool]
) -> None:
    world = World(requests, faults)
    world.announce(sizes, again=again)
    world.run()
    assert {each.request.number for each in world.sent} == {each.number for each in requests}
    assert_looked_for_when_sent_again(world.sent)
    assert world.rows == {}


def test_a_thing_that_fails_waits_and_the_others_are_sent_meanwhile() -> None:
    requests = [Request("ab"[number % 2], number, 1 + number / 100, 1 + number / 100) for number in range(8)]
    world = World(requests, faults=["busy"])
    world.announce([8])
    world.run()
    assert first_sends(world.sent) == received(requests)
    at = {each.request.number: each.at for each in world.sent}
    assert max(at[number] for number in (1, 3, 5, 7)) < 3
    assert min(at[number] for number in (0, 2, 4, 6)) > 5


@pytest.mark.parametrize("things", [1, 500])
def test_thousands_at_once_keep_the_rate_and_their_order(things: int) -> None:
    count, rate = size(1000, 5000), 600
    chance = random.Random(things)
    requests = [
        Request(f"thing-{number % things}", number, 1 + number / 5000, 1 + number / 5000 + chance.uniform(0, 0.4))
        for number in range(count)
    ]
    world = World(requests, pace_per_minute=rate)
    world.announce([100])
    world.run()
    assert first_sends(world.sent) == received(requests)
    assert len(world.sent) == count
    times = sorted(each.at for each in world.sent)
    assert all(later - earlier >= 59.5 for earlier, later in zip(times, times[rate + 2 :], strict=False))
    # One device is served by one invocation at a time, which has half of the rate.
    assert times[-1] < 60 * count / rate * (1 if things > 1 else 2) + 60


class Rows:
    """A table of one thing."""

    def __init__(self, *rows: Waiting) -> None:
        self.rows = list(rows)
        self.stored: list[tuple[str, str, dict[str, Any]]] = []

    def of(self, _thing: str) -> list[Waiting]:
        return list(self.rows)

    def read(self, _thing: str, row: str) -> dict[str, Any]:
        return {"row": row}

    def delete(self, _thing: str, row: str) -> None:
        self.rows = [each for each in self.rows if each.id != row]

    def store(self, thing: str, row: str, event: dict[str, Any]) -> None:
        self.stored.append((thing, row, event))


class Flow:
    def __init__(self) -> None:
        self.handled: list[tuple[str, bool]] = []
        self.error: Exception | None = None

    def handle(self, event: Any, *, repeated: bool) -> None:
        if self.error:
            raise self.error
        self.handled.append((event["row"], repeated))


def order_of(rows: Rows, flow: Flow, clock: Clock, remaining: float = 300.0) -> DownlinkOrder:
    waiting: Any = rows
    return DownlinkOrder(waiting, lambda _: flow, HOLD, lambda: remaining, now=clock, sleep=clock.wait)


def test_a_request_waits_for_older_ones_and_not_for_longer(clock: Clock) -> None:
    clock.now = 100.0
    flow = Flow()
    order_of(Rows(Waiting("own", 99.9)), flow, clock).handle(Ticket("a", ("own",)).text, repeated=False)
    assert (clock.now, flow.handled) == (pytest.approx(100.4), [("own", False)])


def test_a_request_whose_time_is_ahead_waits_for_the_window_at_most(clock: Clock) -> None:
    flow = Flow()
    order_of(Rows(Waiting("own", 999.0)), flow, clock).handle(Ticket("a", ("own",)).text, repeated=False)
    assert (clock.now, flow.handled) == (pytest.approx(HOLD), [("own", False)])


def test_a_ticket_has_nothing_handled_that_is_newer_than_the_window(clock: Clock) -> None:
    clock.now = 100.0
    rows, flow = Rows(Waiting("new", 99.9), Waiting("own", 99.0), Waiting("old", 98.0)), Flow()
    order_of(rows, flow, clock).handle(Ticket("a", ("own",)).text, repeated=False)
    assert flow.handled == [("old", False), ("own", False)]
    assert [each.id for each in rows.rows] == ["new"]


def test_what_fails_stays_with_all_that_is_newer(clock: Clock) -> None:
    clock.now = 100.0
    rows, flow = Rows(Waiting("2", 98.0), Waiting("1", 97.0)), Flow()
    flow.error = Busy("as arranged")
    with pytest.raises(Busy):
        order_of(rows, flow, clock).handle(Ticket("a", ("1", "2")).text, repeated=False)
    assert len(rows.rows) == 2


def test_what_may_have_been_sent_is_looked_for(clock: Clock) -> None:
    for age, again, expected in ((1, False, False), (1, True, True), (MAY_BE_REPEATED_AFTER + 1, False, True)):
        flow = Flow()
        clock.now = 1000.0
        ticket = Ticket("a", ("own",)).text
        order_of(Rows(Waiting("own", 1000.0 - age)), flow, clock).handle(ticket, repeated=again)
        assert flow.handled == [("own", expected)]


def test_without_time_for_another_request_it_is_left_to_the_next_invocation(clock: Clock) -> None:
    clock.now = 100.0
    rows, flow = Rows(Waiting("own", 1.0)), Flow()
    with pytest.raises(Deferred):
        order_of(rows, flow, clock, remaining=19.0).handle(Ticket("a", ("own",)).text, repeated=False)
    assert (flow.handled, len(rows.rows)) == ([], 1)


# Requests on the account-wide topic -----------------------------------------------------------------------------------


class Tickets:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def send_in_order(self, body: str, *, group: str, deduplication_id: str) -> str:
        self.sent.append((body, deduplication_id))
        return ""


def test_a_request_on_the_account_wide_topic_waits_with_those_of_the_thing_it_names(clients: Clients) -> None:
    create_downlinks_table(clients)
    waiting, tickets = WaitingDownlinks(clients, DOWNLINKS), Tickets()
    for row, request in (("1", {"thingName": "tank-7", "bytes": "AQ=="}), ("2", {"bytes": "AQ=="})):
        event = {**events.rule_output(request, topics.DOWNLINK_REQUEST), "receivedAt": 5000}
        waiting.store(topics.DOWNLINK_REQUEST, row, event)
    arrivals = DownlinkArrivals(waiting, tickets, Log())  # type: ignore[arg-type]
    rows = [(topics.DOWNLINK_REQUEST, "1"), (topics.DOWNLINK_REQUEST, "2"), ("tank-7", "3")]
    batch = [{"eventID": row, "dynamodb": {"Keys": {"thing": {"S": thing}, "id": {"S": row}}}} for thing, row in rows]
    arrivals.announce(batch)
    expected = [Ticket("tank-7", ("1", "3")), Ticket(topics.DOWNLINK_REQUEST, ("2",))]
    assert tickets.sent == [(each.text, each.deduplication_id) for each in expected]
    assert waiting.of("tank-7") == [Waiting("1", 5.0)]
    # Again, when the function was ended before the stream knew that it was done.
    arrivals.announce(batch)
    assert waiting.of(topics.DOWNLINK_REQUEST) == [Waiting("2", 5.0)]


def test_a_row_that_can_not_be_moved_is_handled_where_it_is(clients: Clients, answer_with: AnswerWith) -> None:
    create_downlinks_table(clients)
    waiting, tickets = WaitingDownlinks(clients, DOWNLINKS), Tickets()
    event = {**events.rule_output({"thingName": "tank-7"}, topics.DOWNLINK_REQUEST), "receivedAt": 5000}
    waiting.store(topics.DOWNLINK_REQUEST, "1", event)
    answer_with("dynamodb", "UpdateItem", 400, "ValidationException")
    keys = {"thing": {"S": topics.DOWNLINK_REQUEST}, "id": {"S": "1"}}
    DownlinkArrivals(waiting, tickets, Log()).announce([{"dynamodb": {"Keys": keys}}])  # type: ignore[arg-type]
    assert [text for text, _ in tickets.sent] == [Ticket(topics.DOWNLINK_REQUEST, ("1",)).text]
    assert waiting.of(topics.DOWNLINK_REQUEST) == [Waiting("1", 5.0)]


def test_a_row_that_was_moved_leads_to_one_ticket(clients: Clients) -> None:
    create_downlinks_table(clients)
    waiting, tickets = WaitingDownlinks(clients, DOWNLINKS), Tickets()
    event = {**events.rule_output({"thingName": "tank-7"}, topics.DOWNLINK_REQUEST), "receivedAt": 5000}
    waiting.store(topics.DOWNLINK_REQUEST, "1", event)
    arrivals = DownlinkArrivals(waiting, tickets, Log())  # type: ignore[arg-type]
    for thing in (topics.DOWNLINK_REQUEST, "tank-7"):
        arrivals.announce([{"dynamodb": {"Keys": {"thing": {"S": thing}, "id": {"S": "1"}}}}])
    first, second = tickets.sent
    assert first == second


# What a rule does not write into the table ----------------------------------------------------------------------------


class Log:
    def __init__(self) -> None:
        self.events: list[str] = []

    def record(self, _thing: str | None, _level: str, event: str, **_: Any) -> None:
        self.events.append(event)


def stored(body: str) -> tuple[list[tuple[str, str, dict[str, Any]]], list[str]]:
    """What becomes of a message that was sent at 7 s: rows and records."""
    rows, log = Rows(), Log()
    DownlinkArrivals(rows, None, log).store(body, "id", 7.0)  # type: ignore[arg-type]
    return rows.stored, log.events


def test_a_request_is_stored_for_its_thing_or_for_none_with_its_time() -> None:
    unnamed = topics.DOWNLINK_REQUEST
    for request, thing in (({"thingName": "tank-7"}, "tank-7"), ({}, unnamed), (b"?", unnamed)):
        event = events.rule_output(request, topics.DOWNLINK_REQUEST)  # type: ignore[arg-type]
        assert stored(json.dumps(event)) == ([(thing, "id", {**event, "receivedAt": 7000})], [])
        dated = {**event, "receivedAt": 5000}
        assert stored(json.dumps(dated)) == ([(thing, "id", dated)], [])


def test_only_a_delta_that_follows_a_change_is_stored() -> None:
    event = events.load("rule_output/shadow_delta")
    ((thing, _, kept),), records = stored(json.dumps(event))
    assert (thing, kept["topic"], records) == ("tank-7", event["topic"], [])
    delta = events.load("shadow/delta")
    old = events.rule_output({**delta, "timestamp": delta["timestamp"] + 60}, event["topic"])
    assert stored(json.dumps(old)) == ([], [])
    assert stored(json.dumps(events.rule_output(b"[]", event["topic"]))) == ([], ["shadow_delta_not_readable"])


@pytest.mark.parametrize("body", ["", "[]", "7", "[" * 100_000])
def test_a_message_that_no_rule_sends_is_raised(body: str) -> None:
    with pytest.raises(BadInput):
        stored(body)


def test_the_log_is_the_one_of_things() -> None:
    """`Log` above stands for it."""
    assert {name for name in vars(Log) if not name.startswith("_")} <= set(dir(ThingsLog))
