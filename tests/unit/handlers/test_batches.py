"""Batches of SQS messages: failed messages are retried, and only those."""

import json

import pytest

from handlers import batches
from tests import events
from thingbridge.errors import BadInput, Busy, Misconfigured


def test_only_failed_messages_are_retried_and_each_failure_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    handled: list[str] = []

    def handle(body: str) -> None:
        handled.append(body)
        if body == "busy":
            raise Busy("The Things Stack is down")
        if body == "misconfigured":
            raise Misconfigured("a right is missing")

    batch = events.sqs_batch("first", "busy", "misconfigured", "last")
    assert batches.handle_each(batch, handle) == {
        "batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}],
    }
    assert handled == ["first", "busy", "misconfigured", "last"]
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["event"], each["message_id"], each["reason"]) for each in entries] == [
        ("event_comes_again", "1", "The Things Stack is down"),
        ("event_comes_again", "2", "a right is missing"),
    ]


def test_a_batch_without_failures_reports_none() -> None:
    assert batches.handle_each(events.load("sqs/registry_event"), lambda _: None) == {"batchItemFailures": []}


def test_a_message_that_is_raised_as_bad_input_is_retried_until_it_is_a_dead_letter() -> None:
    def refuse(_: str) -> None:
        raise BadInput("message", "must be a deferred write, with thing and owner")

    (failure,) = batches.handle_each(events.sqs_batch("plain text"), refuse)["batchItemFailures"]
    assert failure == {"itemIdentifier": "0"}


def test_an_error_in_the_code_fails_the_whole_batch() -> None:
    def fail(_: str) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        batches.handle_each(events.sqs_batch("first", "second"), fail)
