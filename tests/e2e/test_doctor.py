"""`thingbridge doctor` on an applied stack: all is well, and each fault is the first one that it names."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.app import app
from tests.e2e.conftest import Bridge
from tests.e2e.test_queues import paused
from tests.e2e.test_sync import events_are_missed
from tests.sizes import SOAK

LATER = ("messages", "queue", "comparison")
"""What is examined after everything that a fault here is about; other tests leave traces there."""


def faults(bridge: Bridge) -> list[dict[str, Any]]:
    """What `thingbridge doctor` finds wrong, as in a shell that leads to this AWS."""
    environment = {**bridge.aws.settings(), "THINGBRIDGE_STACK": bridge.name}
    done = CliRunner(env=environment).invoke(app, ["doctor", "--json"], catch_exceptions=False)
    found = [each for each in json.loads(done.stdout) if not each["ok"]]
    assert done.exit_code == (1 if found else 0)
    return [each for each in found if not each["what"].startswith(LATER)]


@contextmanager
def disabled_rule(bridge: Bridge) -> Iterator[None]:
    iot, name = bridge.aws.client("iot"), f"{bridge.name}_upstream"
    iot.disable_topic_rule(ruleName=name)
    yield
    iot.enable_topic_rule(ruleName=name)


@contextmanager
def disabled_source(bridge: Bridge) -> Iterator[None]:
    with paused(bridge, "registry"):
        yield


@contextmanager
def missed_events(bridge: Bridge) -> Iterator[None]:
    with events_are_missed(bridge):
        yield


@contextmanager
def silent_server(bridge: Bridge) -> Iterator[None]:
    bridge.things_stack.faults.add(path="/js/.*thingbridge-doctor", status=503, times=1_000)
    yield
    bridge.things_stack.faults.clear()


@contextmanager
def deleted_integration(bridge: Bridge) -> Iterator[None]:
    pubsubs = bridge.things_stack.servers.application.pubsubs
    (at,) = (at for at in pubsubs if at[0] == bridge.application_id)
    held = pubsubs.pop(at)
    yield
    pubsubs[at] = held


@contextmanager
def broken_off_apply(bridge: Bridge) -> Iterator[None]:
    ssm, name = bridge.aws.client("ssm"), f"/thethings/lorawan/{bridge.name}/configure/record/integration"
    record = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    ssm.put_parameter(Name=name, Value=json.dumps({**json.loads(record), "configuration": ""}), Overwrite=True)
    yield
    ssm.put_parameter(Name=name, Value=record, Overwrite=True)


@contextmanager
def ending_key(bridge: Bridge) -> Iterator[None]:
    keys = [
        key
        for key in bridge.things_stack.servers.identity.api_keys.values()
        if key.application_id == bridge.application_id
    ]
    for key in keys:
        key.expires_at = (datetime.now(UTC) + timedelta(days=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield
    for key in keys:
        key.expires_at = ""


FAULTS: dict[str, Callable[[Bridge], AbstractContextManager[None]]] = {
    "rule Farm_upstream": disabled_rule,
    "Join Server": silent_server,
    "function Farm-registry": disabled_source,
    "registry events": missed_events,
    "pub/sub": deleted_integration,
    "last apply": broken_off_apply,
    "API key": ending_key,
}


def test_all_is_well_with_a_stack_as_it_was_applied(farm: Bridge) -> None:
    assert faults(farm) == []


@pytest.mark.parametrize("what", FAULTS if SOAK else [*FAULTS][:2])
def test_a_fault_of_an_applied_stack_is_the_first_one_named(farm: Bridge, what: str) -> None:
    with FAULTS[what](farm):
        assert faults(farm)[0]["what"].startswith(what)
    assert faults(farm) == []
