"""Flow `sync` between an account in process and the simulation: which messages start, continue or end a run."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from handlers import composition
from local.things_stack import ThingsStack as Simulation
from local.things_stack import profiles
from tests.unit.conftest import APPLICATION, Response, create_directory_table
from tests.unit.invocation import ARN, Invocation
from thingbridge.aws.clients import Clients
from thingbridge.aws.queues import Queue
from thingbridge.aws.things import Things
from thingbridge.errors import ThingbridgeError
from thingbridge.flows.sync import SHARE_BESIDE_WORK, SHARE_OF_PAGES, STALE_AFTER, Registries, Tick
from thingbridge.registry.marks import Mark, Owner
from thingbridge.registry.sync import LAST_PAGE_BEFORE_END, Count, Run, SyncMode
from thingbridge.things_stack.client import ThingsStack


@pytest.fixture(scope="module")
def profile() -> str:
    """Only hosted deployments have short pages."""
    return profiles.HOSTED


@dataclass(frozen=True)
class Function:
    """The function `sync` with its two queues."""

    clients: Clients
    environment: dict[str, str]

    def call(self, tick: Tick, *seconds: float, **settings: str) -> None:
        """Handle a message. `seconds`: the time left, as in `Invocation`; `settings`: changes to the environment."""
        flow = composition.sync({**self.environment, **settings}, self.clients)
        flow(Invocation(*seconds)).handle(tick)

    def work_items(self) -> list[Any]:
        """Receive what waits in the queue of the function `registry`."""
        return self._received("REGISTRY_QUEUE_URL")

    def continuations(self) -> list[Any]:
        """Receive what the function sent to itself."""
        return self._received("SYNC_QUEUE_URL")

    def _received(self, queue: str) -> list[Any]:
        url = self.environment[queue]
        answer = self.clients("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


@pytest.fixture
def function(iot: Any, clients: Clients, simulation: Simulation) -> Function:
    sqs, secrets = clients("sqs"), clients("secretsmanager")
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    key = secrets.create_secret(Name="key", SecretString=simulation.create_api_key(APPLICATION))["ARN"]
    simulation.servers.identity.devices.clear()
    return Function(
        clients,
        {
            "STACK_NAME": "farm",
            "THINGS_LOG_GROUP": "things",
            "THING_TYPE_NAME": "lorawan",
            "THING_NAME_SCHEME": "DevEUI",
            "DIRECTORY_TABLE": create_directory_table(clients),
            "CLUSTER_ADDRESS": simulation.url,
            "IDENTITY_SERVER_ADDRESS": simulation.url,
            "APPLICATION_ID": APPLICATION,
            "API_KEY_SECRET_ARN": key,
            "REGISTRY_QUEUE_URL": sqs.create_queue(QueueName="registry")["QueueUrl"],
            "SYNC_QUEUE_URL": sqs.create_queue(QueueName="sync.fifo", Attributes=fifo)["QueueUrl"],
            "ON_THING_DELETED": "delete",
            "SYNC_MODE": "apply",
            "LIST_THINGS_RATE": "8",
        },
    )


def message(body: object, *, age: float = 0, received: int = 1) -> Tick:
    attributes = {"SentTimestamp": str(int((time.time() - age) * 1000)), "ApproximateReceiveCount": str(received)}
    text = body if isinstance(body, str) else json.dumps(body)
    return Tick.of_record({"messageId": "m-1", "body": text, "attributes": attributes})


def register(simulation: Simulation, number: int, mark: Mark | None = None) -> None:
    simulation.servers.identity.devices[APPLICATION, f"dev-{number}"] = {
        "ids": {"device_id": f"dev-{number}", "dev_eui": f"{number:016X}"},
        **({"attributes": mark.attributes()} if mark else {}),
    }


def seen(simulation: Simulation, number: int, seconds_ago: float) -> None:
    at = datetime.fromtimestamp(time.time() - seconds_ago, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000000Z")
    simulation.servers.identity.devices[APPLICATION, f"dev-{number}"]["last_seen_at"] = at


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """The function's own log by event; the line with the metrics is `metrics`."""
    read = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {line.get("event", "metrics"): line for line in read}


def test_a_tick_compares_both_registries_and_sends_what_is_out_of_step(
    function: Function, simulation: Simulation, iot: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    register(simulation, 1)
    attributes = {"devEUI": f"{2:016X}", "stackName": "farm"}
    register(simulation, 2, Mark.of("two", attributes, Owner.of_function(ARN, "farm")))
    iot.create_thing(thingName="two", thingTypeName="lorawan", attributePayload={"attributes": attributes})
    function.call(message({"start": "now"}))
    assert function.work_items() == [{"operation": "SYNCHRONISE", "deviceID": "dev-1"}]
    logged = lines(capsys)
    expected = {"Seen": 3, "InStep": 1, "MissingThings": 1, "Drift": 1, "Sent": 1}
    expected |= {"ListThingsCalls": 1, "ListDevicesCalls": 1}
    for line in (logged["metrics"], logged["synchronised"]):
        assert {name: line[name] for name in Count if line[name] and name not in ("QueueCalls", "Parts")} == expected
    assert logged["metrics"]["StackName"] == "farm"


def test_all_devices_are_listed_from_a_deployment_with_short_pages(
    function: Function, simulation: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(simulation.profile.longest_page + 1):
        register(simulation, number)
    function.call(message({"start": "now", "mode": "report"}))
    counts = lines(capsys)["synchronised"]
    assert (counts["Seen"], counts["ListDevicesCalls"]) == (101, 2)


@pytest.mark.parametrize(
    ("tick", "settings"), [({"mode": "report"}, {}), ({}, {"SYNC_MODE": "report"})], ids=["the message", "the settings"]
)
def test_a_report_sends_no_work_whether_the_setting_or_a_message_requests_it(
    function: Function, simulation: Simulation, tick: dict[str, str], settings: dict[str, str]
) -> None:
    register(simulation, 1)
    function.call(message({"start": "now", **tick}), **settings)
    assert function.work_items() == []


def test_a_tick_overrides_the_mode_of_the_settings(function: Function, simulation: Simulation) -> None:
    register(simulation, 1)
    function.call(message({"start": "now", "mode": "apply"}), SYNC_MODE="report")
    assert len(function.work_items()) == 1


def test_a_tick_that_waited_behind_a_run_is_dropped(
    function: Function, simulation: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    register(simulation, 1)
    function.call(message({"start": "then"}, age=STALE_AFTER + 1))
    assert function.work_items() == []
    assert set(lines(capsys)) == {"sync_tick_dropped"}


@pytest.mark.parametrize("part", ["tick", "rest of a run"])
def test_a_run_that_fails_names_itself_and_the_reason(
    function: Function, simulation: Simulation, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    simulation.faults.add(method="GET", path="/devices", status=501)
    run = Run("run-7", SyncMode.APPLY, part=2)
    sent = message({"start": "now"}) if part == "tick" else message(run.message())
    with pytest.raises(ThingbridgeError):
        function.call(sent)
    failed = lines(capsys)["sync_failed"]
    assert failed["run"] == ("m-1" if part == "tick" else "run-7")
    assert "501" in failed["reason"]


def test_a_tick_that_is_delivered_again_after_a_failure_is_not_late(function: Function, simulation: Simulation) -> None:
    register(simulation, 1)
    function.call(message({"start": "then"}, age=STALE_AFTER + 1, received=2))
    assert len(function.work_items()) == 1


def test_a_run_that_is_short_of_time_sends_its_state_and_is_continued(
    function: Function, simulation: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    register(simulation, 1)
    # Time enough for the page of things, not for what follows from it.
    function.call(message({"start": "now"}), 900, 900, LAST_PAGE_BEFORE_END - 1)
    (state,) = function.continuations()
    assert function.work_items() == []
    assert "metrics" not in lines(capsys)
    function.call(message(state, age=1000))
    assert len(function.work_items()) == 1
    assert lines(capsys)["synchronised"]["Parts"] == 2


def test_a_run_that_makes_no_progress_gives_up(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    function.call(message({"start": "now"}), 10)
    (state,) = function.continuations()
    function.call(message(state), 10)
    assert function.continuations() == []
    assert lines(capsys)["metrics"]["Failed"] == 1


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        "[]",
        '{"mode": "repair"}',
        '{"allowDeletions": "all"}',
        '{"allowDeletions": Infinity}',
        '{"continue": {}}',
        '{"continue": 7}',
    ],
)
def test_a_message_that_can_not_be_read_is_logged_and_not_retried(
    function: Function, body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    function.call(message(body))
    assert set(lines(capsys)) == {"sync_message_not_readable"}


@pytest.mark.parametrize(("waits", "share"), [(False, SHARE_OF_PAGES), (True, SHARE_BESIDE_WORK)])
def test_things_are_listed_more_slowly_while_the_registry_function_has_work(
    function: Function, clients: Clients, open_client: Callable[..., ThingsStack], waits: bool, share: float
) -> None:
    queue = Queue(clients, function.environment["REGISTRY_QUEUE_URL"])
    if waits:
        queue.send(["work"])
    slept: list[float] = []
    registries = Registries(
        "farm",
        Things(clients),
        open_client(),
        queue,
        now=lambda: 0.0,
        sleep=slept.append,
        list_things_per_second=4,
    )
    registries.things(None)
    registries.things(None)
    assert slept == [pytest.approx(1 / (4 * share))]


STRANGER = Mark.of("x", {}, Owner.of_function(ARN.replace("eu-west-1", "us-east-1"), "farm"))


def test_devices_that_sent_and_fell_silent_are_counted_and_named(
    function: Function, simulation: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not one that never sent, and not one of another stack. It takes no call."""
    for number in range(5):
        register(simulation, number, STRANGER if number == 4 else None)
    for number, seconds_ago in ((1, 7_201.0), (2, 7_100.0), (3, 86_400.0), (4, 86_400.0)):
        seen(simulation, number, seconds_ago)
    function.call(message({"start": "now"}), SILENT_AFTER_SECONDS="7200")
    logged = lines(capsys)
    assert logged["devices_silent"]["examples"] == ["dev-1", "dev-3"]
    assert logged["metrics"]["Silent"] == 2
    assert logged["synchronised"]["ListDevicesCalls"] == 1


def test_silence_is_counted_once_in_a_run_whose_parts_both_list_the_devices(
    function: Function, simulation: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    register(simulation, 1)
    seen(simulation, 1, 7_201)
    function.call(message({"start": "now"}), 900, 900, LAST_PAGE_BEFORE_END - 1, SILENT_AFTER_SECONDS="7200")
    (state,) = function.continuations()
    function.call(message(state), SILENT_AFTER_SECONDS="7200")
    assert lines(capsys)["metrics"]["Silent"] == 1


def test_silence_that_nobody_asked_for_is_neither_read_nor_a_metric(
    function: Function, simulation: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    register(simulation, 1)
    seen(simulation, 1, 1e8)
    function.call(message({"start": "now"}))
    logged = lines(capsys)
    assert "devices_silent" not in logged
    assert "Silent" not in logged["metrics"]


def test_once_a_day_a_checkup_follows_the_survey(
    function: Function, simulation: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = datetime.fromtimestamp(time.time() + 10.5 * 86_400, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for key in simulation.servers.identity.api_keys.values():
        key.expires_at = ends
    enabled = {"eventConfigurations": {"THING": {"Enabled": True}}}  # which moto does not know
    function.clients("iot").meta.events.register(
        "before-call.iot.DescribeEventConfigurations", lambda **_: (Response(200), enabled)
    )
    function.call(message({"start": "now"}))
    (survey,) = function.continuations()
    lines(capsys)
    function.call(message(survey))
    logged = lines(capsys)
    assert (logged["ends"]["what"], logged["ends"]["days"]) == ("API key", 10)
    assert "application_api_key_version" in logged["ends"]["fix"]
    assert (logged["metrics"]["DaysLeft"], "NewVersion" in logged["metrics"]) == (10, False)
    function.call(message({"start": "now"}))
    assert function.continuations() == []
