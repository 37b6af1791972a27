"""The log of things: one stream per thing, and a log that fails never fails the message."""

import json
from typing import Any

import boto3
import pytest

from tests.unit.conftest import Response
from thingbridge.aws.clients import Clients
from thingbridge.aws.things_log import UNIDENTIFIED, ThingsLog, read_entry

GROUP = "/thethings/lorawan/farm/things"


@pytest.fixture
def logs(clients: Clients) -> Any:
    client = clients("logs")
    client.create_log_group(logGroupName=GROUP)
    return client


@pytest.fixture
def log(logs: Any, clients: Clients) -> ThingsLog:
    return ThingsLog(clients, GROUP)


def events(logs: Any, stream: str) -> list[dict[str, Any]]:
    found = logs.get_log_events(logGroupName=GROUP, logStreamName=stream)["events"]
    return [json.loads(event["message"]) for event in found]


def test_each_thing_has_a_stream(logs: Any, log: ThingsLog) -> None:
    log.record("barn", "ERROR", "message_dropped", reason="because")
    log.record("barn", "INFO", "end_device_created")
    assert events(logs, "barn") == [
        {"level": "ERROR", "event": "message_dropped", "reason": "because"},
        {"level": "INFO", "event": "end_device_created"},
    ]


def test_events_of_no_thing_share_one_stream(logs: Any, log: ThingsLog) -> None:
    log.record(None, "ERROR", "message_dropped")
    assert len(events(logs, UNIDENTIFIED)) == 1


def test_a_colon_in_a_thing_name_becomes_a_slash_which_no_thing_name_contains(logs: Any, log: ThingsLog) -> None:
    log.record("site:barn", "INFO", "x")
    assert len(events(logs, "site/barn")) == 1


def test_the_functions_own_log_has_the_same_event(log: ThingsLog, capsys: pytest.CaptureFixture[str]) -> None:
    log.record("barn", "ERROR", "message_dropped", reason="because")
    assert json.loads(capsys.readouterr().out) == {
        "level": "ERROR",
        "event": "message_dropped",
        "thing": "barn",
        "reason": "because",
    }


def test_a_log_that_can_not_be_written_does_not_fail_the_message(
    clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    ThingsLog(clients, "/no/such/group").record("barn", "ERROR", "message_dropped")
    assert "things_log_failed" in capsys.readouterr().out


def test_another_writer_may_create_the_stream_first(logs: Any, log: ThingsLog) -> None:
    def create_first(**_: Any) -> tuple[Response, dict[str, Any]]:
        boto3.client("logs").create_log_stream(logGroupName=GROUP, logStreamName="barn")
        error = {"Code": "ResourceAlreadyExistsException", "Message": "as arranged"}
        return Response(400), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}

    logs.meta.events.register("before-call.cloudwatch-logs.CreateLogStream", create_first)
    log.record("barn", "ERROR", "message_dropped")
    assert len(events(logs, "barn")) == 1


def test_the_last_entries_of_a_stream_can_be_read(logs: Any, log: ThingsLog) -> None:
    assert log.entries("barn") == []
    for event in ("one", "two", "three"):
        log.record("barn", "INFO", event)
    assert [(each["level"], each["event"]) for each in log.entries("barn", limit=2)] == [
        ("INFO", "two"),
        ("INFO", "three"),
    ]
    assert log.entries("barn", limit=0) == []


@pytest.mark.parametrize(
    ("message", "entry"), [('{"event": "x"}', {"event": "x"}), ("plain", {"event": "plain"}), ("[1]", {"event": "[1]"})]
)
def test_an_entry_that_is_not_a_json_object_is_plain_text(message: str, entry: dict[str, Any]) -> None:
    assert read_entry(message) == entry
