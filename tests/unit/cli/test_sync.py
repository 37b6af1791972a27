"""`thingbridge sync`: requests a run of the stack's own function, and shows what that found."""

import json
import time
from typing import Any

import pytest

from tests.unit.cli.conftest import Run, Time
from thingbridge.aws.clients import Clients
from thingbridge.flows.sync import MESSAGE_GROUP

GROUP = "/aws/lambda/Farm-sync"


@pytest.fixture
def queue(stack: Any, clients: Clients) -> str:
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "false"}
    return str(clients("sqs").create_queue(QueueName="Farm-sync.fifo", Attributes=attributes)["QueueUrl"])


class Function:
    """The function `sync`, which answers a tick in its log. `ticks`: what it received."""

    def __init__(self, clients: Clients, queue: str, **outcome: object) -> None:
        self._sqs, self._logs, self._queue, self.outcome = clients("sqs"), clients("logs"), queue, outcome
        self.would_delete: list[str] = []
        self._logs.create_log_group(logGroupName=GROUP)
        self._logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
        self.ticks: list[dict[str, Any]] = []

    def run(self) -> None:
        received = self._sqs.receive_message(QueueUrl=self._queue, AttributeNames=["All"])
        for message in received.get("Messages", []):
            self.ticks.append({**json.loads(message["Body"]), "group": message["Attributes"]["MessageGroupId"]})
            self._log("START RequestId: 1 Version: $LATEST")
            self._log(json.dumps({**self.outcome, "run": "of another client", "Seen": 1}))
            for device_id in self.would_delete:
                for run in (message["MessageId"], "of another client"):
                    self._log(json.dumps({"event": "sync_would_delete", "run": run, "device_id": device_id}))
            self._log(json.dumps({**self.outcome, "run": message["MessageId"]}))

    def _log(self, message: str) -> None:
        entry = {"timestamp": int(time.time() * 1000), "message": message}
        self._logs.put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=[entry])


@pytest.fixture
def function(clients: Clients, queue: str, time_passes: Time) -> Function:
    """Answers while the command waits."""
    made = Function(clients, queue, event="synchronised", Seen=7, MissingThings=2, Left=0)
    time_passes.then = [made.run]
    return made


@pytest.mark.parametrize(("options", "mode"), [((), "apply"), (("--dry-run",), "report")])
def test_a_run_is_requested_in_the_order_of_the_queue_and_its_counts_are_shown(
    run: Run, function: Function, options: tuple[str, ...], mode: str
) -> None:
    result = run("sync", *options)
    assert result.exit_code == 0, result.output
    assert function.ticks == [{"mode": mode, "group": MESSAGE_GROUP}]
    assert "devices without a thing" in result.output
    assert "things that describe no device" not in result.output
    assert ("dry run: nothing was changed" in result.output) is bool(options)


def test_a_program_gets_every_count(run: Run, function: Function) -> None:
    counts = json.loads(run("sync", "--json").stdout)
    assert (counts["mode"], counts["Seen"], counts["MissingThings"], counts["Left"]) == ("apply", 7, 2, 0)


def test_deletions_are_allowed_by_number_for_one_run(run: Run, function: Function) -> None:
    assert run("sync", "--allow-deletions", "8").exit_code == 0
    assert function.ticks == [{"mode": "apply", "allowDeletions": 8, "group": MESSAGE_GROUP}]


def test_a_dry_run_names_what_would_be_deleted(run: Run, function: Function) -> None:
    function.would_delete = ["tank-7", "[red]tank-8[/red]"]
    result = run("sync", "--dry-run")
    assert result.output.count("would delete") == 2
    assert "would delete tank-7" in result.output
    assert "would delete [red]tank-8[/red]" in result.output


def test_a_program_gets_what_would_be_deleted(run: Run, function: Function) -> None:
    function.would_delete = ["tank-7"]
    assert json.loads(run("sync", "--dry-run", "--json").stdout)["would_delete"] == ["tank-7"]


def test_a_refusal_names_the_way_out(run: Run, function: Function) -> None:
    function.outcome["Refused"] = 8
    result = run("sync")
    assert "deletions refused" in result.stdout
    assert "thingbridge sync --stack Farm --allow-deletions 8" in " ".join(result.output.split())


def test_a_run_that_gives_up_fails_with_its_reason(run: Run, clients: Clients, queue: str, time_passes: Time) -> None:
    time_passes.then = [Function(clients, queue, event="sync_gave_up", reason="one call is too short").run]
    result = run("sync")
    assert result.exit_code == 1
    assert "gave up: one call is too short" in result.stderr


def test_a_stack_that_does_not_synchronise_fails_with_the_fix(run: Run) -> None:
    result = run("sync")
    assert result.exit_code == 1
    assert "registry_sync" in result.output


def test_an_outcome_that_does_not_arrive_in_time_is_not_a_failure_of_the_run(
    run: Run, queue: str, time_passes: Time
) -> None:
    result = run("sync", "--timeout", "7")
    assert result.exit_code == 3
    assert "did not end within 7 s: it keeps running" in result.output
    assert time_passes.seconds == pytest.approx(7, abs=1)
