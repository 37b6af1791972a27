"""Another `uplink_mode`: the queue of the former one is deleted only once it is empty, and a destroy always works."""

import json
from collections.abc import Callable
from dataclasses import asdict

import pytest

from tests.unit.conftest import Clock
from tests.unit.flows.applies import PATH
from thingbridge.aws.clients import Clients
from thingbridge.aws.parameters import Parameters
from thingbridge.aws.queues import Queue
from thingbridge.errors import Misconfigured
from thingbridge.flows.configuration import Application, Place, Record
from thingbridge.flows.drain import LOOKS, PATIENCE, SETTLES_AFTER, Drain

RECORD = f"{PATH}/record/integration"


class Way:
    """The queues of the mode `batched`, and the time that the flow takes. `handle`: called whenever time passes."""

    def __init__(self, clients: Clients, *, configured: bool = True) -> None:
        self.clients, self.clock = clients, Clock()
        sqs = clients("sqs")
        self.event = {
            "queue_url": sqs.create_queue(QueueName="Farm-upstream")["QueueUrl"],
            "failures_url": sqs.create_queue(QueueName="Farm-upstream-dead-letters")["QueueUrl"],
        }
        place = Place(Application("farm-app", "http://a", "http://a", "arn"), {}, "1")
        record = json.dumps(asdict(Record("c", "a", place))) if configured else "{}"
        clients("ssm").put_parameter(Name=RECORD, Value=record, Type="String")
        self.handle: Callable[[], None] = lambda: None

    def pass_time(self, seconds: float) -> None:
        self.clock.wait(seconds)
        self.handle()

    def send(self, queue: str) -> None:
        self.clients("sqs").send_message(QueueUrl=self.event[queue], MessageBody="uplink")

    @property
    def flow(self) -> Drain:
        parameters = Parameters(self.clients)
        return Drain(RECORD, parameters, lambda url: Queue(self.clients, url), self.pass_time, self.clock)


def test_an_empty_way_ends_after_the_rule_has_settled(clients: Clients) -> None:
    way = Way(clients)
    assert way.flow.end(way.event) == {"drained": True}
    assert SETTLES_AFTER <= way.clock() <= SETTLES_AFTER + 10


def test_what_waits_is_waited_for(clients: Clients) -> None:
    way = Way(clients)
    way.send("queue_url")

    def handle() -> None:
        if way.clock() > SETTLES_AFTER + 5:
            sqs, url = clients("sqs"), way.event["queue_url"]
            for each in sqs.receive_message(QueueUrl=url).get("Messages", []):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])

    way.handle = handle
    assert way.flow.end(way.event) == {"drained": True}


def test_a_message_that_arrives_between_two_looks_is_waited_for(clients: Clients) -> None:
    way, looks = Way(clients), iter(range(100))

    def handle() -> None:
        if next(looks) == LOOKS - 1:
            way.send("queue_url")

    way.handle = handle
    with pytest.raises(Misconfigured):
        way.flow.end(way.event)


def test_a_queue_that_does_not_empty_is_kept_and_the_apply_says_how_it_is_tried_again(clients: Clients) -> None:
    way = Way(clients)
    way.send("queue_url")
    with pytest.raises(Misconfigured, match=r"messages \(1\) wait in Farm-upstream, .* apply again"):
        way.flow.end(way.event)
    assert way.clock() < SETTLES_AFTER + PATIENCE + 10 < 60


def test_messages_that_failed_are_replayed_first(clients: Clients) -> None:
    way = Way(clients)
    way.send("failures_url")
    with pytest.raises(Misconfigured, match=r"failures replay upstream_dead_letters"):
        way.flow.end(way.event)


def test_a_stack_that_is_removed_is_never_held_up(clients: Clients) -> None:
    way = Way(clients, configured=False)
    way.send("queue_url")
    way.send("failures_url")
    assert way.flow.end(way.event) == {"drained": False}
    assert way.clock() == 0


def test_a_way_without_a_queue_ends_once_the_rule_has_settled(clients: Clients) -> None:
    way = Way(clients)
    assert way.flow.end({"queue_url": None, "failures_url": None}) == {"drained": True}
    assert way.clock() == SETTLES_AFTER


def test_the_right_to_look_is_used_as_soon_as_it_is_granted(clients: Clients) -> None:
    way = Way(clients)
    way.send("failures_url")
    assert way.flow.begin(way.event) == {"waiting": 1}
