"""`thingbridge sync`: asks the stack's own function, and tells what that found."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from click.testing import Result

from cli import sync
from handlers.sync import MESSAGE_GROUP

Run = Callable[..., Result]
GROUP = "/aws/lambda/Farm-sync"


@pytest.fixture
def queue(stack: Any) -> str:
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "false"}
    return str(boto3.client("sqs").create_queue(QueueName="Farm-sync.fifo", Attributes=attributes)["QueueUrl"])


@pytest.fixture
def function(queue: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Answers a tick as the function does, in its log; the ticks it was sent."""
    ticks: list[dict[str, Any]] = []
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")

    def answer(_seconds: float) -> None:
        for message in boto3.client("sqs").receive_message(QueueUrl=queue, AttributeNames=["All"]).get("Messages", []):
            ticks.append({**json.loads(message["Body"]), "group": message["Attributes"]["MessageGroupId"]})
            summary = {"event": "synchronised", "run": message["MessageId"], "Seen": 7, "MissingThings": 2, "Left": 0}
            entry = {"timestamp": int(time.time() * 1000), "message": json.dumps(summary)}
            logs.put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=[entry])

    monkeypatch.setattr(sync.time, "sleep", answer)
    return ticks


@pytest.mark.parametrize(("options", "mode"), [((), "apply"), (("--dry-run",), "report")])
def test_the_function_is_asked_in_its_turn_and_its_counts_are_shown(
    run: Run, function: list[dict[str, Any]], options: tuple[str, ...], mode: str
) -> None:
    result = run("sync", *options)
    assert result.exit_code == 0, result.output
    assert function == [{"mode": mode, "group": MESSAGE_GROUP}]
    assert "devices without a thing" in result.output
    assert "things that describe no device" not in result.output


def test_a_program_gets_every_count(run: Run, function: list[dict[str, Any]]) -> None:
    told = json.loads(run("sync", "--json").stdout)
    assert (told["mode"], told["Seen"], told["MissingThings"], told["Left"]) == ("apply", 7, 2, 0)


def test_a_stack_that_does_not_synchronise_is_told_with_the_mend(run: Run) -> None:
    result = run("sync")
    assert result.exit_code == 1
    assert "registry_sync" in result.output


def test_an_outcome_that_does_not_show_in_time_is_no_failure_of_the_run(
    run: Run, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync.time, "sleep", threading.Event().wait)
    monkeypatch.setattr(sync, "_LOOK_EVERY", 0.01)
    result = run("sync", "--timeout", "1")
    assert result.exit_code == 3
    assert "goes on by itself" in result.output
