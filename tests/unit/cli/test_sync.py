"""`thingbridge sync`: requests a run of the stack's own function, and shows what that found."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.cli.conftest import Run, Time
from thingbridge.aws.clients import Clients
from thingbridge.aws.queues import Queue
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
            self.log("START RequestId: 1 Version: $LATEST")
            self.log(json.dumps({**self.outcome, "run": "of another client", "Seen": 1}))
            for device_id in self.would_delete:
                for run in (message["MessageId"], "of another client"):
                    self.log(json.dumps({"event": "sync_would_delete", "run": run, "device_id": device_id}))
            self.log(json.dumps({**self.outcome, "run": message["MessageId"]}))

    def log(self, message: str) -> None:
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


def test_a_refusal_names_the_fix(run: Run, function: Function) -> None:
    function.outcome["Refused"] = 8
    result = run("sync")
    assert "deletions refused" in result.stdout
    assert "thingbridge sync --stack Farm --allow-deletions 8" in " ".join(result.output.split())


def test_a_run_that_gives_up_fails_with_its_reason(run: Run, clients: Clients, queue: str, time_passes: Time) -> None:
    time_passes.then = [Function(clients, queue, event="sync_stopped", reason="one call is too short").run]
    result = run("sync")
    assert result.exit_code == 1
    assert "stopped: one call is too short" in result.stderr


LOGGED = {
    "another active run": (
        [{"event": "sync_begins", "run": "other", "part": 1}],
        "Waiting for the run other, which is active …",
    ),
    "another run that failed": (
        [
            {"event": "sync_failed", "run": "other", "message_id": "m", "reason": "the registry is busy"},
            {
                "event": "event_will_be_retried",
                "message_id": "m",
                "attempt": 2,
                "reason": "the registry is busy",
                "seconds": 30,
            },
        ],
        "Waiting for the run other: its attempt 2 failed (the registry is busy), the next one starts in 30 s",
    ),
    "its own failure": (
        [
            {"event": "sync_failed", "run": "…", "message_id": "…", "reason": "busy"},
            {"event": "event_will_be_retried", "message_id": "…", "attempt": 1, "reason": "busy", "seconds": 5},
        ],
        "attempt 1 failed (busy), the next one starts in 5 s",
    ),
    "its own turn": ([{"event": "sync_begins", "run": "…", "part": 1}], "compares both registries …"),
}


@pytest.fixture
def log_then(clients: Clients, queue: str, time_passes: Time) -> Callable[[list[dict[str, Any]]], None]:
    """Have the function log these entries while the command waits; `…` stands for the run's id."""
    function = Function(clients, queue, event="synchronised", Seen=7)

    def arrange(entries: list[dict[str, Any]]) -> None:
        def log() -> None:
            received = clients("sqs").receive_message(QueueUrl=queue, VisibilityTimeout=0)["Messages"]
            for entry in entries:
                own = {name: received[0]["MessageId"] if value == "…" else value for name, value in entry.items()}
                function.log(json.dumps(own))

        time_passes.then = [log, log, function.run]

    return arrange


@pytest.mark.parametrize("case", LOGGED)
def test_the_command_says_once_what_it_waits_for(
    run: Run, log_then: Callable[[list[dict[str, Any]]], None], case: str
) -> None:
    entries, line = LOGGED[case]
    log_then(entries)
    result = run("sync")
    assert result.exit_code == 0, result.output
    assert result.stderr.count(line) == 1


def test_a_run_that_does_not_start_is_reported_as_waiting(run: Run, queue: str) -> None:
    result = run("sync", "--timeout", "30")
    assert result.stderr.count("Waiting: another run is active, or has failed") == 1


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"event": "sync_tick_dropped", "run": "…"}, "was dropped, because the run before it"),
        (
            {"event": "event_moved_to_dead_letters", "message_id": "…", "attempt": 4, "reason": "busy"},
            "failed 4 times: busy. Its message is in the dead-letter queue",
        ),
    ],
    ids=["dropped", "a dead letter"],
)
def test_a_run_that_ended_without_a_result_is_not_waited_for(
    run: Run, log_then: Callable[[list[dict[str, Any]]], None], entry: dict[str, Any], reason: str
) -> None:
    log_then([{"event": "sync_failed", "run": "…", "message_id": "…", "reason": "busy"}, entry])
    result = run("sync")
    assert result.exit_code == 1
    assert reason in result.stderr


def test_a_stack_that_does_not_synchronise_fails_with_the_fix(run: Run) -> None:
    result = run("sync")
    assert result.exit_code == 1
    assert "registry_sync" in result.output


def test_an_outcome_that_does_not_arrive_in_time_is_not_a_failure_of_the_run(
    run: Run, queue: str, time_passes: Time
) -> None:
    result = run("sync", "--timeout", "7")
    assert result.exit_code == 3
    assert "did not end within 7 s: it waits in its queue" in result.output
    assert time_passes.seconds == pytest.approx(7, abs=1)


@pytest.fixture
def work(clients: Clients) -> str:
    """The queue of the function `registry`."""
    return str(clients("sqs").create_queue(QueueName="Farm-registry")["QueueUrl"])


def fixes(clients: Clients, work: str, number: int) -> list[Callable[[], None]]:
    """What happens while the command waits: the function `registry` fixes one difference after another."""

    def fix() -> None:
        (received,) = clients("sqs").receive_message(QueueUrl=work)["Messages"]
        clients("sqs").delete_message(QueueUrl=work, ReceiptHandle=received["ReceiptHandle"])

    return [fix] * number


def test_the_work_is_followed_to_its_end(
    run: Run, function: Function, clients: Clients, work: str, time_passes: Time
) -> None:
    def find() -> None:
        function.outcome |= {"Sent": 3}
        for number in range(3):
            clients("sqs").send_message(QueueUrl=work, MessageBody=str(number))
        function.run()

    time_passes.then = [find, *fixes(clients, work, 3)]
    result = run("sync", "--wait")
    assert result.exit_code == 0, result.output
    assert "All 3 differences were handled" in result.stderr
    assert time_passes.seconds >= 4
    assert Queue(clients, work).waiting() == 0


def test_work_that_takes_longer_is_not_a_failure(
    run: Run, function: Function, clients: Clients, work: str, time_passes: Time
) -> None:
    function.outcome |= {"Sent": 2}
    for number in range(2):
        clients("sqs").send_message(QueueUrl=work, MessageBody=str(number))
    time_passes.then = [function.run, *fixes(clients, work, 1)]
    result = run("sync", "--wait", "--timeout", "20")
    assert result.exit_code == 3
    assert "1 difference is still waiting to be handled" in result.stderr


def test_without_waiting_the_command_says_what_is_left_to_do(run: Run, function: Function) -> None:
    function.outcome |= {"Sent": 230}
    assert "The stack now works on 230 differences; --wait waits until they are handled." in run("sync").stderr


def test_the_table_has_no_names_of_metrics(run: Run, function: Function) -> None:
    function.outcome |= {"Sent": 2, "ListThingsCalls": 4, "QueueCalls": 3, "Parts": 1}
    result = run("sync")
    rows = [line.split("│")[1].strip() for line in result.stdout.splitlines() if line.startswith("│")]
    assert rows == ["things and devices", "devices without a thing"]


def test_a_program_gets_the_calls_of_the_run(run: Run, function: Function) -> None:
    function.outcome |= {"ListThingsCalls": 4}
    assert json.loads(run("sync", "--json").stdout)["ListThingsCalls"] == 4


def test_ctrl_c_leaves_the_run_alone_and_says_so(run: Run, queue: str, time_passes: Time) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    time_passes.then = [interrupt]
    result = run("sync")
    assert result.exit_code == 130
    assert "continues without this command" in result.stderr
