"""What a message in a queue of failures says, in the shapes of AWS's documentation."""

import base64
import json
from typing import Any

import pytest

from thingbridge.messaging import envelopes, failed_messages
from thingbridge.messaging.failed_messages import HIDDEN

UPLINK = {"end_device_ids": {"device_id": "tank-7"}, "uplink_message": {"f_port": 1}}
TOPIC = "thethings/lorawan/farm/uplink"


def output(topic: str, body: object) -> dict[str, Any]:
    return {"topic": topic, "payload": base64.b64encode(json.dumps(body).encode()).decode()}


def record(event: object, **answer: object) -> str:
    context = {"condition": "RetriesExhausted", "approximateInvokeCount": 3, "functionArn": "arn:…:farm-upstream"}
    return json.dumps({"requestContext": context, "requestPayload": event, "responsePayload": answer})


def document(topic: str, body: bytes, error: str = "Queue does not exist") -> str:
    return json.dumps(
        {
            "ruleName": "farm_upstream",
            "topic": topic,
            "base64OriginalPayload": base64.b64encode(body).decode(),
            "failures": [{"failedAction": "LambdaAction", "failedResource": "arn:…", "errorMessage": error}],
        }
    )


def test_a_record_of_lambda_says_what_the_function_raised_and_how_often_it_was_tried() -> None:
    read = failed_messages.read(record(output(TOPIC, UPLINK), errorMessage="AWS is busy", errorType="Busy"))
    assert (read.cause, read.attempts, read.topic, read.subject) == ("AWS is busy", 3, TOPIC, "tank-7")
    assert read.content == UPLINK


def test_an_event_that_grew_too_old_says_so() -> None:
    old = {"requestContext": {"condition": "EventAgeExceeded"}, "requestPayload": output(TOPIC, UPLINK)}
    assert "too old" in (failed_messages.read(json.dumps(old)).cause or "")


def test_a_document_of_a_rule_says_which_action_failed() -> None:
    read = failed_messages.read(document(TOPIC, json.dumps(UPLINK).encode()))
    assert read.cause == "rule farm_upstream: LambdaAction: Queue does not exist"
    assert (read.topic, read.subject, read.content) == (TOPIC, "tank-7", UPLINK)


def test_a_document_inside_a_record_has_the_cause_of_the_later_failure() -> None:
    inner = json.loads(document(TOPIC, json.dumps(UPLINK).encode()))
    read = failed_messages.read(record(inner, errorMessage="AWS is busy"))
    assert (read.cause, read.topic, read.content) == ("AWS is busy", TOPIC, UPLINK)


def test_a_message_as_it_was_sent_says_no_cause() -> None:
    read = failed_messages.read(json.dumps({"operation": "CREATED", "thingName": "tank-7"}))
    assert (read.cause, read.subject) == (None, "tank-7")


@pytest.mark.parametrize("topic", ["lorawan/tank-7/downlink/push", "$aws/things/tank-7/shadow/name/lorawan/update"])
def test_the_topic_names_the_thing_before_the_content_does(topic: str) -> None:
    read = failed_messages.read(json.dumps(output(topic, {"thingName": "another"})))
    assert read.subject == "tank-7"


@pytest.mark.parametrize(
    "body", ["", "not JSON", "[1, 2]", "null", '"text"', '{"topic": 5}', "{" * 9, '{"requestContext": 1}', "[" * 5000]
)
def test_whatever_lies_in_the_queue_can_be_read_and_replayed_as_it_is(body: str) -> None:
    assert failed_messages.read(body).cause is None
    assert failed_messages.replayable(body) == body


@pytest.mark.parametrize("payload", [b"\xff\xfe", b"text"])
def test_what_is_not_json_is_described_by_its_size(payload: bytes) -> None:
    assert failed_messages.read(document(TOPIC, payload)).content == f"{len(payload)} bytes that are not JSON"


def test_keys_codes_and_tokens_are_hidden_wherever_they_are_and_ids_are_not() -> None:
    planted = {
        "attributes": {"appKey": "00", "nwkKey": "00", "claimAuthenticationCode": "C0DE", "devEUI": "A8"},
        "root_keys": {"app_key": {"key": "00"}},
        "session": [{"app_s_key": {"encrypted_key": "00"}, "session_key_id": "AX=="}],
        "authorization_token": "NNSXS.",
    }
    read = failed_messages.read(json.dumps(planted)).content
    assert not [secret for secret in ("00", "C0DE", "NNSXS") if secret in json.dumps(read)]
    assert read["attributes"] == {"appKey": HIDDEN, "nwkKey": HIDDEN, "claimAuthenticationCode": HIDDEN, "devEUI": "A8"}
    assert read["session"][0]["session_key_id"] == "AX=="


def test_a_key_in_a_text_is_hidden_as_well() -> None:
    inner = json.dumps({"attributes": {"appKey": "0123", "devEUI": "A8"}})
    read = failed_messages.read(json.dumps({"body": inner, "list": [json.dumps({"body": inner})]}))
    assert "0123" not in json.dumps(read.content)
    assert json.loads(read.content["body"])["attributes"] == {"appKey": HIDDEN, "devEUI": "A8"}
    assert "0123" not in str(failed_messages.read(inner[:-1]))
    assert failed_messages.read(inner[:-1]).content == f"{len(inner) - 1} characters that are not JSON"


@pytest.mark.parametrize("levels", [101, 480, 900, 5000])
def test_a_message_of_any_depth_can_be_read_printed_and_replayed(levels: int) -> None:
    deep = '{"a":' * levels + "1" + "}" * levels
    for body in (deep, record(deep), document(TOPIC, deep.encode()), json.dumps({"body": deep})):
        json.dumps(failed_messages.read(body).content, indent=2)
        failed_messages.replayable(body)
    record_of_objects = record(0).replace('"requestPayload": 0', f'"requestPayload": {deep}')
    assert failed_messages.replayable(record_of_objects).replace(" ", "") in (deep, record_of_objects.replace(" ", ""))


def test_a_replayed_event_has_no_record_around_it_and_the_function_reads_the_same() -> None:
    event = output(TOPIC, UPLINK)
    twice = record(json.loads(record(event, errorMessage="a")), errorMessage="b")
    assert json.loads(failed_messages.replayable(twice)) == event
    rule = document(TOPIC, json.dumps(UPLINK).encode())
    assert json.loads(failed_messages.replayable(record(json.loads(rule)))) == json.loads(rule)
    assert envelopes.unwrap_event(json.loads(failed_messages.replayable(twice))) == event


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("create the thing A81758FFFE0312AB: rate exceeded", "create the thing A81758FFFE0312AC: rate exceeded"),
        ("tank-7 failed after 30 s", "tank-12 failed after 31 s"),
        ("request 1f0e3dad-9990-4345-b7e5-95d2d1d0c1f6", "request 98f13708-2101-34c4-b687-4b1bcd2a5e0e"),
    ],
)
def test_causes_that_differ_in_ids_and_numbers_are_alike(one: str, other: str) -> None:
    assert failed_messages.alike(one) == failed_messages.alike(other)
    assert failed_messages.alike(one) != failed_messages.alike("AWS is busy")


def test_what_a_rule_could_not_deliver_is_found_byte_by_byte() -> None:
    assert failed_messages.published(document("farm/record/tank-7", b"\x00\xff")) == ("farm/record/tank-7", b"\x00\xff")
    assert failed_messages.published(json.dumps({"topic": "a", "base64OriginalPayload": "?"})) is None
    assert failed_messages.published("text") is None
