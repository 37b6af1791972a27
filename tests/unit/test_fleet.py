"""The simulated account of benchmarks/fleet, and that docs/fleet-size.md shows what it finds."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.fleet import onboarding, page, steady
from benchmarks.fleet.account import Account, Quotas
from benchmarks.fleet.engine import Agenda, Clock
from benchmarks.fleet.functions import EVENT_RETRIES, Concurrency, Events, Function
from benchmarks.fleet.onboarding import Source
from benchmarks.fleet.queues import Queue
from benchmarks.fleet.tables import Tables
from tests import documents
from tests.sizes import size
from thingbridge.aws.errors import AwsError
from thingbridge.aws.things import Things
from thingbridge.errors import Busy

Code = Callable[[Any], Any]


def function(account: Account, code: Code, **options: Any) -> Function:
    return Function(account, Concurrency(), lambda: code, timeout=15, **options)


def test_a_quota_holds_in_each_second_even_if_calls_come_out_of_order() -> None:
    quotas = Quotas({"ListThings": 2})
    assert [quotas.take("ListThings", at) for at in (5.0, 4.9, 5.9, 5.5, 4.1, 4.2)] == [
        True,
        True,
        True,
        False,
        True,
        False,
    ]
    assert quotas.refused == {"ListThings": 2}
    assert quotas.first_refused == {"ListThings": 4.2}
    assert quotas.share("ListThings", 4, 6) == 1.0


def test_the_reads_and_writes_of_shadows_share_one_quota() -> None:
    quotas = Quotas({"UpdateThingShadow": 1})
    assert quotas.take("GetThingShadow", 0)
    assert not quotas.take("UpdateThingShadow", 0)


def test_a_call_above_the_quota_is_repeated_as_the_product_does_and_then_raises_busy() -> None:
    clock = Clock()
    account = Account(clock, Quotas({"DescribeThing": 0}))
    with pytest.raises(Busy):
        Things(account.clients()).describe("A81758FF00000000")
    assert account.quotas.refused["DescribeThing"] == 5
    assert 0.1 < clock.at < 16


def test_a_thing_is_created_once_and_another_of_its_name_is_refused() -> None:
    account = Account(Clock())
    things = Things(account.clients())
    assert [things.create("tank", {"devEUI": eui}, "lorawan") for eui in ("01", "01", "02")] == [True, True, False]
    assert things.describe("tank") is not None
    assert things.describe("pump") is None


def test_a_function_has_as_many_environments_as_invocations_at_the_same_time() -> None:
    account, agenda = Account(Clock()), Agenda()
    upstream = function(account, lambda seconds: account.clock.sleep(seconds))
    done: list[float] = []
    events = Events(agenda, upstream, lambda at, _: done.append(at))
    agenda.run([(0.0, 5.0), (1.0, 5.0), (10.0, 1.0)], events.put)
    assert (upstream.copies, upstream.invocations) == (2, 3)
    assert sorted(done) == done


def test_an_event_that_fails_three_times_is_kept_in_the_failure_queue() -> None:
    account, agenda = Account(Clock()), Agenda()
    tried: list[float] = []

    def fail(_event: Any) -> None:
        tried.append(account.clock.at)
        raise Busy("search things: ThrottlingException")

    events = Events(agenda, function(account, fail), lambda *_: None)
    agenda.run([(0.0, "uplink")], events.put)
    assert events.failure_queue == ["uplink"]
    assert [round(after - before) for before, after in itertools.pairwise(tried)] == list(EVENT_RETRIES)


def test_an_invocation_ends_at_its_time_limit_whatever_it_catches() -> None:
    account = Account(Clock())

    def sleep(_event: Any) -> None:
        try:
            account.clock.sleep(3600)
        except Exception:  # a flow that catches everything
            return

    upstream = function(account, sleep)
    ended, _, failure = upstream.invoke(0.0, "uplink")
    assert isinstance(failure, TimeoutError)
    assert 15 <= ended < 16
    assert upstream.time_outs == 1


def test_an_event_waits_while_every_environment_is_in_use() -> None:
    account, agenda = Account(Clock()), Agenda()
    busy = function(account, lambda _: account.clock.sleep(3), limit=1)
    events = Events(agenda, busy, lambda *_: None)
    agenda.run([(0.0, 1), (0.1, 2)], events.put)
    assert (busy.invocations, busy.copies, events.waiting, events.failure_queue) == (2, 1, 0, [])
    assert busy.throttles > 0


def test_a_message_that_fails_is_received_again_and_then_is_a_dead_letter() -> None:
    account, agenda = Account(Clock()), Agenda()
    received: list[list[str]] = []

    def handle(batch: dict[str, Any]) -> Any:
        received.append([each["body"] for each in batch["Records"]])
        return {
            "batchItemFailures": [
                {"itemIdentifier": each["messageId"]} for each in batch["Records"] if each["body"] == "b"
            ]
        }

    queue = Queue(agenda, function(account, handle), "q", 5, 2, visibility_timeout=90, maximum_receive_count=2)
    agenda.run([(0.0, "a"), (0.0, "b")], queue.send)
    assert sorted(body for batch in received for body in batch) == ["a", "b", "b"]
    assert queue.dead_letters == ["b"]
    assert len(queue) == 0


def test_a_fifo_queue_delivers_the_messages_of_a_group_in_order_and_those_of_others_meanwhile() -> None:
    account, agenda = Account(Clock()), Agenda()
    handled: list[str] = []

    def handle(batch: dict[str, Any]) -> Any:
        account.clock.sleep(10)
        failed = [
            each
            for each in batch["Records"]
            if each["body"] == "a1" and each["attributes"]["ApproximateReceiveCount"] == "1"
        ]
        handled.extend(each["body"] for each in batch["Records"] if each not in failed)
        return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in failed]}

    queue = Queue(agenda, function(account, handle), "q.fifo", 1, 2, 90, maximum_receive_count=9, fifo=True)
    agenda.run([(0.0, "a1"), (0.1, "a2"), (0.2, "b1"), (0.3, "b2")], lambda at, body: queue.send(at, body, body[0]))
    assert handled == ["b1", "b2", "a1", "a2"]
    assert (len(queue), queue.dead_letters, queue.most_waiting) == (0, [], 4)


def test_a_table_writes_only_where_the_condition_holds() -> None:
    tables = Tables()
    write = {
        "TableName": "t",
        "Key": {"device": {"S": "01"}},
        "UpdateExpression": "SET as_of = :at, #t = :thing REMOVE gone ADD #k :k",
        "ExpressionAttributeNames": {"#t": "thing", "#k": "keys"},
        "ExpressionAttributeValues": {":at": {"N": "5"}, ":thing": {"S": "tank"}, ":k": {"SS": ["x"]}},
        "ConditionExpression": "attribute_not_exists(as_of) OR as_of < :at",
    }
    tables.update(write)
    with pytest.raises(AwsError):
        tables.update(write)
    item = {"device": {"S": "01"}, "as_of": {"N": "5"}, "thing": {"S": "tank"}, "keys": {"SS": ["x"]}}
    assert tables.get({"TableName": "t", "Key": {"device": {"S": "01"}}}) == {"Item": item}
    tables.delete({"TableName": "t", "Key": {"device": {"S": "01"}}})
    assert tables.get({"TableName": "t", "Key": {"device": {"S": "01"}}}) == {}


@pytest.mark.parametrize("source", size([Source.DEVICES], list(Source)))
def test_a_small_fleet_is_known_without_loss_and_the_page_shows_it(source: Source) -> None:
    found = onboarding.run(1_000, source)
    assert (found["known"], found["lost"], found["failure_queue"], found["dead_letters"]) == (1_000, 0, 0, 0)
    assert found["calls"]["CreateThing"] == 1_000
    assert page.onboarding([found])[-1] in documents.read("docs/fleet-size.md").splitlines()


def test_the_page_shows_what_ten_uplinks_a_second_ask_of_an_account() -> None:
    found = steady.run(10)
    assert found["failed"] == 0
    assert page.steady([found])[-1] in documents.read("docs/fleet-size.md").splitlines()


def test_each_run_finds_the_same() -> None:
    assert json.dumps(steady.run(20, warm_up=30, measured=10)) == json.dumps(steady.run(20, warm_up=30, measured=10))


def test_messages_of_new_devices_wait_while_things_are_created_at_the_quota_and_none_is_lost() -> None:
    # 1,000 devices on a hundredth of everything: more of them send in a second than CreateThing's quota allows.
    found = onboarding.run(100_000, Source.DEVICES, scale=100)
    assert found["most_waiting"] > 0
    assert (found["known"], found["lost"], found["failure_queue"]) == (1_000, 0, 0)
    assert list(page.misses({"onboarding": [found], "steady": []})) == []


def test_what_a_fleet_does_not_reach_is_said() -> None:
    reached = onboarding.run(10, Source.DEVICES)
    crowd = {**reached, "known": 7, "failure_queue": 3, "create_thing_share": 0.05}
    asked = {**steady.run(1, warm_up=1, measured=1), "registry_calls_per_uplink": 0.5}
    assert list(page.misses({"onboarding": [reached], "steady": []})) == []
    said = "\n".join(page.misses({"onboarding": [crowd], "steady": [asked]}))
    for each in ("3 end in a failure queue", "only 7 are known", "5% of CreateThing's quota", "0.5000 registry calls"):
        assert each in said


def test_a_refusal_of_the_account_is_one_that_the_product_knows() -> None:
    account = Account(Clock(), Quotas({"Publish": 0}))
    with pytest.raises(AwsError):
        account.answer("Publish", lambda: None)
