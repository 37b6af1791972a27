"""`thingbridge failures`: on queues of an account in process, with messages as AWS puts them there."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from cli.failures.queues import KINDS
from tests.malformed import nested
from tests.unit.cli.conftest import Run, Time
from tests.unit.cli.test_output import ATTACKS, obeyed
from tests.unit.conftest import Response
from tests.unit.messaging.test_failed_messages import TOPIC, UPLINK, document, output, record
from thingbridge.aws.clients import Clients

ROOT = Path(__file__).parents[3]
APP_KEY = "0F1E2D3C4B5A69788796A5B4C3D2E1F0"


class Account:
    """The queues of the stack. `invoked`: events of functions by name; `broken`: functions that can't be invoked."""

    def __init__(self, clients: Clients) -> None:
        self.sqs = clients("sqs")
        self.urls: dict[str, str] = {}
        self.invoked: list[tuple[str, Any]] = []
        self.broken: set[str] = set()
        clients("lambda").meta.events.register("before-call.lambda.Invoke", self._invoke)

    def queue(self, name: str, **attributes: str) -> str:
        if name not in self.urls:
            fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if name.endswith(".fifo") else {}
            created = self.sqs.create_queue(QueueName=f"Farm-{name}", Attributes={**fifo, **attributes})
            self.urls[name] = created["QueueUrl"]
        return self.urls[name]

    def put(self, name: str, *bodies: str, group: str | None = None) -> list[str]:
        ordered = {"MessageGroupId": group} if group else {}
        return [self.sqs.send_message(QueueUrl=self.queue(name), MessageBody=b, **ordered)["MessageId"] for b in bodies]

    def bodies(self, name: str) -> list[str]:
        """What can be received from a queue now."""
        found = self.sqs.receive_message(QueueUrl=self.urls[name], MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [each["Body"] for each in found.get("Messages", [])]

    def _invoke(self, params: dict[str, Any], **_: Any) -> tuple[Response, dict[str, Any]]:
        name = params["url_path"].split("/")[3]
        assert params["headers"]["X-Amz-Invocation-Type"] == "Event"
        if name in self.broken:
            error = {"Code": "ResourceConflictException", "Message": "The function is being updated"}
            return Response(409), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 409}}
        self.invoked.append((name, json.loads(params["body"])))
        return Response(202), {"StatusCode": 202}


@pytest.fixture
def account(stack: Any, clients: Clients) -> Account:
    return Account(clients)


def failed(device: str, message: str) -> str:
    return record(output(TOPIC, {"end_device_ids": {"device_id": device}}), errorMessage=message)


def test_equal_causes_are_one_line_with_their_number_things_and_times(run: Run, account: Account) -> None:
    account.put("upstream-failures", *(failed(f"tank-{n}", f"tank-{n}: rate exceeded") for n in range(3)))
    account.put("upstream-failures", failed("pump", "the table does not exist"))
    shown = run("failures", "list")
    assert shown.exit_code == 0
    lines = [line for line in shown.stdout.splitlines() if "upstream_failures" in line]
    assert len(lines) == 2
    assert "3" in lines[0]
    assert "rate exceeded" in lines[0]
    assert "tank-0" in lines[0]
    groups = json.loads(run("failures", "list", "--json").stdout)["groups"]
    assert [(each["count"], each["target"]) for each in groups] == [(n, "function Farm-upstream") for n in (3, 1)]


def test_looking_changes_nothing_for_the_next_one_who_looks(run: Run, account: Account) -> None:
    account.put("upstream-failures", failed("tank", "a cause"))
    assert run("failures", "list", "--json").stdout == run("failures", "list", "--json").stdout
    assert account.bodies("upstream-failures") == [failed("tank", "a cause")]


def test_the_cause_of_a_message_that_says_none_comes_from_the_log_of_its_function(
    run: Run, account: Account, clients: Clients
) -> None:
    (known, _) = account.put("registry-dead-letters", *(json.dumps({"thingName": n}) for n in ("tank", "pump")))
    logs, group = clients("logs"), "/aws/lambda/Farm-registry"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    moved = {
        "event": "event_moved_to_dead_letters",
        "message_id": known,
        "attempt": 2,
        "reason": "the API key has expired",
    }
    other = {"event": "event_will_be_retried", "message_id": known, "attempt": 1, "reason": "a first reason"}
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": json.dumps(each)} for each in (other, moved)]
    logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
    shown = {
        each["subject"]: each["cause"]
        for each in json.loads(run("failures", "show", "registry_dead_letters", "--json").stdout)
    }
    assert shown["tank"] == "the API key has expired"
    assert shown["pump"].startswith("not recorded")


def test_the_cause_of_a_message_that_a_function_has_moved_itself_is_found_by_its_deduplication_id(
    run: Run, account: Account, clients: Clients
) -> None:
    url = account.queue("waiting-dead-letters.fifo")
    account.sqs.send_message(QueueUrl=url, MessageBody="{}", MessageGroupId="tank", MessageDeduplicationId="digest")
    logs, group = clients("logs"), "/aws/lambda/Farm-waiting"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    entries = [
        {"event": "event_moved_to_dead_letters", "message_id": "digest", "reason": "the table does not exist"},
        {"event": "retry_delay_not_set", "message_id": "digest", "reason": "another matter"},
    ]
    events = [{"timestamp": int(time.time() * 1000), "message": json.dumps(each)} for each in entries]
    logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
    (shown,) = json.loads(run("failures", "show", "waiting_dead_letters", "--json").stdout)
    assert shown["cause"] == "the table does not exist"


def test_keys_are_shown_nowhere(run: Run, account: Account) -> None:
    event = {"thingName": "tank", "attributes": {"appKey": APP_KEY, "devEUI": "A81758FFFE0312AB"}}
    account.put(
        "registry-dead-letters",
        json.dumps(event),
        document("$aws/events/thing/tank/created", json.dumps(event).encode()),
    )
    for arguments in (
        ("list",),
        ("list", "--json"),
        ("show", "registry_dead_letters"),
        ("show", "registry_dead_letters", "--json"),
    ):
        shown = run("failures", *arguments)
        assert shown.exit_code == 0
        assert APP_KEY not in shown.output
    assert "A81758FFFE0312AB" in run("failures", "show", "registry_dead_letters").stdout


def test_a_replay_hands_each_message_to_the_part_that_failed_on_it(run: Run, account: Account) -> None:
    raw = json.dumps({"operation": "CREATED", "thingName": "tank"})
    account.put("upstream-failures", failed("tank", "a cause"), document(TOPIC, json.dumps(UPLINK).encode()))
    account.put("registry-dead-letters", raw)
    account.put("sync-dead-letters.fifo", '{"start": "today"}', group="runs")
    account.queue("registry")
    account.queue("sync.fifo")
    done = run("failures", "replay", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"replayed": 4, "failed": []})
    assert [name for name, _ in account.invoked] == ["Farm-upstream"] * 2
    assert output(TOPIC, {"end_device_ids": {"device_id": "tank"}}) in [event for _, event in account.invoked]
    assert account.bodies("registry") == [raw]
    assert account.bodies("sync.fifo") == ['{"start": "today"}']
    assert not account.bodies("upstream-failures")
    assert not account.bodies("registry-dead-letters")


def test_a_dry_run_says_where_messages_would_go_and_moves_none(run: Run, account: Account) -> None:
    account.put("upstream-failures", failed("tank", "a cause"))
    shown = run("failures", "replay", "--dry-run")
    assert "function Farm-upstream" in shown.stdout
    assert "1 message would be replayed" in shown.output
    assert account.invoked == []
    assert account.bodies("upstream-failures")


def test_only_messages_of_a_cause_are_replayed_and_the_others_stay(run: Run, account: Account) -> None:
    account.put("upstream-failures", failed("tank", "Rate exceeded"), failed("pump", "the table does not exist"))
    assert "replayed 1 message" in run("failures", "replay", "upstream_failures", "--cause", "rate EXCEEDED").output
    assert account.bodies("upstream-failures") == [failed("pump", "the table does not exist")]


def test_what_can_not_be_handed_on_stays_with_the_reason(run: Run, account: Account) -> None:
    account.put("upstream-failures", failed("tank", "a cause"))
    account.broken.add("Farm-upstream")
    done = run("failures", "replay")
    assert done.exit_code == 1
    assert "being updated" in done.output
    assert "still in their queue" in done.output
    account.broken.clear()
    assert "replayed 1 message" in run("failures", "replay").output


def test_a_replay_keeps_to_its_rate(run: Run, account: Account, time_passes: Time) -> None:
    account.put("upstream-failures", *(failed(f"tank-{n}", "a cause") for n in range(12)))
    assert run("failures", "replay", "--rate", 2).exit_code == 0
    assert len(account.invoked) == 12
    assert time_passes.seconds == pytest.approx(5.5, abs=0.6)


def test_a_replay_does_not_chase_what_fails_again(run: Run, account: Account) -> None:
    account.put("registry-dead-letters", '{"thingName": "tank"}')
    # Where the messages are sent to is the queue that they come from: each one comes back at once.
    account.urls["registry"] = account.sqs.create_queue(QueueName="Farm-registry")["QueueUrl"]
    dead = account.urls["registry-dead-letters"]

    def come_back(**_: Any) -> None:
        for each in account.bodies("registry"):
            account.sqs.send_message(QueueUrl=dead, MessageBody=each)

    account.sqs.meta.events.register("before-call.sqs.DeleteMessage", come_back)
    assert json.loads(run("failures", "replay", "--json").stdout)["replayed"] == 1


def test_messages_are_dropped_by_cause_after_a_question(run: Run, account: Account) -> None:
    account.put("upstream-failures", failed("tank", "a cause"), failed("pump", "another one"))
    refused = run("failures", "drop", "upstream_failures", "--cause", "a cause", stdin="n\n")
    assert (refused.exit_code, len(account.bodies("upstream-failures"))) == (1, 2)
    assert "dropped 1 message" in run("failures", "drop", "upstream_failures", "--cause", "a cause", stdin="y\n").output
    assert account.bodies("upstream-failures") == [failed("pump", "another one")]
    assert "would be dropped" in run("failures", "drop", "upstream_failures", "--all", "--dry-run").output
    assert run("failures", "drop", "upstream_failures", "--all", "--yes").exit_code == 0
    assert account.bodies("upstream-failures") == []


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("replay", "upstream"), 2, "upstream is not a queue of failures: they are directory_dead_letters"),
        (("show", "shadow_dead_letters"), 1, "the stack Farm has no queue shadow_dead_letters"),
        (("drop", "upstream_failures"), 2, "--cause TEXT, or --all"),
        (("drop", "upstream_failures", "--all", "--cause", "x"), 2, "--cause TEXT, or --all"),
    ],
)
def test_a_wrong_choice_is_answered_with_the_right_ones(
    run: Run, account: Account, arguments: tuple[str, ...], exit_code: int, said: str
) -> None:
    done = run("failures", *arguments)
    assert done.exit_code == exit_code
    assert said in done.output


def test_a_stack_that_does_not_exist_is_said_and_one_without_failures_is_well(run: Run, account: Account) -> None:
    assert "Missing does not exist" in run("failures", "list", "--stack", "Missing").output
    account.queue("upstream-failures")
    assert "nothing failed" in run("failures", "list").output


@pytest.mark.parametrize(
    ("action", "service", "operation", "expected"),
    [
        ({"sqs": {"queueUrl": "https://sqs/records", "roleArn": "r"}}, "sqs", "SendMessage", {"MessageBody": "{}"}),
        (
            {"kinesis": {"streamName": "s", "roleArn": "r"}},
            "kinesis",
            "PutRecord",
            {"PartitionKey": "tank", "Data": b"{}"},
        ),
        (
            {"firehose": {"deliveryStreamName": "s", "roleArn": "r"}},
            "firehose",
            "PutRecord",
            {"Record": {"Data": b"{}\n"}},
        ),
    ],
)
def test_a_record_is_replayed_to_what_its_rule_delivers_to(
    run: Run, account: Account, clients: Clients, action: dict[str, Any], service: str, operation: str, expected: Any
) -> None:
    clients("iot").create_topic_rule(ruleName="Farm_records", topicRulePayload={"sql": "SELECT *", "actions": [action]})
    sent: list[dict[str, Any]] = []

    def answer(params: dict[str, Any], **_: Any) -> dict[str, Any]:
        if operation != "SendMessage" or params.get("QueueUrl") == "https://sqs/records":
            sent.append(params)
        return params

    account.put("records-failures", document("farm/record/tank", b"{}"))
    client = clients(service)
    client.meta.events.register(f"provide-client-params.{service}.{operation}", answer)
    client.meta.events.register(f"before-call.{service}.{operation}", lambda **_: (Response(200), {}))
    assert "replayed 1 message" in run("failures", "replay", "records_failures").output
    (params,) = sent
    assert expected.items() <= params.items()


def test_the_queues_are_those_of_the_outputs_and_their_names_those_of_the_modules() -> None:
    outputs = (ROOT / "outputs.tf").read_text(encoding="utf-8")
    assert set(re.findall(r"^ +(\w+_(?:failures|dead_letters)) +=", outputs, re.MULTILINE)) == set(KINDS)
    planned = (ROOT / "tests/terraform/inventories/complete.json").read_text(encoding="utf-8")
    ends = set(re.findall(r'"name": "[a-z]+-([a-z-]+-(?:failures|dead-letters)(?:\.fifo)?)"', planned))
    assert ends
    assert ends <= {kind.end for kind in KINDS.values()}


def test_a_queue_is_replayed_to_what_its_module_says() -> None:
    """To the function or the queue of the capability: the output `failures` names it by the module that makes it."""
    said = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "modules").glob("*/*.tf")))
    entries = re.findall(
        r'"?\b([a-z]+_(?:failures|dead_letters))"? =>? \{[^}]*?replay_to = \{ (.*?) \}', said, re.DOTALL
    )
    to_functions = {name for name, target in entries if "function_name = null" not in target}
    assert to_functions == {name for name, kind in KINDS.items() if kind.function}
    assert {name for name, _ in entries} == set(KINDS)


HOSTILE = {"thingName": "".join(ATTACKS), "".join(ATTACKS): ["".join(ATTACKS)]}


@pytest.mark.parametrize("command", [("list",), ("show", "upstream_failures"), ("replay", "--dry-run")])
def test_a_message_is_shown_as_text_whatever_its_sender_and_its_cause_say(
    run: Run, account: Account, command: tuple[str, ...]
) -> None:
    account.put("upstream-failures", record(output("".join(ATTACKS[:9]), HOSTILE), errorMessage="".join(ATTACKS)))
    shown = run("failures", *command)
    assert shown.exit_code == 0
    assert obeyed(shown.output) == []
    assert "[bold]x[/bold]" in shown.stdout
    assert r"\u001b[31mred" in shown.stdout


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_deep_message_does_not_hide_the_others(run: Run, account: Account, more: tuple[str, ...]) -> None:
    deep = document(TOPIC, b'{"a":' * 900 + b"1" + b"}" * 900)
    account.put("upstream-failures", deep, json.dumps(nested(900)), failed("tank-7", "rate exceeded"))
    for command in (("list",), ("show", "upstream_failures")):
        shown = run("failures", *command, *more)
        assert shown.exit_code == 0
        assert "tank-7" in shown.stdout
    assert run("failures", "replay", *more).exit_code == 0
    assert len(account.invoked) == 3
