"""Log groups of an account in process: listed, and read across their streams."""

import time
from typing import Any

import pytest

from tests.unit.conftest import AnswerWith
from thingbridge.aws.clients import Clients
from thingbridge.aws.logs import Logs, function_log_group
from thingbridge.errors import Misconfigured

GROUP = function_log_group("farm-upstream")


@pytest.fixture
def logs(clients: Clients) -> Any:
    client = clients("logs")
    for group in (GROUP, "/thethings/lorawan/farm/things"):
        client.create_log_group(logGroupName=group)
    return client


def write(logs: Any, stream: str, message: str, at: float) -> None:
    logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    events = [{"timestamp": int(at * 1000), "message": message}]
    logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def test_groups_are_listed_by_the_beginning_of_their_name(logs: Any, clients: Clients) -> None:
    assert Logs(clients).groups("/aws/lambda/farm") == [GROUP]
    assert Logs(clients).groups("/nothing") == []


def test_the_entries_of_all_streams_since_a_time_are_read(logs: Any, clients: Clients) -> None:
    now = time.time()
    write(logs, "one", '{"event": "old"}', now - 60)
    write(logs, "two", '{"event": "aws_calls", "Publish": 1}', now)
    write(logs, "three", "plain text", now)
    entries = Logs(clients).entries(GROUP, since=now - 10)
    assert sorted(entries, key=str) == [{"event": "aws_calls", "Publish": 1}, {"event": "plain text"}]


def test_a_group_that_does_not_exist_has_no_entries(clients: Clients) -> None:
    assert Logs(clients).entries(function_log_group("gone"), since=0) == []


def test_a_missing_permission_is_misconfigured(logs: Any, clients: Clients, answer_with: AnswerWith) -> None:
    answer_with("logs", "FilterLogEvents", 400, "AccessDeniedException")
    with pytest.raises(Misconfigured, match=f"read the log group {GROUP}"):
        Logs(clients).entries(GROUP, since=0)
