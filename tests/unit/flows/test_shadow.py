"""Shadows written only so often, on an account in process: table, queue and shadow as the functions use them."""

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from handlers.shadow_writing import InTurn
from thingbridge.aws_iot import clients
from thingbridge.aws_iot.shadow_states import ShadowStates
from thingbridge.settings import ShadowSettings

from handlers import shadow
from thingbridge.errors import Busy

GROUP = "/thethings/lorawan/farm/things"
INTERVAL = 60


def told_at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000000000Z"


@pytest.fixture
def queue_url(iot: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    boto3.client("logs").create_log_group(logGroupName=GROUP)
    boto3.client("dynamodb").create_table(
        TableName="farm-shadow-states",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "thing", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "thing", "AttributeType": "S"}],
    )
    iot.create_thing(thingName="tank")
    url = boto3.client("sqs").create_queue(QueueName="farm-shadow")["QueueUrl"]
    environment = {
        "STACK_NAME": "farm",
        "THINGS_LOG_GROUP": GROUP,
        "SHADOW": json.dumps({"min_interval_seconds": INTERVAL}),
        "SHADOW_STATES_TABLE": "farm-shadow-states",
        "SHADOW_QUEUE_URL": url,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shadow._writer.cache_clear()
    yield url
    shadow._writer.cache_clear()


@pytest.fixture
def sandbox(queue_url: str) -> Any:
    """Make another sandbox: all of them have one table and one queue, and nothing else in common."""
    return lambda: InTurn(
        GROUP, ShadowStates("farm-shadow-states"), queue_url, ShadowSettings(min_interval_seconds=INTERVAL)
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Seconds that pass when a test says so; SQS keeps its own time, so turns are handed over by hand."""
    start = time.time()
    now = [start]
    monkeypatch.setattr("handlers.shadow_writing.time.time", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


@pytest.fixture
def turns(queue_url: str) -> list[dict[str, Any]]:
    """The turns that were put off, as they are sent."""
    sent: list[dict[str, Any]] = []
    clients.client("sqs").meta.events.register(
        "provide-client-params.sqs.SendMessage",
        lambda params, **_: sent.append({"body": params["MessageBody"], "seconds": params["DelaySeconds"]}),
    )
    return sent


def hand_over(*turns: dict[str, Any]) -> Any:
    records = [{"messageId": str(number), "body": turn["body"]} for number, turn in enumerate(turns)]
    return shadow.handler({"Records": records}, None)


def reported() -> dict[str, Any]:
    data = boto3.client("iot-data")
    try:
        answer = data.get_thing_shadow(thingName="tank", shadowName="lorawan")
    except data.exceptions.ResourceNotFoundException:
        return {}
    return dict(json.loads(answer["payload"].read())["state"]["reported"])


def test_the_first_state_is_written_and_later_ones_of_any_sandbox_in_one_turn(
    sandbox: Any, turns: list[dict[str, Any]], clock: Any
) -> None:
    one, other = sandbox(), sandbox()
    one("tank", {"rssi": -70, "devAddr": "26"}, told_at(1))
    assert reported() == {"rssi": -70, "devAddr": "26"}
    clock(10)
    other("tank", {"rssi": -75}, told_at(2))
    one("tank", {"rssi": -80}, told_at(3))
    (turn,) = turns
    assert turn["seconds"] == 50
    assert reported()["rssi"] == -70
    clock(50)
    assert hand_over(turn) == {"batchItemFailures": []}
    assert reported() == {"rssi": -80, "devAddr": "26"}
    assert len(turns) == 1


def test_a_turn_that_comes_twice_writes_once(sandbox: Any, turns: list[dict[str, Any]], clock: Any) -> None:
    sandbox()("tank", {"rssi": -70}, told_at(1))
    sandbox()("tank", {"rssi": -75}, told_at(2))
    (turn,) = turns
    clock(60)
    hand_over(turn)
    written: list[str] = []
    clients.client("iot-data").meta.events.register("before-call.*", lambda model, **_: written.append(model.name))
    hand_over(turn)
    assert written == []


def test_a_turn_that_was_taken_does_not_take_the_next_one_early(
    sandbox: Any, turns: list[dict[str, Any]], clock: Any
) -> None:
    one = sandbox()
    for second in (1, 2):
        one("tank", {"rssi": -70 - second}, told_at(second))
    (taken,) = turns
    clock(60)
    hand_over(taken)
    one("tank", {"rssi": -80}, told_at(3))
    hand_over(taken)
    assert reported() == {"rssi": -72}
    clock(60)
    hand_over(turns[1])
    assert reported() == {"rssi": -80}


def test_a_warm_message_between_two_turns_costs_one_write_of_the_table(sandbox: Any, queue_url: str) -> None:
    one = sandbox()
    for second in (1, 2):
        one("tank", {"rssi": -70 - second}, told_at(second))
    made: list[str] = []
    for service in ("iot-data", "dynamodb", "sqs"):
        clients.client(service).meta.events.register("before-call.*", lambda model, **_: made.append(model.name))
    one("tank", {"rssi": -80}, told_at(3))
    assert made == ["UpdateItem"]


def test_a_shadow_that_is_busy_comes_again_with_its_message(
    sandbox: Any, turns: list[dict[str, Any]], clock: Any, answer_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = sandbox()
    with monkeypatch.context() as broken:
        broken.setattr("handlers.shadow_writing.write", lambda *_: (_ for _ in ()).throw(Busy("so it is")))
        with pytest.raises(Busy):
            one("tank", {"rssi": -70}, told_at(1))
        one("tank", {"rssi": -75}, told_at(2))
    assert reported() == {}
    one("tank", {"rssi": -70}, told_at(1))
    assert reported() == {"rssi": -75}


def test_a_turn_that_fails_is_named_and_the_others_are_taken(
    sandbox: Any, turns: list[dict[str, Any]], clock: Any
) -> None:
    sandbox()("tank", {"rssi": -70}, told_at(1))
    sandbox()("tank", {"rssi": -75}, told_at(2))
    (turn,) = turns
    clock(60)
    assert hand_over({"body": "no turn"}, turn) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert reported() == {"rssi": -75}
