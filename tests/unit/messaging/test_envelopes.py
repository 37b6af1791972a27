"""What AWS wraps around a failed message: it is unwrapped, and everything else is left as it is."""

import base64
import json
from typing import Any

import pytest

from tests import events
from thingbridge.messaging import envelopes

OUTPUT = {"topic": "thethings/lorawan/farm/join", "payload": "AQID"}
ERROR = {**events.load("rule_output/error"), "topic": OUTPUT["topic"], "base64OriginalPayload": OUTPUT["payload"]}
RECORD = events.load("sqs/destination_record")


def test_the_document_of_an_error_action_becomes_what_the_rule_passes_on() -> None:
    assert json.loads(envelopes.unwrap(json.dumps(ERROR))) == OUTPUT


def test_a_rule_that_selects_something_else_is_given_what_was_published() -> None:
    assert envelopes.unwrap(json.dumps(ERROR), lambda topic, published: f"{topic} {published!r}") == (
        f"{OUTPUT['topic']} {bytes([1, 2, 3])!r}"
    )


@pytest.mark.parametrize("payload", [OUTPUT, json.dumps(OUTPUT), ERROR, {**RECORD, "requestPayload": ERROR}])
def test_the_record_of_a_failed_event_becomes_the_event(payload: Any) -> None:
    assert json.loads(envelopes.unwrap(json.dumps({**RECORD, "requestPayload": payload}))) == OUTPUT


@pytest.mark.parametrize(
    "body",
    [
        "",
        "plain text",
        "[" * 100_000,
        "[]",
        json.dumps(OUTPUT),
        json.dumps({**ERROR, "base64OriginalPayload": "?"}),
        json.dumps({**ERROR, "topic": 1}),
        json.dumps({**RECORD, "requestContext": "text"}),
        json.dumps({"thing": "tank-7", "owner": "2026-01-02T14:40:00Z"}),
        json.dumps({"operation": "SYNCHRONISE", "deviceID": "tank-7"}),
    ],
    ids=lambda body: body[:30] or "nothing",
)
def test_everything_else_is_left_as_it_is(body: str) -> None:
    assert envelopes.unwrap(body) == body


@pytest.mark.parametrize("event", [OUTPUT, ERROR, {**RECORD, "requestPayload": OUTPUT}])
def test_a_function_that_is_invoked_with_a_failure_handles_the_rules_output(event: dict[str, Any]) -> None:
    assert envelopes.unwrap_event(event) == OUTPUT


def test_a_function_that_is_invoked_with_something_else_is_given_just_that() -> None:
    assert envelopes.unwrap_event({"topic": "t"}) == {"topic": "t"}
    record = {**RECORD, "requestPayload": "text"}
    assert envelopes.unwrap_event(record) == record


def test_the_published_bytes_are_kept() -> None:
    published = bytes(range(256))
    body = json.dumps({**ERROR, "base64OriginalPayload": base64.b64encode(published).decode()})
    assert base64.b64decode(json.loads(envelopes.unwrap(body))["payload"]) == published
