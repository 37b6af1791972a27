"""Batches of SQS messages: each is handled in a share of the time, and only those that failed are delivered again."""

import json
from typing import Any

import pytest

from handlers import batches
from handlers.batches import Retries, Share
from tests import events
from tests.unit.conftest import Clock
from tests.unit.invocation import ARN
from thingbridge.aws.queues import Redelivery
from thingbridge.errors import BadInput, Busy, Deferred, Misconfigured, ThingbridgeError
from thingbridge.registry import events as registry_events

MOST = 10
SECRET = "0123456789ABCDEF0123456789ABCDEF"
TEN = tuple(str(number) for number in range(10))


def log(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def failed(failures: batches.Failures) -> list[str]:
    return [each["itemIdentifier"] for each in failures["batchItemFailures"]]


def received(batch: dict[str, Any], *counts: int) -> dict[str, Any]:
    """The batch with the number of times that each message was delivered."""
    for record, count in zip(batch["Records"], counts, strict=True):
        record["attributes"] = {**record["attributes"], "ApproximateReceiveCount": str(count)}
    return batch


class Time:
    """An invocation of 150 seconds, which pass when a message is handled."""

    invoked_function_arn = ARN

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.share = Share(self)

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (150 - self.clock()))

    def left(self) -> float:
        """Seconds that the flow believes to have."""
        return self.share.get_remaining_time_in_millis() / 1000

    def wait_for_a_server(self, patience: float) -> None:
        """Wait for a server that does not answer: until patience or the share ends, less the transport's margin."""
        self.clock.wait(max(0.0, min(patience, self.left() - 1)))
        raise Busy("The Things Stack answered 500")


@pytest.fixture
def invocation(clock: Clock) -> Time:
    return Time(clock)


# One bad message among others


def test_only_failed_messages_are_retried_and_each_failure_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    handled: list[str] = []

    def handle(body: str) -> None:
        handled.append(body)
        if body == "busy":
            raise Busy("The Things Stack is down")
        if body == "misconfigured":
            raise Misconfigured("a right is missing")

    batch = events.sqs_batch("first", "busy", "misconfigured", "last")
    assert failed(batches.handle_each(batch, handle)) == ["1", "2"]
    assert handled == ["first", "busy", "misconfigured", "last"]
    assert [(each["event"], each["message_id"], each["reason"]) for each in log(capsys)] == [
        ("event_will_be_retried", "1", "The Things Stack is down"),
        ("event_will_be_retried", "2", "a right is missing"),
    ]


def test_a_batch_without_failures_reports_none() -> None:
    assert batches.handle_each(events.load("sqs/registry_event"), lambda _: None) == {"batchItemFailures": []}


def test_a_message_that_is_raised_as_bad_input_is_retried_until_it_is_a_dead_letter() -> None:
    def refuse(_: str) -> None:
        raise BadInput("message", "must be a deferred write, with thing and owner")

    assert failed(batches.handle_each(events.sqs_batch("plain text"), refuse)) == ["0"]


def test_an_exception_that_is_not_ours_costs_its_own_message_alone_and_its_text_is_not_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handled: list[str] = []

    def handle(body: str) -> None:
        if body == "4":
            raise KeyError(SECRET)
        handled.append(body)

    assert failed(batches.handle_each(events.sqs_batch(*TEN), handle)) == ["4"]
    assert handled == [each for each in TEN if each != "4"]
    (entry,) = log(capsys)
    assert entry["reason"].startswith("unexpected KeyError at test_batches.py:")
    assert SECRET not in str(entry)


def test_a_device_that_the_things_stack_fails_on_leaves_time_for_the_nine_others(invocation: Time) -> None:
    handled: list[float] = []

    def handle(body: str) -> None:
        if body == "0":
            invocation.wait_for_a_server(patience=900)
        invocation.clock.wait(0.5)
        handled.append(invocation.clock())

    assert failed(batches.handle_each(events.sqs_batch(*TEN), handle, share=invocation.share)) == ["0"]
    assert len(handled) == 9
    # The first of ten has a tenth of the time, less what the transport keeps to record the outcome.
    assert handled[-1] == pytest.approx(14 + 9 * 0.5)


def test_what_a_quick_message_leaves_is_for_those_after_it(invocation: Time) -> None:
    shares: list[float] = []
    batches.handle_each(events.sqs_batch(*TEN[:5]), lambda _: shares.append(invocation.left()), share=invocation.share)
    assert shares == [30, 37.5, 50, 75, 150]


def test_every_message_has_its_share_even_when_the_things_stack_is_slow_for_all(invocation: Time) -> None:
    shares: list[float] = []

    def handle(_: str) -> None:
        shares.append(invocation.left())
        invocation.wait_for_a_server(patience=900)

    batch = events.sqs_batch(*TEN[:5])
    assert failed(batches.handle_each(batch, handle, share=invocation.share)) == list(TEN[:5])
    assert all(share >= 30 for share in shares)


def test_messages_that_failed_before_are_handled_last() -> None:
    handled: list[str] = []
    batches.handle_each(received(events.sqs_batch("a", "b", "c"), 7, 1, 2), handled.append)
    assert handled == ["b", "c", "a"]


# When messages are delivered again


class Noted(Redelivery):
    """Keeps the delays of messages instead of asking SQS for them; `refusal` is raised instead."""

    def __init__(self) -> None:
        self.delays: list[int] = []
        self.refusal: ThingbridgeError | None = None

    def delay(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:
        assert queue_arn.endswith(":farm-registry")
        assert receipt_handle
        if self.refusal:
            raise self.refusal
        self.delays.append(seconds)


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
def retries(noted: Noted) -> Retries:
    return Retries(noted, MOST)


def fail(_: str) -> None:
    raise Busy("The Things Stack is down")


def test_the_pause_before_the_next_attempt_grows(retries: Retries, noted: Noted) -> None:
    for attempt in range(1, MOST):
        batches.handle_each(received(events.sqs_batch("a"), attempt), fail, retries=retries)
    assert noted.delays == [5, 30, 120, *[600] * 6]


def test_a_queue_whose_work_may_succeed_at_any_moment_has_a_shorter_longest_pause(
    noted: Noted,
) -> None:
    retries = Retries(noted, MOST, longest_pause=180)
    for attempt in (3, 4, 9):
        batches.handle_each(received(events.sqs_batch("a"), attempt), fail, retries=retries)
    assert noted.delays == [120, 180, 180]


def test_after_its_last_attempt_a_message_becomes_a_dead_letter_at_once_and_the_log_says_so(
    retries: Retries, noted: Noted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failed(batches.handle_each(received(events.sqs_batch("a"), MOST), fail, retries=retries)) == ["0"]
    assert noted.delays == [0]
    (entry,) = log(capsys)
    assert (entry["level"], entry["event"], entry["attempt"]) == ("ERROR", "event_moved_to_dead_letters", MOST)


def test_a_message_for_which_no_time_is_left_is_delivered_again_at_once(
    invocation: Time, retries: Retries, noted: Noted, capsys: pytest.CaptureFixture[str]
) -> None:
    # Calls of AWS have time-outs of their own, and may take longer than a share.
    assert failed(
        batches.handle_each(
            events.sqs_batch("a", "b", "c"),
            lambda _: invocation.clock.wait(73),
            share=invocation.share,
            retries=retries,
        )
    ) == ["2"]
    assert noted.delays == [0]
    assert [(each["event"], each["message_id"]) for each in log(capsys)] == [("event_deferred", "2")]


def test_if_sqs_refuses_a_delay_the_visibility_timeout_of_the_queue_applies(
    retries: Retries, noted: Noted, capsys: pytest.CaptureFixture[str]
) -> None:
    noted.refusal = Misconfigured("a right is missing")
    assert failed(batches.handle_each(events.sqs_batch("a"), fail, retries=retries)) == ["0"]
    assert [each["event"] for each in log(capsys)] == ["event_will_be_retried", "retry_delay_not_set"]


# Message groups of a FIFO queue


def in_groups(groups: str, *counts: int) -> dict[str, Any]:
    """A batch with a message of each of these groups, whose names are letters; the bodies are a0, b1 and so on."""
    batch = received(events.sqs_batch(*(f"{name}{number}" for number, name in enumerate(groups))), *counts)
    for record, name in zip(batch["Records"], groups, strict=True):
        record["attributes"]["MessageGroupId"] = name
    return batch


def test_after_a_failure_no_later_message_of_its_group_is_begun_and_other_groups_are(
    retries: Retries, noted: Noted
) -> None:
    handled: list[str] = []

    def handle(body: str) -> None:
        handled.append(body)
        if body == "a0":
            raise Busy("The Things Stack is down")

    batch = in_groups("abaab", 1, 1, 1, 1, 1)
    assert failed(batches.handle_each(batch, handle, retries=retries)) == ["0", "2", "3"]
    assert handled == ["a0", "b1", "b4"]
    assert noted.delays == [5, 5, 5]


def test_a_group_that_failed_before_comes_last_and_stays_in_order() -> None:
    handled: list[str] = []
    batches.handle_each(in_groups("abab", 7, 1, 1, 1), handled.append)
    assert handled == ["b1", "b3", "a0", "a2"]


def test_a_message_that_a_flow_defers_is_delivered_again_at_once_with_its_group(
    retries: Retries, noted: Noted, capsys: pytest.CaptureFixture[str]
) -> None:
    def handle(_: str) -> None:
        raise Deferred("no time is left")

    assert failed(batches.handle_each(in_groups("aa", 1, 1), handle, retries=retries)) == ["0", "1"]
    assert noted.delays == [0, 0]
    assert [(each["level"], each["event"]) for each in log(capsys)] == [("INFO", "event_deferred")]


def test_the_source_of_a_batch_is_known_from_its_records() -> None:
    batch = events.sqs_batch("a")
    assert batches.source(batch) is batches.Source.QUEUE
    batch["Records"][0]["eventSourceARN"] += ".fifo"
    assert batches.source(batch) is batches.Source.FIFO_QUEUE
    assert batches.source({"Records": [{"eventSource": "aws:dynamodb"}]}) is batches.Source.STREAM


def test_a_flow_may_see_how_a_message_was_delivered() -> None:
    seen: list[batches.Delivery] = []
    batches.handle_deliveries(received(events.sqs_batch("a"), 3), seen.append)
    (delivery,) = seen
    sent_at = int(events.sqs_batch("a")["Records"][0]["attributes"]["SentTimestamp"]) / 1000
    assert delivery == batches.Delivery("a", "0", 3, sent_at)


# What AWS wraps around a message


def envelope(published: dict[str, Any]) -> dict[str, Any]:
    return {**events.load("rule_output/error"), "base64OriginalPayload": events.rule_output(published)["payload"]}


def destination_record(payload: dict[str, Any]) -> dict[str, Any]:
    return {**events.load("sqs/destination_record"), "requestPayload": payload}


@pytest.fixture(params=["the message", "error of the rule", "record of Lambda", "record of an error of the rule"])
def wrapped(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """A message as a queue has it, and in each of the shapes that a dead-letter queue may have it in."""
    message = events.load("things_stack/downlink_invalidated")
    topic = "thethings/lorawan/farm/downlink/invalidated"
    output = events.rule_output(message, topic)
    error = {**envelope(message), "topic": topic}
    shapes = {
        "the message": output,
        "error of the rule": error,
        "record of Lambda": destination_record(output),
        "record of an error of the rule": destination_record(error),
    }
    return json.dumps(shapes[request.param]), output


def test_a_message_is_handled_whatever_aws_wraps_around_it(wrapped: tuple[str, dict[str, Any]]) -> None:
    body, output = wrapped
    handled: list[Any] = []
    batches.handle_each(events.sqs_batch(body), lambda each: handled.append(json.loads(each)))
    assert handled == [output]


def test_a_registry_event_that_the_rule_could_not_queue_is_handled_without_its_keys() -> None:
    event = events.load("registry/thing_created")
    handled: list[str] = []
    batches.handle_unqueued(
        {**envelope(event), "topic": "$aws/events/thing/tank-7/created"}, handled.append, registry_events.rule_output
    )
    (body,) = handled
    assert json.loads(body) == events.load("registry/selected")
    assert event["attributes"]["appKey"] not in body


def test_an_event_that_the_rule_could_not_queue_fails_with_an_error_that_quotes_nothing() -> None:
    def handle(body: str) -> None:
        raise ValueError(body)

    with pytest.raises(Exception, match=r"^unexpected ValueError at test_batches\.py:\d+$") as raised:
        batches.handle_unqueued(envelope({"operation": SECRET}), handle, registry_events.rule_output)
    assert raised.value.__suppress_context__
