"""Shadows at intervals, on an account in process: table, queue and shadow as the functions use them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from handlers import batches, composition
from tests import events
from tests.unit.conftest import AnswerWith, Clock, refusal
from thingbridge.aws.clients import Clients
from thingbridge.aws.queues import Queue
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import BadInput, Busy
from thingbridge.flows.paced_shadow import PacedShadowWriter
from thingbridge.flows.shadow import RecordedShadows
from thingbridge.shadow.state import SHADOW_NAME, ShadowSettings

GROUP = "/thethings/lorawan/farm/things"
INTERVAL = 60
NOW = 1_767_225_600.0
"""SQS keeps its own time, so tests deliver deferred writes themselves."""

Calls = Callable[[], dict[str, int]]


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000000000Z"


@pytest.fixture
def queue_url(iot: Any, clients: Clients) -> str:
    clients("logs").create_log_group(logGroupName=GROUP)
    clients("dynamodb").create_table(
        TableName="farm-shadow-states",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "thing", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "thing", "AttributeType": "S"}],
    )
    iot.create_thing(thingName="tank")
    return str(clients("sqs").create_queue(QueueName="farm-shadow")["QueueUrl"])


@pytest.fixture
def writer(clients: Clients, queue_url: str, clock: Clock) -> Callable[[], PacedShadowWriter]:
    """Make the writer of another execution environment: all of them share one table and one queue, nothing else."""
    shadows = RecordedShadows(Shadows(clients, SHADOW_NAME), ThingsLog(clients, GROUP))
    clock.now = NOW
    return lambda: PacedShadowWriter(
        shadows,
        ShadowStates(clients, "farm-shadow-states"),
        Queue(clients, queue_url),
        ShadowSettings(min_interval_seconds=INTERVAL),
        clock,
    )


@pytest.fixture
def deferred(clients: Clients, queue_url: str) -> list[dict[str, Any]]:
    """The deferred writes, as they are sent."""
    sent: list[dict[str, Any]] = []
    clients("sqs").meta.events.register(
        "provide-client-params.sqs.SendMessage",
        lambda params, **_: sent.append({"body": params["MessageBody"], "seconds": params["DelaySeconds"]}),
    )
    return sent


@pytest.fixture
def reported(clients: Clients) -> Callable[[], dict[str, Any]]:
    return lambda: Shadows(clients, SHADOW_NAME).reported("tank")


Writer = Callable[[], PacedShadowWriter]
Reported = Callable[[], dict[str, Any]]


def test_the_first_state_is_written_and_later_ones_of_any_execution_environment_together(
    writer: Writer, deferred: list[dict[str, Any]], clock: Clock, reported: Reported
) -> None:
    one, other = writer(), writer()
    one.write("tank", {"rssi": -70, "devAddr": "26"}, at(1))
    assert reported() == {"rssi": -70, "devAddr": "26"}
    clock.wait(10)
    other.write("tank", {"rssi": -75}, at(2))
    one.write("tank", {"rssi": -80}, at(3))
    (later,) = deferred
    assert later["seconds"] == 50
    assert reported()["rssi"] == -70
    clock.wait(50)
    writer().write_scheduled(later["body"])
    assert reported() == {"rssi": -80, "devAddr": "26"}
    assert len(deferred) == 1


def test_a_deferred_write_that_is_delivered_twice_writes_once(
    writer: Writer, deferred: list[dict[str, Any]], clock: Clock, calls: Calls
) -> None:
    writer().write("tank", {"rssi": -70}, at(1))
    writer().write("tank", {"rssi": -75}, at(2))
    (later,) = deferred
    clock.wait(60)
    writer().write_scheduled(later["body"])
    calls()
    writer().write_scheduled(later["body"])
    assert calls() == {"GetItem": 1}


def test_a_repeated_deferred_write_does_not_do_the_next_one_early(
    writer: Writer, deferred: list[dict[str, Any]], clock: Clock, reported: Reported
) -> None:
    one = writer()
    for second in (1, 2):
        one.write("tank", {"rssi": -70 - second}, at(second))
    (done,) = deferred
    clock.wait(60)
    writer().write_scheduled(done["body"])
    one.write("tank", {"rssi": -80}, at(3))
    writer().write_scheduled(done["body"])
    assert reported() == {"rssi": -72}
    clock.wait(60)
    writer().write_scheduled(deferred[1]["body"])
    assert reported() == {"rssi": -80}


def test_a_warm_message_between_two_writes_costs_one_call(writer: Writer, calls: Calls) -> None:
    one = writer()
    for second in (1, 2):
        one.write("tank", {"rssi": -70 - second}, at(second))
    calls()
    one.write("tank", {"rssi": -80}, at(3))
    assert calls() == {"UpdateItem": 1}


def test_a_message_whose_write_met_a_busy_shadow_writes_when_it_is_delivered_again(
    writer: Writer, clients: Clients, reported: Reported
) -> None:
    busy = True

    def answer(**_: Any) -> Any:
        return refusal(429, "ThrottlingException") if busy else None

    clients("iot-data").meta.events.register("before-call.iot-data-plane.UpdateThingShadow", answer)
    one = writer()
    with pytest.raises(Busy):
        one.write("tank", {"rssi": -70}, at(1))
    one.write("tank", {"rssi": -75}, at(2))
    assert reported() == {}
    busy = False
    one.write("tank", {"rssi": -70}, at(1))
    assert reported() == {"rssi": -75}


def test_a_state_that_aws_refused_is_written_with_the_next_one_also_what_has_not_changed(
    writer: Writer, clients: Clients, deferred: list[dict[str, Any]], clock: Clock, reported: Reported
) -> None:
    refused = True

    def answer(**_: Any) -> Any:
        return refusal(400, "InvalidRequestException") if refused else None

    clients("iot-data").meta.events.register("before-call.iot-data-plane.UpdateThingShadow", answer)
    one = writer()
    one.write("tank", {"rssi": -70, "fCntUp": 2}, at(1))
    assert (deferred, reported()) == ([], {})
    refused = False
    one.write("tank", {"rssi": -75, "fCntUp": 2}, at(2))
    # The interval counts from the write that was refused.
    (later,) = deferred
    clock.wait(60)
    one.write_scheduled(later["body"])
    assert reported() == {"rssi": -75, "fCntUp": 2}


def test_a_decoded_payload_that_aws_refuses_is_not_tried_again_while_it_does_not_change(
    writer: Writer, clients: Clients, deferred: list[dict[str, Any]], clock: Clock, reported: Reported, calls: Calls
) -> None:
    def answer(params: dict[str, Any], **_: Any) -> Any:
        return refusal(400, "InvalidRequestException") if b"decodedPayload" in params["body"] else None

    clients("iot-data").meta.events.register("before-call.iot-data-plane.UpdateThingShadow", answer)
    one = writer()
    one.write("tank", {"rssi": -70, "decodedPayload": {"deep": 1}}, at(1))
    one.write("tank", {"rssi": -75, "decodedPayload": {"deep": 1}}, at(2))
    clock.wait(60)
    calls()
    one.write_scheduled(deferred[0]["body"])
    assert calls()["UpdateThingShadow"] == 1
    assert reported() == {"rssi": -75}


def test_a_write_that_no_queue_takes_is_not_forgotten(
    writer: Callable[[], PacedShadowWriter], answer_with: AnswerWith
) -> None:
    writer().write("tank", {"rssi": -71}, at(0))
    answer_with("sqs", "SendMessage", 400, "InvalidParameterValue")
    # Whatever is wrong with the queue: the sender of the message could not correct it.
    with pytest.raises(Busy):
        writer().write("tank", {"rssi": -72}, at(1))


def test_a_message_without_a_time_is_as_new_as_its_arrival(writer: Writer, reported: Reported, clock: Clock) -> None:
    one = writer()
    one.write("tank", {"rssi": -70}, None)
    clock.wait(INTERVAL)
    one.write("tank", {"rssi": -75}, None)
    assert reported() == {"rssi": -75}


@pytest.mark.parametrize("message", ["plain text", "{}", "[]", '{"thing": "tank"}'])
def test_a_message_that_is_not_a_deferred_write_is_bad_input(writer: Writer, message: str) -> None:
    with pytest.raises(BadInput, match="must be a deferred write"):
        writer().write_scheduled(message)


def test_a_row_that_can_not_be_read_is_bad_input(writer: Writer, clients: Clients) -> None:
    ShadowStates(clients, "farm-shadow-states").change("tank", lambda _: '{"fields": []}', NOW)
    with pytest.raises(BadInput, match="row: of tank"):
        writer().write_scheduled(json.dumps({"thing": "tank", "owner": at(1)}))


def test_a_row_that_can_not_be_read_begins_again_with_the_next_message(
    writer: Writer, reported: Reported, clients: Clients
) -> None:
    ShadowStates(clients, "farm-shadow-states").change("tank", lambda _: '{"fields": []}', NOW)
    for second in (1, 2):
        writer().write("tank", {"rssi": -75}, at(second))
    assert reported() == {"rssi": -75}
    (entry,) = ThingsLog(clients, GROUP).entries("tank")
    assert (entry["event"], entry["level"]) == ("shadow_state_not_readable", "ERROR")


def test_a_row_that_becomes_unreadable_while_it_is_written_does_not_fail_the_write(
    writer: Writer, reported: Reported, clients: Clients
) -> None:
    states = ShadowStates(clients, "farm-shadow-states")
    clients("iot-data").meta.events.register(
        "before-call.iot-data-plane.UpdateThingShadow", lambda **_: states.change("tank", lambda _: "{}", NOW) and None
    )
    writer().write("tank", {"rssi": -75}, at(1))
    assert reported() == {"rssi": -75}


def test_a_deferred_write_that_fails_is_named_and_the_others_are_done(
    clients: Clients, queue_url: str, deferred: list[dict[str, Any]], reported: Reported
) -> None:
    environment = {
        "STACK_NAME": "farm",
        "THINGS_LOG_GROUP": GROUP,
        "SHADOW": json.dumps({"min_interval_seconds": INTERVAL}),
        "SHADOW_STATES_TABLE": "farm-shadow-states",
        "SHADOW_QUEUE_URL": queue_url,
        "SHADOW_WRITES_RATE": "1000",
    }
    flow = composition.shadow(environment, clients)
    for second in (1, 2):
        flow.write("tank", {"rssi": -70 - second}, at(second))
    (later,) = deferred
    answer = batches.handle_each(events.sqs_batch("plain text", later["body"]), flow.write_scheduled)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert reported() == {"rssi": -72}
