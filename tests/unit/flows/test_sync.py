"""Function `sync` between an account in process and the simulation: which messages start, continue or end a run."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from thingbridge.registry.synchronisation import LAST_PAGE_BEFORE_END, Count

from handlers import devices_without_thing, sync, things_stack_session
from local.things_stack import ThingsStack as Simulation
from thingbridge.registry.marks import Mark

APPLICATION = "farm-app"


@dataclass
class Context:
    """Lambda's context, with so much time left at each look; the last value stays."""

    seconds: list[float]

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]))


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with Simulation(port=0) as running:
        running.create_application(APPLICATION)
        yield running
        running.assert_no_violations()


@pytest.fixture
def queues(iot: Any, simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """URLs of the queues `registry` and `sync`; the function is told about them."""
    sqs = boto3.client("sqs")
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    urls = {
        "registry": sqs.create_queue(QueueName="registry")["QueueUrl"],
        "sync": sqs.create_queue(QueueName="sync.fifo", Attributes=fifo)["QueueUrl"],
    }
    environment = {
        "STACK_NAME": "farm",
        "THINGS_LOG_GROUP": "things",
        "CLUSTER_ADDRESS": simulation.url,
        "IDENTITY_SERVER_ADDRESS": simulation.url,
        "APPLICATION_ID": APPLICATION,
        "API_KEY_SECRET_ARN": "key",
        "REGISTRY_QUEUE_URL": urls["registry"],
        "SYNC_QUEUE_URL": urls["sync"],
        "ON_THING_DELETED": "delete",
        "SYNC_MODE": "apply",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    key = simulation.create_api_key(APPLICATION)
    monkeypatch.setattr(things_stack_session, "secret", lambda _arn, refresh: key)
    sync._settings.cache_clear()
    simulation.servers.identity.devices.clear()
    yield urls
    sync._settings.cache_clear()


def record(body: object, *, age: float = 0, received: int = 1) -> dict[str, Any]:
    attributes = {"SentTimestamp": str(int((time.time() - age) * 1000)), "ApproximateReceiveCount": str(received)}
    text = body if isinstance(body, str) else json.dumps(body)
    return {"Records": [{"messageId": "m-1", "body": text, "attributes": attributes}]}


def taken(url: str) -> list[Any]:
    messages = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def register(simulation: Simulation, number: int, mark: Mark | None = None) -> None:
    simulation.servers.identity.devices[APPLICATION, f"dev-{number}"] = {
        "ids": {"device_id": f"dev-{number}", "dev_eui": f"{number:016X}"},
        **({"attributes": mark.attributes()} if mark else {}),
    }


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """The log by event; the metrics are `metrics`."""
    read = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {line.get("event", "metrics"): line for line in read}


def test_a_tick_compares_and_hands_over(
    queues: dict[str, str], simulation: Simulation, iot: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    register(simulation, 1)
    attributes = {"devEUI": f"{2:016X}", "stackName": "farm"}
    register(simulation, 2, Mark.of("two", attributes, "farm"))
    iot.create_thing(thingName="two", thingTypeName="lorawan", attributePayload={"attributes": attributes})
    sync.handler(record({"start": "now"}), Context([900]))
    assert taken(queues["registry"]) == [{"operation": "SYNCHRONISE", "deviceID": "dev-1"}]
    told = lines(capsys)
    expected = {"Seen": 3, "InStep": 1, "MissingThings": 1, "Sent": 1, "ListThingsCalls": 1, "ListDevicesCalls": 1}
    for line in (told["metrics"], told["synchronised"]):
        assert {name: line[name] for name in Count if line[name] and name not in ("QueueCalls", "Parts")} == expected
    assert told["metrics"]["StackName"] == "farm"


@pytest.mark.parametrize("asked_by", ["the message", "the settings"])
def test_a_report_hands_over_nothing(
    queues: dict[str, str], simulation: Simulation, asked_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(simulation, 1)
    if asked_by == "the settings":
        monkeypatch.setenv("SYNC_MODE", "report")
        sync._settings.cache_clear()
    sync.handler(record({"start": "now", **({"mode": "report"} if asked_by == "the message" else {})}), Context([900]))
    assert taken(queues["registry"]) == []


def test_a_tick_that_waited_behind_a_run_is_dropped(
    queues: dict[str, str], simulation: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    register(simulation, 1)
    sync.handler(record({"start": "then"}, age=sync.STALE_AFTER + 1), Context([900]))
    assert taken(queues["registry"]) == []
    assert set(lines(capsys)) == {"sync_tick_dropped"}


def test_a_tick_that_failed_before_is_no_late_one(queues: dict[str, str], simulation: Simulation) -> None:
    register(simulation, 1)
    sync.handler(record({"start": "then"}, age=sync.STALE_AFTER + 1, received=2), Context([900]))
    assert len(taken(queues["registry"])) == 1


def test_a_run_that_is_short_of_time_sends_its_rest_and_goes_on(
    queues: dict[str, str], simulation: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    register(simulation, 1)
    # Time enough for the page of things, not for what follows from it.
    sync.handler(record({"start": "now"}), Context([900, 900, LAST_PAGE_BEFORE_END - 1]))
    (rest,) = taken(queues["sync"])
    assert taken(queues["registry"]) == []
    assert "metrics" not in lines(capsys)
    sync.handler(record(rest, age=1000), Context([900]))
    assert len(taken(queues["registry"])) == 1
    assert lines(capsys)["synchronised"]["Parts"] == 2


def test_a_run_that_gets_nowhere_gives_up(queues: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    sync.handler(record({"start": "now"}), Context([10]))
    (rest,) = taken(queues["sync"])
    sync.handler(record(rest), Context([10]))
    assert taken(queues["sync"]) == []
    assert lines(capsys)["metrics"]["Failed"] == 1


@pytest.mark.parametrize("body", ["no JSON", "[]", '{"mode": "mend"}', '{"continue": {}}', '{"continue": 7}'])
def test_what_is_no_message_is_told_and_done_with(
    queues: dict[str, str], body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sync.handler(record(body), Context([900]))
    assert set(lines(capsys)) == {"sync_message_not_readable"}


@pytest.mark.parametrize(("waits", "rate"), [(False, 6), (True, 2)])
def test_things_are_read_more_slowly_while_the_registry_function_looks_things_up(
    queues: dict[str, str], waits: bool, rate: float
) -> None:
    if waits:
        boto3.client("sqs").send_message(QueueUrl=queues["registry"], MessageBody="work")
    slept: list[float] = []
    session: Any = None
    registries = sync.Registries(sync._settings(), session, now=lambda: 0.0, sleep=slept.append)
    registries.things(None)
    registries.things(None)
    assert slept == [pytest.approx(1 / rate)]
    assert 2 * 2 * devices_without_thing.LOOK_UPS_A_SECOND + sync.THING_PAGES_BESIDE_WORK <= 8
