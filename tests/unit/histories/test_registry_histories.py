"""Whatever happens to a thing, in whatever order its events come, with any one failure: both registries end alike.

A history is a person's changes of one thing, the deliveries of the events they cause (any order, with repeats), and
at most one failure of The Things Stack. The queue is SQS's: at least once, five tries, then the dead letters. The
Things Stack is the simulation, over HTTP, which checks every request by the published API.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import registry
from local.things_stack import ThingsStack as Simulation
from thingbridge.aws_iot import data_plane, things, things_log
from thingbridge.settings import OnThingDeleted, RegistrySettings, ThingNameScheme
from thingbridge.things_stack import client
from thingbridge.things_stack.client import ThingsStack

APPLICATION, STACK, THING = "farm-app", "Farm", "barn"
SERVERS = ("identity", "join", "network", "application")
MAX_RECEIVES = 5
PLANS = ("EU_863_870_TTN", "EU_868_1")
CLAIMABLE = "70B3D57ED0000000"
_serial = itertools.count(1)

changes = st.one_of(
    st.tuples(st.just("create"), st.sampled_from(PLANS)),
    st.tuples(st.just("update"), st.sampled_from(PLANS)),
    st.tuples(st.just("delete"), st.just("")),
)
# How far the queue is worked off after each change: which of the waiting events, by position, and again or for good.
deliveries = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=3)
STEPS = {
    "read on IS": ("GET", "/api/v3/applications/.*/devices/"),
    "create on IS": ("POST", "/api/v3/applications/"),
    "delete on IS": ("DELETE", "/api/v3/applications/"),
    "search on IS": ("GET", "/search/"),
    "set on JS": ("PUT", "/js/"),
    "delete on JS": ("DELETE", "/js/"),
    "claim": ("POST", "/edcs/claim$"),
    "unclaim": ("DELETE", "/edcs/"),
    "read on NS": ("GET", "/ns/"),
    "set on NS": ("PUT", "/ns/"),
    "delete on NS": ("DELETE", "/ns/"),
    "set on AS": ("PUT", "/as/"),
    "delete on AS": ("DELETE", "/as/"),
}
KINDS = (400, 401, 403, 404, 409, 429, 500, "reset", "reset after", "time-out")
FOR_EVER = 1000
failures = st.tuples(
    st.sampled_from(sorted(STEPS)), st.sampled_from(KINDS), st.integers(1, 2), st.sampled_from([1, 2, FOR_EVER])
)
CREATE, UPDATE, DELETE = ("create", PLANS[0]), ("update", PLANS[1]), ("delete", "")
NOW, LATER, TWICE = [(0, False)], [], [(0, True), (0, False)]
LIVES = (
    [(CREATE, TWICE), (UPDATE, NOW)],
    [(CREATE, NOW), (DELETE, TWICE)],
    [(CREATE, LATER), (UPDATE, [(1, False)]), (DELETE, [(1, False)])],
)


@dataclass
class World:
    """The thing registry, its event queue, and what the function left in shadow, log and dead letters."""

    simulation: Simulation
    key: str
    dev_eui: str
    claim: bool
    scrub_keys: bool
    thing: dict[str, str] | None = None
    waiting: list[tuple[str, int]] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    provisioning: dict[str, Any] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def device_id(self) -> str:
        return f"eui-{self.dev_eui.lower()}"

    def change(self, what: str, plan: str) -> None:
        before = self.thing
        if what == "create" and before is None:
            self.thing = {"devEUI": self.dev_eui, "stackName": STACK, "frequencyPlanID": plan, **self.description()}
            self.provisioning = {}
            self.announce("CREATED", self.thing)
        elif what == "update" and before is not None:
            self.thing = {**before, "frequencyPlanID": plan}
            self.announce("UPDATED", self.thing)
        elif what == "delete" and before is not None:
            self.thing = None
            self.announce("DELETED", before)

    def description(self) -> dict[str, str]:
        if self.claim:
            return {"joinEUI": CLAIMABLE, "claimAuthenticationCode": "C0DE"}
        versions = {"lorawanVersion": "1.0.3", "regionalParametersVersion": "1.0.3-a"}
        return {"joinEUI": "A81758FFFE000001", "appKey": "01" * 16, **versions}

    def announce(self, operation: str, attributes: dict[str, str]) -> None:
        event = {"operation": operation, "thingName": THING, "attributes": dict(attributes)}
        self.waiting.append((json.dumps(event), 0))

    def deliver(self, position: int, repeat: bool) -> None:
        if not self.waiting:
            return
        position %= len(self.waiting)
        body, received = self.waiting.pop(position)
        failed = registry.handler({"Records": [{"messageId": "1", "body": body}]}, Context())["batchItemFailures"]
        if failed and received + 1 == MAX_RECEIVES:
            self.dead.append(body)
        elif failed or repeat:
            # A repeat is a second delivery of what succeeded; it doesn't use up tries for ever.
            self.waiting.append((body, received + 1 if failed else MAX_RECEIVES - 1))

    def settings(self) -> RegistrySettings:
        return RegistrySettings(
            stack_name=STACK,
            things_log_group="log",
            cluster_address=self.simulation.url,
            identity_server_address=self.simulation.url,
            application_id=APPLICATION,
            api_key_secret_arn="arn",
            thing_type_name="lorawan",
            thing_name_scheme=ThingNameScheme.DEV_EUI,
            default_frequency_plan_id=PLANS[0],
            on_thing_deleted=OnThingDeleted.DELETE,
            scrub_keys=self.scrub_keys,
        )

    def session(self, *_: object) -> ThingsStack:
        return ThingsStack(
            cluster_address=self.simulation.url,
            identity_server_address=self.simulation.url,
            application_id=APPLICATION,
            api_key=lambda _refresh: self.key,
            remaining_seconds=Countdown(),
            sleep=lambda _seconds: None,
        )

    def describe(self, name: str) -> things.Thing | None:
        return things.Thing(name, dict(self.thing)) if self.thing is not None else None

    def remove_attributes(self, _name: str, names: Any) -> None:
        if self.thing is not None:
            self.thing = {name: value for name, value in self.thing.items() if name not in set(map(str, names))}
            self.announce("UPDATED", self.thing)

    def report(self, _name: str, _shadow: str, reported: dict[str, Any]) -> None:
        merged = {**self.provisioning, **reported["provisioning"]}
        self.provisioning = {name: value for name, value in merged.items() if value is not None}

    def record(self, _group: str, _thing: str | None, level: str, event: str, **fields: Any) -> None:
        self.log.append({"level": level, "event": event, **fields})

    def known_to(self) -> set[str]:
        at = (APPLICATION, self.device_id)
        return {name for name in SERVERS if at in getattr(self.simulation.servers, name).devices}


class Context:
    """A Lambda context; the session in use has its own clock."""

    def get_remaining_time_in_millis(self) -> int:
        return 10_000


class Countdown:
    """Seconds left, fewer each time it is asked: a busy server is given up after a few tries, without waiting."""

    def __init__(self) -> None:
        self.left = 1.4

    def __call__(self) -> float:
        self.left = max(self.left - 0.02, 1.15)
        return self.left


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with Simulation(port=0) as running:
        running.create_application(APPLICATION)
        yield running


@pytest.fixture(scope="module")
def key(simulation: Simulation) -> str:
    return simulation.create_api_key(APPLICATION)


def play(world: World, history: list[Any], failure: Any) -> None:
    if failure:
        (method, path), kind, on_call, times = STEPS[failure[0]], *failure[1:]
        how: dict[str, Any] = {"status": kind}
        if kind == "time-out":
            how = {"delay": 0.2}
        elif isinstance(kind, str):
            how = {"reset": True, "after": kind == "reset after"}
        # What never ends would make every history end in the dead letters alone.
        times = min(times, 2) if kind == "time-out" else times
        world.simulation.faults.add(method=method, path=path, on_call=on_call, times=times, **how)
    for (what, plan), deliver in history:
        world.change(what, plan)
        for position, repeat in deliver:
            world.deliver(position, repeat)
    while world.waiting:
        world.deliver(0, repeat=False)


def check(world: World) -> None:
    complete = set(SERVERS) - ({"join"} if world.claim else set())
    known = world.known_to()
    refused = world.provisioning.get("state") == "failed"
    deletion_is_dead = any('"DELETED"' in body for body in world.dead)
    # Never half a device: only a deletion that waits among the dead letters may have begun.
    assert known in (set(), complete) or deletion_is_dead, known
    assert not world.dead or any(entry["event"] == "end_device_not_in_step" for entry in world.log)
    if world.dead:
        return
    if world.thing is None:
        assert known == set()
    elif refused:
        assert world.provisioning["reason"]
    else:
        assert known == complete
        network = world.simulation.servers.network.devices[APPLICATION, world.device_id]
        assert network["frequency_plan_id"] == world.thing["frequencyPlanID"]


def live(world: World, monkeypatch: pytest.MonkeyPatch, history: list[Any], failure: Any) -> None:
    """Play a history in its world, then look at both registries."""
    if world.claim:
        world.simulation.claimable(join_eui=CLAIMABLE, dev_eui=world.dev_eui, authentication_code="C0DE")
    # Short only where something is slow on purpose: no other answer may be late on a busy machine.
    monkeypatch.setattr(client, "READ_TIMEOUT", 0.1 if failure and failure[1] == "time-out" else 10.0)
    monkeypatch.setattr(registry, "_settings", world.settings)
    monkeypatch.setattr(registry, "open_session", world.session)
    monkeypatch.setattr(things, "describe", world.describe)
    monkeypatch.setattr(things, "remove_attributes", world.remove_attributes)
    monkeypatch.setattr(data_plane, "report", world.report)
    monkeypatch.setattr(things_log, "record", world.record)
    try:
        play(world, history, failure)
    finally:
        world.simulation.faults.clear()
    check(world)
    assert world.simulation.violations == []


@pytest.mark.parametrize("claim", [False, True], ids=["own keys", "claimed"])
@pytest.mark.parametrize("step", STEPS)
def test_no_failure_at_any_step_leaves_half_a_device(
    simulation: Simulation, key: str, monkeypatch: pytest.MonkeyPatch, step: str, claim: bool
) -> None:
    for kind, times, history in itertools.product(KINDS, (1, FOR_EVER), LIVES):
        if (kind, times) == ("time-out", FOR_EVER):
            continue  # a reset for ever is the same to the client, and does not take its time
        world = World(simulation, key, f"A81758FFFE{next(_serial):06X}", claim, scrub_keys=False)
        try:
            live(world, monkeypatch, history, (step, kind, 1, times))
        except AssertionError as error:
            raise AssertionError(f"{step} fails with {kind}, {times} times, in {history}") from error


@pytest.mark.parametrize("claim", [False, True], ids=["own keys", "claimed"])
@pytest.mark.parametrize("scrub_keys", [False, True], ids=["keys kept", "keys scrubbed"])
def test_both_registries_end_alike(
    simulation: Simulation, key: str, monkeypatch: pytest.MonkeyPatch, claim: bool, scrub_keys: bool
) -> None:
    @settings(
        max_examples=130,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(st.lists(st.tuples(changes, deliveries), min_size=1, max_size=5), st.none() | failures)
    def histories(history: list[Any], failure: Any) -> None:
        world = World(simulation, key, f"A81758FFFE{next(_serial):06X}", claim, scrub_keys)
        live(world, monkeypatch, history, failure)

    histories()
