"""The log of things: one stream per thing, written whatever happens, never in the way."""

import json
from typing import Any

import boto3
import pytest

from thingbridge.aws_iot import things_log

GROUP = "/thethings/lorawan/farm/things"


@pytest.fixture
def logs(account: None) -> Any:
    client = boto3.client("logs")
    client.create_log_group(logGroupName=GROUP)
    return client


def events(logs: Any, stream: str) -> list[dict[str, Any]]:
    found = logs.get_log_events(logGroupName=GROUP, logStreamName=stream)["events"]
    return [json.loads(event["message"]) for event in found]


def test_a_thing_has_its_own_stream(logs: Any) -> None:
    things_log.record(GROUP, "barn", "ERROR", "message_dropped", reason="because")
    things_log.record(GROUP, "barn", "INFO", "end_device_created")
    assert events(logs, "barn") == [
        {"level": "ERROR", "event": "message_dropped", "reason": "because"},
        {"level": "INFO", "event": "end_device_created"},
    ]


def test_what_is_no_things_goes_to_one_stream(logs: Any) -> None:
    things_log.record(GROUP, None, "ERROR", "message_dropped")
    assert len(events(logs, things_log.UNIDENTIFIED)) == 1


def test_a_colon_in_a_thing_name_becomes_a_slash_which_no_thing_name_holds(logs: Any) -> None:
    things_log.record(GROUP, "site:barn", "INFO", "x")
    assert len(events(logs, "site/barn")) == 1


def test_the_function_log_tells_the_same(logs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    things_log.record(GROUP, "barn", "ERROR", "message_dropped", reason="because")
    assert json.loads(capsys.readouterr().out) == {
        "level": "ERROR",
        "event": "message_dropped",
        "thing": "barn",
        "reason": "because",
    }


def test_a_log_that_can_not_be_written_is_no_reason_to_fail(account: None, capsys: pytest.CaptureFixture[str]) -> None:
    things_log.record("/no/such/group", "barn", "ERROR", "message_dropped")
    assert "things_log_failed" in capsys.readouterr().out


def test_another_writer_may_make_the_stream_first(logs: Any, answer_with: Any) -> None:
    answer_with("logs", "CreateLogStream", 400, "ResourceAlreadyExistsException")
    things_log.record(GROUP, "barn", "ERROR", "message_dropped")
    logs.create_log_stream(logGroupName=GROUP, logStreamName="barn")
    things_log.record(GROUP, "barn", "ERROR", "message_dropped")
    assert len(events(logs, "barn")) == 1
