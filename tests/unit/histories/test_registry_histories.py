"""Whatever happens to a thing and its device, in whatever order it is told, with any one failure: the registries agree.

A history is what people do on both sides (heard by events or not), deliveries of what waits (any order, with repeats)
and runs of the synchronisation, which may stop half way; and at most one failure, of The Things Stack or of AWS. The
queues are SQS's: at least once, some tries, then the dead letters. The Things Stack is the simulation, which checks
every request by the published API.
"""

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import devices_without_thing, registry, sync
from local.things_stack import ThingsStack as Simulation
from tests.unit.histories.account import Account, Message
from tests.unit.histories.wire import Killed, Wire
from thingbridge.aws_iot import data_plane, queues, thing_listing, things, things_log
from thingbridge.errors import ThingbridgeError
from thingbridge.registry import marks
from thingbridge.registry.marks import Mark
from thingbridge.registry.synchronisation import LAST_PAGE_BEFORE_END
from thingbridge.settings import OnThingDeleted, RegistrySettings, SyncMode, SyncSettings, ThingNameScheme
from thingbridge.things_stack.client import ThingsStack

APPLICATION, STACK, THING = "farm-app", "Farm", "barn"
SERVERS = ("identity", "join", "network", "application")
TRIES = {"registry": 5, "sync": 3}
PLANS = ("EU_863_870_TTN", "EU_868_1")
CLAIMABLE = "70B3D57ED0000000"
_serial = itertools.count(1)

# What people do. "unheard": no event tells of it; what is done in The Things Stack never causes one.
on_things = [("create", PLANS[0]), ("create", PLANS[1]), ("update", PLANS[0]), ("update", PLANS[1]), ("delete", "")]
UNHEARD = ", unheard"
on_things_unheard = [(what + UNHEARD, plan) for what, plan in on_things]
on_devices = [("register device", PLANS[0]), ("delete device", "")]
# What waits is worked off: which of the events and pieces of work, by position, and whether it comes once more.
deliveries = st.tuples(st.just("deliver"), st.integers(0, 5), st.booleans())
# A tick is sent and begun; or what the queue has, such as the rest of a run. Either may run out of time.
runs = st.tuples(st.sampled_from(["sync", "sync report", "go on"]), st.booleans(), st.booleans())

CREATE, UPDATE, DELETE = ("create", PLANS[0]), ("update", PLANS[1]), ("delete", "")
REGISTER, FORGET = ("register device", PLANS[1]), ("delete device", "")
DELIVER, TWICE, OTHER, SYNC = ("deliver", 0, False), ("deliver", 0, True), ("deliver", 1, False), ("sync", False, False)


def unheard(change: tuple[str, str]) -> tuple[str, str]:
    return change[0] + UNHEARD, change[1]


LIVES = (
    [CREATE, TWICE],
    [CREATE, DELIVER, UPDATE, DELIVER],
    [CREATE, DELIVER, DELETE, TWICE],
    [CREATE, UPDATE, OTHER, DELETE, OTHER],
    [unheard(CREATE), SYNC, unheard(UPDATE), SYNC],
    [CREATE, DELIVER, FORGET, SYNC, DELIVER, unheard(DELETE), SYNC],
    [REGISTER, SYNC, DELIVER, FORGET, REGISTER, SYNC],
)
"""What is failed at every step in every way; the random histories go further."""

HEARD = LIVES[:4]
"""Those of which every change is told."""


def histories(*people: list[tuple[str, str]]) -> st.SearchStrategy[list[Any]]:
    """Half of them begin with a device that is there: more can happen to it than to none."""
    done = st.sampled_from([each for some in people for each in some])
    begun = st.sampled_from([[], [CREATE, DELIVER]])
    more = st.lists(st.one_of(done, deliveries, runs), min_size=1, max_size=8)
    return st.builds(lambda one, two: [*one, *two], begun, more)


STEPS = {
    "read on IS": ("GET", "/api/v3/applications/.*/devices/"),
    "list on IS": ("GET", "/api/v3/applications/.*/devices$"),
    "create on IS": ("POST", "/api/v3/applications/"),
    "mark on IS": ("PUT", "/api/v3/applications/"),
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
AWS_STEPS = (
    "describe_thing",
    "list_things",
    "create_thing",
    "update_thing",
    "update_thing_shadow",
    "get_thing_shadow",
    "put_log_events",
    "get_queue_attributes",
    "send_message",
)
FOR_EVER = 1000
KINDS = (400, 401, 403, 404, 409, 429, 500, "reset", "reset after", "time-out", "killed", "killed after")
LASTING = (400, 401, 404, 409, 500, "killed")
"""Of these, what the client tells apart where it lasts for ever."""

MEANWHILE = ("thing deleted", "deletion carried out", "thing changed")
"""No failures: what a person does while the function waits for this answer."""

AWS_KINDS = (400, 403, 429, 500, "reset", "reset after")
Failure = tuple[str, int | str, int, int]
when = (st.integers(1, 2), st.sampled_from([1, 2, FOR_EVER]))
failures = st.one_of(
    st.none(),
    st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(KINDS), *when),
    st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(MEANWHILE), st.integers(1, 3), st.just(1)),
    st.tuples(st.sampled_from(AWS_STEPS), st.sampled_from(AWS_KINDS), *when),
)


class Context:
    """A Lambda context. `short`: time for a page of things, not for what follows from it."""

    def __init__(self, short: bool = False) -> None:
        self._seconds = [900.0, LAST_PAGE_BEFORE_END - 1 if short else 900.0]

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0]))


class Countdown:
    """Seconds left, fewer each time it is asked: a busy server is given up after a few tries, without waiting."""

    def __init__(self) -> None:
        self.left = 1.4

    def __call__(self) -> float:
        self.left = max(self.left - 0.02, 1.15)
        return self.left


@dataclass
class World:
    """Both registries with one device and its thing, and the functions between them."""

    simulation: Simulation
    key: str
    claim: bool
    scrub_keys: bool
    account: Account = field(default_factory=lambda: Account(STACK))
    dead: list[str] = field(default_factory=list)
    killed: bool = False
    on_thing_deleted: OnThingDeleted = OnThingDeleted.DELETE

    def __post_init__(self) -> None:
        self.wire = Wire(self.simulation)
        number = next(_serial)
        self.dev_eui, self.by_hand = f"A81758FFFE{number:06X}", f"tank-{number}"
        for server in SERVERS:
            getattr(self.simulation.servers, server).devices.clear()
        self.simulation.requests.clear()
        if self.claim:
            self.simulation.claimable(join_eui=CLAIMABLE, dev_eui=self.dev_eui, authentication_code="C0DE")

    # People -----------------------------------------------------------------------------------------------------

    def change(self, what: str, plan: str) -> None:
        self.account.heard = not what.endswith(UNHEARD)
        match what.removesuffix(UNHEARD):
            case "create" if THING not in self.account.things:
                self.account.put(THING, {"devEUI": self.dev_eui, "stackName": STACK, **self.description(plan)})
            case "update":
                for name, attributes in list(self.account.things.items()):
                    self.account.put(name, attributes | {"frequencyPlanID": plan})
            case "delete":
                for name in list(self.account.things):
                    self.account.delete(name)
            case "register device" if not self.claim and not self.known():
                self.simulation.register_device(
                    APPLICATION,
                    device_id=self.by_hand,
                    dev_eui=self.dev_eui,
                    join_eui="A81758FFFE000001",
                    frequency_plan_id=plan,
                )
            case "delete device":
                for server in SERVERS:
                    getattr(self.simulation.servers, server).devices.clear()
                if self.claim:
                    self.simulation.servers.claiming.devices[CLAIMABLE, self.dev_eui].claimed_by = None
        self.account.heard = True

    def description(self, plan: str) -> dict[str, str]:
        if self.claim:
            return {"joinEUI": CLAIMABLE, "claimAuthenticationCode": "C0DE", "frequencyPlanID": plan}
        versions = {"lorawanVersion": "1.0.3", "regionalParametersVersion": "1.0.3-a"}
        return {"joinEUI": "A81758FFFE000001", "appKey": "01" * 16, "frequencyPlanID": plan, **versions}

    # Queues -----------------------------------------------------------------------------------------------------

    def tick(self, mode: SyncMode) -> None:
        self.account.queues["sync"].append(Message(json.dumps({"start": "now", "mode": mode})))

    def deliver(self, position: int, repeat: bool) -> None:
        """Hand one of the waiting events and pieces of work to the function `registry`."""
        waiting = self.account.queues["registry"]
        if waiting:
            message = waiting.pop(position % len(waiting))
            batch = {"Records": [{"messageId": "1", "body": message.body}]}
            self._after("registry", message, self._done(lambda: not registry.handler(batch, Context())[FAILED]), repeat)

    def run(self, short: bool, repeat: bool) -> None:
        """Hand the first message of its queue to the function `sync`."""
        if self.account.queues["sync"]:
            message = self.account.queues["sync"].pop(0)
            attributes = {
                "SentTimestamp": str(int(time.time() * 1000)),
                "ApproximateReceiveCount": str(message.received + 1),
            }
            batch = {"Records": [{"messageId": "1", "body": message.body, "attributes": attributes}]}
            self._after("sync", message, self._done(lambda: sync.handler(batch, Context(short)) is None), repeat)

    def _done(self, call: Any) -> bool:
        try:
            return bool(call())
        except ThingbridgeError:
            return False
        except Killed:
            self.killed = True
            return False
        finally:
            self.wire.arrive()

    def _after(self, queue: str, message: Message, done: bool, repeat: bool) -> None:
        message.received += 1
        if done and repeat:
            # A second delivery of what succeeded; it doesn't use up tries for ever.
            self.account.queues[queue].insert(0, Message(message.body, TRIES[queue] - 1))
        elif not done and message.received >= TRIES[queue]:
            self.dead.append(message.body)
        elif not done:
            self.account.queues[queue].insert(0 if queue == "sync" else len(self.account.queues[queue]), message)

    def work_off(self) -> None:
        """Deliver until nothing waits."""
        while self.account.queues["sync"] or self.account.queues["registry"]:
            self.run(short=False, repeat=False)
            self.deliver(0, repeat=False)

    # What there is ----------------------------------------------------------------------------------------------

    def known(self) -> set[str]:
        """The servers that know a device."""
        return {name for name in SERVERS if getattr(self.simulation.servers, name).devices}

    def complete(self) -> set[str]:
        """The servers that know a whole device."""
        return set(SERVERS) - ({"join"} if self.claim else set())

    def device(self, server: str) -> dict[str, Any]:
        (found,) = getattr(self.simulation.servers, server).devices.values()
        return dict(found)

    def settings(self) -> RegistrySettings:
        return RegistrySettings(
            **self._session_settings(),
            thing_type_name="lorawan",
            thing_name_scheme=ThingNameScheme.DEV_EUI,
            default_frequency_plan_id=PLANS[0],
            on_thing_deleted=self.on_thing_deleted,
            scrub_keys=self.scrub_keys,
        )

    def sync_settings(self) -> SyncSettings:
        return SyncSettings(
            **self._session_settings(),
            registry_queue_url="registry",
            sync_queue_url="sync",
            on_thing_deleted=self.on_thing_deleted,
            sync_mode=SyncMode.APPLY,
        )

    def _session_settings(self) -> dict[str, str]:
        return {
            "stack_name": STACK,
            "things_log_group": "log",
            "cluster_address": self.simulation.url,
            "identity_server_address": self.simulation.url,
            "application_id": APPLICATION,
            "api_key_secret_arn": "arn",
        }

    def session(self, *_: object) -> ThingsStack:
        session = ThingsStack(
            cluster_address=self.simulation.url,
            identity_server_address=self.simulation.url,
            application_id=APPLICATION,
            api_key=lambda _refresh: self.key,
            remaining_seconds=Countdown(),
            sleep=lambda _seconds: None,
        )
        session.session.mount("http://", self.wire)
        session.session.trust_env = False
        return session


FAILED = "batchItemFailures"


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with Simulation(port=0) as running:
        running.create_application(APPLICATION)
        yield running


@pytest.fixture(scope="module")
def key(simulation: Simulation) -> str:
    return simulation.create_api_key(APPLICATION)


class Unhurried:
    """Where the product keeps its pace: a history has no time."""

    def acquire(self) -> None:
        """At once."""


def arrange(world: World, failure: Failure | None) -> None:
    if failure is None:
        return
    step, kind, on_call, times = failure
    # What never ends would make every history end in the dead letters alone.
    times = min(times, 2) if kind == "time-out" else times
    counted = {"on_call": on_call, "times": times}
    how: dict[str, Any] = {"status": kind} if isinstance(kind, int) else {"reset": True, "after": kind == "reset after"}
    if step in AWS_STEPS:
        world.account.faults.add(method="AWS", path=f"^{step}$", **how, **counted)
        return
    method, path = STEPS[step]
    if kind in (*MEANWHILE, "time-out", "killed", "killed after"):
        wire = world.wire
        unusual = {"time-out": wire.time_outs, **dict.fromkeys(MEANWHILE, wire.meanwhile)}.get(str(kind), wire.kills)
        unusual.add(method=method, path=path, reset=True, after=kind == "killed after", **counted)
        world.wire.happens = lambda: meanwhile(world, str(kind))
    else:
        world.simulation.faults.add(method=method, path=path, **how, **counted)


def meanwhile(world: World, what: str) -> None:
    """What a person does, and perhaps what another call of the function makes of it at once."""
    world.change(*(UPDATE if what == "thing changed" else DELETE))
    if what == "deletion carried out":
        world.deliver(len(world.account.queues["registry"]) - 1, repeat=False)


def takes(world: World, step: str) -> bool:
    """Whether the history came by a step."""
    if step in AWS_STEPS:
        return step in world.account.called
    method, path = STEPS[step]
    return any(each.method == method and re.search(path, each.path) for each in world.simulation.requests)


def end_failures(world: World) -> None:
    wire = world.wire
    for each in (world.simulation.faults, world.account.faults, wire.time_outs, wire.kills, wire.meanwhile):
        each.clear()


def play(world: World, history: list[Any]) -> None:
    for what, *how in history:
        match what:
            case "deliver":
                world.deliver(*how)
            case "sync" | "sync report":
                world.tick(SyncMode.REPORT if what == "sync report" else SyncMode.APPLY)
                world.run(*how)
            case "go on":
                world.run(*how)
            case _:
                world.change(what, *how)
    world.work_off()


def half_a_device(world: World) -> None:
    """Never half a device: only what was killed, or a deletion that waits among the dead letters, may have begun."""
    begun = any('"DELETED"' in body or '"deviceID"' in body for body in world.dead) or (world.killed and world.dead)
    assert world.known() in (set(), world.complete()) or begun, world.known()


def check(world: World) -> None:
    """What holds when all has been said and worked off, and nobody did anything that was not heard."""
    half_a_device(world)
    complete, known = world.complete(), world.known()
    refused = world.account.shadows.get(THING, {}).get("state") == "failed"
    if world.dead:
        return
    if THING not in world.account.things:
        assert known == set()
    elif refused:
        assert world.account.shadows[THING]["reason"]
    else:
        assert known == complete
        assert world.device("network")["frequency_plan_id"] == world.account.things[THING]["frequencyPlanID"]


@pytest.fixture
def enter(simulation: Simulation, key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., World]]:
    """A new world, in which the functions live from now on."""

    def enter(*, claim: bool, scrub_keys: bool) -> World:
        world = World(simulation, key, claim, scrub_keys)
        for module in (things, thing_listing, data_plane, queues, things_log):
            monkeypatch.setattr(module, "client", world.account.client)
        for handler, its_settings in ((registry, world.settings), (sync, world.sync_settings)):
            monkeypatch.setattr(handler, "_settings", its_settings)
            monkeypatch.setattr(handler, "open_session", world.session)
        monkeypatch.setattr(devices_without_thing, "_pace", Unhurried)
        return world

    yield enter
    assert simulation.violations == []


@pytest.fixture
def live(enter: Callable[..., World]) -> Callable[..., World]:
    """Play a history with a failure in a world of its own."""

    def live(history: list[Any], failure: Failure | None, *, claim: bool, scrub_keys: bool) -> World:
        world = enter(claim=claim, scrub_keys=scrub_keys)
        arrange(world, failure)
        try:
            play(world, history)
        finally:
            end_failures(world)
        return world

    return live


def mend(world: World) -> None:
    """Nothing fails any more: one run mends what is left, the next one finds nothing to be done."""
    for _ in range(2):
        world.tick(SyncMode.APPLY)
        world.work_off()
    before, requests = json.dumps(world.account.things, sort_keys=True), len(world.simulation.requests)
    world.tick(SyncMode.APPLY)
    world.work_off()
    again = list(world.simulation.requests)[requests:]
    assert json.dumps(world.account.things, sort_keys=True) == before
    assert [(each.method, each.path) for each in again if each.method != "GET"] == []


def agree(world: World) -> None:
    """Both registries say the same, or the thing tells why not."""
    complete, known = world.complete(), world.known()
    assert known in (set(), complete), known
    refused = [name for name in world.account.things if world.account.shadows.get(name, {}).get("state") == "failed"]
    if known:
        mark = marks.read(world.device("identity").get("attributes", {}))
        assert mark
        thing = world.account.things[mark.thing_name]
        assert mark == Mark.of(mark.thing_name, thing, STACK)
        plan = thing.get("frequencyPlanID")
        assert refused or plan in (None, world.device("network")["frequency_plan_id"])
    for thing in world.account.things.values():
        assert known or refused or not set(thing) & {"appKey", "claimAuthenticationCode"}


@pytest.mark.parametrize("claim", [False, True], ids=["own keys", "claimed"])
@pytest.mark.parametrize("step", STEPS)
def test_no_failure_at_any_step_leaves_half_a_device(live: Any, step: str, claim: bool) -> None:
    ways = [*((kind, 1) for kind in (*KINDS, *MEANWHILE)), *((kind, FOR_EVER) for kind in LASTING)]
    fail_everywhere(live, step, ways, claim)


@pytest.mark.parametrize("step", AWS_STEPS)
def test_no_failure_of_aws_leaves_half_a_device(live: Any, step: str) -> None:
    ways = [*((kind, 1) for kind in AWS_KINDS), *((kind, FOR_EVER) for kind in (400, 403, 500))]
    fail_everywhere(live, step, ways, claim=False)


def fail_everywhere(live: Any, step: str, ways: list[tuple[Any, int]], claim: bool) -> None:
    """Let a step fail in every life that comes by it, for the first time or for good."""
    # Devices that are claimed are not registered by hand.
    for history in LIVES[:-1] if claim else LIVES:
        if not takes(live(history, None, claim=claim, scrub_keys=False), step):
            continue
        for kind, times in ways:
            try:
                world = live(history, (step, kind, 1, times), claim=claim, scrub_keys=False)
                (check if history in HEARD else half_a_device)(world)
                mend(world)
                agree(world)
            except AssertionError as error:
                raise AssertionError(f"{step} fails with {kind}, {times} times, in {history}") from error


@pytest.mark.parametrize("claim", [False, True], ids=["own keys", "claimed"])
@pytest.mark.parametrize("scrub_keys", [False, True], ids=["keys kept", "keys scrubbed"])
def test_what_was_heard_ends_alike(live: Any, claim: bool, scrub_keys: bool) -> None:
    @settings(
        max_examples=65,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(histories(on_things), failures)
    def play_all(history: list[Any], failure: Failure | None) -> None:
        world = live(history, failure, claim=claim, scrub_keys=scrub_keys)
        check(world)
        mend(world)
        agree(world)

    play_all()


@pytest.mark.parametrize("claim", [False, True], ids=["own keys", "claimed"])
@pytest.mark.parametrize("scrub_keys", [False, True], ids=["keys kept", "keys scrubbed"])
def test_what_was_not_heard_is_mended(live: Any, claim: bool, scrub_keys: bool) -> None:
    @settings(
        max_examples=65,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(histories(on_things, on_things_unheard, on_devices), failures)
    def play_all(history: list[Any], failure: Failure | None) -> None:
        world = live(history, failure, claim=claim, scrub_keys=scrub_keys)
        mend(world)
        agree(world)

    play_all()


def test_what_is_refused_is_asked_for_again_when_the_thing_changes_or_a_day_later(
    enter: Callable[..., World], simulation: Simulation
) -> None:
    world = enter(claim=False, scrub_keys=False)
    simulation.create_application("other-app")
    ids = {"device_id": "taken", "dev_eui": world.dev_eui, "join_eui": "A81758FFFE000001"}
    simulation.register_device("other-app", **ids)

    def tries(*history: Any) -> tuple[int, int]:
        """How often the device was asked for, and lines in the thing's log."""
        simulation.requests.clear()
        world.account.log.clear()
        play(world, list(history))
        return len([each for each in simulation.requests if each.method == "POST"]), len(world.account.log)

    assert tries(CREATE) == (1, 1)
    assert world.account.shadows[THING]["state"] == "failed"
    assert "already registered" in world.account.shadows[THING]["reason"]
    assert tries(SYNC, SYNC) == (0, 0)
    world.account.shadows[THING]["at"] = "2025-01-02T03:04:05.000Z"
    assert tries(SYNC, SYNC) == (1, 1)
    assert tries(unheard(UPDATE), SYNC, SYNC) == (1, 1)
    for server in SERVERS:
        getattr(simulation.servers, server).devices.clear()
    assert tries(SYNC) == (0, 0)
    assert tries(("update", PLANS[0])) == (1, 1)
    assert world.known() == world.complete()
    assert set(world.account.shadows[THING]) == {"state", "at"}


def test_a_device_whose_thing_is_deleted_while_it_is_made_is_retained_where_the_stack_wants_it(
    enter: Callable[..., World],
) -> None:
    world = enter(claim=False, scrub_keys=False)
    world.on_thing_deleted = OnThingDeleted.RETAIN
    arrange(world, ("set on AS", "thing deleted", 1, 1))
    play(world, [CREATE, DELIVER])
    assert (world.account.things, world.known()) == ({}, world.complete())
