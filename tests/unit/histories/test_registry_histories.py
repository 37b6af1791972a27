"""Whatever happens to a thing and its device, in any order of events, with any one failure: both registries agree.

A history consists of changes that people make on both sides (with events, or with events that were missed), deliveries
of waiting messages (in any order, with repeats) and runs of the comparison, which may stop half way; and of at most one
failure, of The Things Stack or of AWS. The queues behave like those of SQS: delivery at least once, a number of
attempts, then the dead-letter queue. The Things Stack is the simulation, which checks every request by the published
API.

In `make test`, every step fails in every way, in one of the lives that include it, and every one of these lives has its
share of the ways. `make soak` plays all of them, and more random histories.
"""

import functools
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import batches
from local.things_stack import ThingsStack as Simulation
from tests.sizes import SOAK, size
from tests.unit.histories.account import THING_TYPE, Account, Message, registry_queue, sync_queue
from tests.unit.histories.wire import Killed, Wire
from thingbridge.aws.queues import Queue
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import ThingbridgeError
from thingbridge.flows.registry.deletions import Deletions
from thingbridge.flows.registry.devices import DevicesWithoutThing
from thingbridge.flows.registry.scrubbing import Scrubbing
from thingbridge.flows.registry.standing import StandingThings
from thingbridge.flows.registry.things import Registry, RegistryRules
from thingbridge.flows.sync import Registries, Sync, Tick
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.pacing import TokenBucket
from thingbridge.registry import marks
from thingbridge.registry.identity import StackOfThings, ThingNameScheme
from thingbridge.registry.marks import Mark, Owner
from thingbridge.registry.reconcile import OnThingDeleted
from thingbridge.registry.sync import LAST_PAGE_BEFORE_END, KeptIndex, SyncMode
from thingbridge.shadow.state import SHADOW_NAME
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.transport import Transport

APPLICATION, STACK, THING = "farm-app", "Farm", "barn"
SERVERS = ("identity", "join", "network", "application")
OWNER = Owner("eu-west-1", "111122223333", STACK)
REGISTRY, SYNC_QUEUE = registry_queue(STACK), sync_queue(STACK)
ATTEMPTS = {REGISTRY: 5, SYNC_QUEUE: 3}
PLANS = ("EU_863_870_TTN", "EU_868_1")
CLAIMABLE = "70B3D57ED0000000"
_serial = itertools.count(1)

# Changes that people make. "missed": its event got lost; a change in The Things Stack never causes one.
on_things = [("create", PLANS[0]), ("create", PLANS[1]), ("update", PLANS[0]), ("update", PLANS[1]), ("delete", "")]
MISSED = ", event missed"
on_things_missed = [(what + MISSED, plan) for what, plan in on_things]
on_devices = [("register device", PLANS[0]), ("delete device", "")]
# Which of the waiting events and work items is delivered, by position, and whether it is delivered a second time.
deliveries = st.tuples(st.just("deliver"), st.integers(0, 5), st.booleans())
# A tick is sent and handled; or what the queue has, such as the state of a run. Either may run out of time.
runs = st.tuples(st.sampled_from(["sync", "sync report", "resume"]), st.booleans(), st.booleans())

CREATE, UPDATE, DELETE = ("create", PLANS[0]), ("update", PLANS[1]), ("delete", "")
REGISTER, FORGET = ("register device", PLANS[1]), ("delete device", "")
DELIVER, TWICE, OTHER, SYNC = ("deliver", 0, False), ("deliver", 0, True), ("deliver", 1, False), ("sync", False, False)


def missed(change: tuple[str, str]) -> tuple[str, str]:
    """The change without its event."""
    return change[0] + MISSED, change[1]


LIVES = (
    [CREATE, TWICE],
    [CREATE, DELIVER, UPDATE, DELIVER],
    [CREATE, DELIVER, DELETE, TWICE],
    [CREATE, UPDATE, OTHER, DELETE, OTHER],
    [missed(CREATE), SYNC, missed(UPDATE), SYNC],
    [CREATE, DELIVER, FORGET, SYNC, DELIVER, missed(DELETE), SYNC],
    [REGISTER, SYNC, DELIVER, FORGET, REGISTER, SYNC],
)
"""Histories in which steps fail; the random histories go further."""

ANNOUNCED = LIVES[:4]
"""Those in which every change sends an event."""


def histories(*people: list[tuple[str, str]]) -> st.SearchStrategy[list[Any]]:
    """Half of them begin with a device that exists: more can happen to it than to none."""
    changes = st.sampled_from([each for some in people for each in some])
    beginning = st.sampled_from([[], [CREATE, DELIVER]])
    rest = st.lists(st.one_of(changes, deliveries, runs), min_size=1, max_size=8)
    return st.builds(lambda one, two: [*one, *two], beginning, rest)


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
"""Of these, the kinds that the client handles differently when they last forever."""

MEANWHILE = ("thing deleted", "deletion carried out", "thing changed")
"""No failures: changes that a person makes while the function waits for this answer."""

CREATED_AGAIN = "thing created again"
"""The same, for a thing that was deleted; what waits is handled at once, by another execution environment."""

AWS_KINDS = (400, 403, 429, 500, "reset", "reset after")
Failure = tuple[str, int | str, int, int]
when = (st.integers(1, 2), st.sampled_from([1, 2, FOR_EVER]))
failures = st.one_of(
    st.none(),
    st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(KINDS), *when),
    st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(MEANWHILE), st.integers(1, 3), st.just(1)),
    st.tuples(st.sampled_from(AWS_STEPS), st.sampled_from(AWS_KINDS), *when),
)


class TimeLeft:
    """Seconds that a call of the comparison has left. `short`: enough for a page of things, not for what follows."""

    def __init__(self, short: bool) -> None:
        self._seconds = [900.0, LAST_PAGE_BEFORE_END - 1 if short else 900.0]

    def __call__(self) -> float:
        return self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0]


class Countdown:
    """Seconds left, fewer with each call: retries end after a few attempts, without waiting."""

    def __init__(self) -> None:
        self.left = 1.4

    def __call__(self) -> float:
        self.left = max(self.left - 0.02, 1.15)
        return self.left


@dataclass
class World:
    """Both registries with one device and its thing, and the flows between them."""

    simulation: Simulation
    key: str
    claim: bool
    scrub_keys: bool
    account: Account = field(default_factory=lambda: Account((STACK,)))
    dead: list[str] = field(default_factory=list)
    kept: KeptIndex = field(default_factory=KeptIndex)
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

    # Changes that people make ------------------------------------------------------------------------------------

    def change(self, what: str, plan: str) -> None:
        self.account.events_enabled = not what.endswith(MISSED)
        match what.removesuffix(MISSED):
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
        self.account.events_enabled = True

    def description(self, plan: str) -> dict[str, str]:
        if self.claim:
            return {"joinEUI": CLAIMABLE, "claimAuthenticationCode": "C0DE", "frequencyPlanID": plan}
        versions = {"lorawanVersion": "1.0.3", "regionalParametersVersion": "1.0.3-a"}
        return {"joinEUI": "A81758FFFE000001", "appKey": "01" * 16, "frequencyPlanID": plan, **versions}

    # Queues ------------------------------------------------------------------------------------------------------

    def tick(self, mode: SyncMode) -> None:
        self.account.queues[SYNC_QUEUE].append(Message(json.dumps({"start": "now", "mode": mode})))

    def deliver(self, position: int, repeat: bool) -> None:
        """Deliver one of the waiting events and work items to the flow `registry`."""
        waiting = self.account.queues[REGISTRY]
        if waiting:
            message = waiting.pop(position % len(waiting))
            batch = {"Records": [{"messageId": "1", "body": message.body}]}
            registry = self.registry()
            self._after(
                REGISTRY,
                message,
                self._succeeds(lambda: not batches.handle_each(batch, registry.handle)["batchItemFailures"]),
                repeat,
            )

    def run(self, short: bool, repeat: bool) -> None:
        """Deliver the first message of its queue to the flow `sync`."""
        if self.account.queues[SYNC_QUEUE]:
            message = self.account.queues[SYNC_QUEUE].pop(0)
            tick = Tick("1", message.body, sent_at=time.time(), first_delivery=message.received == 0)
            sync = self.sync(short)
            self._after(SYNC_QUEUE, message, self._succeeds(lambda: sync.handle(tick) is None), repeat)

    def _succeeds(self, call: Callable[[], bool]) -> bool:
        try:
            return call()
        except ThingbridgeError:
            return False
        except Killed:
            self.killed, self.kept = True, KeptIndex()
            return False
        finally:
            self.wire.arrive()

    def _after(self, queue: str, message: Message, done: bool, repeat: bool) -> None:
        message.received += 1
        if done and repeat:
            # The second delivery of a message that succeeded: its last attempt.
            self.account.queues[queue].insert(0, Message(message.body, ATTEMPTS[queue] - 1))
        elif not done and message.received >= ATTEMPTS[queue]:
            self.dead.append(message.body)
        elif not done:
            self.account.queues[queue].insert(0 if queue == SYNC_QUEUE else len(self.account.queues[queue]), message)

    def work_off(self) -> None:
        """Deliver until nothing waits."""
        while self.account.queues[SYNC_QUEUE] or self.account.queues[REGISTRY]:
            self.run(short=False, repeat=False)
            self.deliver(0, repeat=False)

    # The state of both registries --------------------------------------------------------------------------------

    def known(self) -> set[str]:
        """The servers that know a device."""
        return {name for name in SERVERS if getattr(self.simulation.servers, name).devices}

    def complete(self) -> set[str]:
        """The servers that know a whole device."""
        return set(SERVERS) - ({"join"} if self.claim else set())

    def device(self, server: str) -> dict[str, Any]:
        (found,) = getattr(self.simulation.servers, server).devices.values()
        return dict(found)

    # The flows ---------------------------------------------------------------------------------------------------

    def registry(self) -> Registry:
        clients: Any = self.account
        things, things_stack, log = Things(clients), self.things_stack(), ThingsLog(clients, "log")
        stack = StackOfThings(STACK, THING_TYPE, ThingNameScheme.DEV_EUI)
        standing = StandingThings(stack, things, TokenBucket(rate=1, sleep=at_once))
        return Registry(
            rules=RegistryRules(OWNER, PLANS[0], self.on_thing_deleted),
            things=things,
            shadows=Shadows(clients, SHADOW_NAME),
            things_stack=things_stack,
            devices_without_thing=DevicesWithoutThing(
                OWNER,
                stack,
                self.on_thing_deleted,
                things,
                things_stack,
                standing,
                ThingDirectory(things, stack, log),
                log,
            ),
            deletions=Deletions(OWNER, standing, things_stack, log),
            log=log,
            scrubbing=Scrubbing(things, Queue(clients, REGISTRY)) if self.scrub_keys else None,
        )

    def sync(self, short: bool) -> Sync:
        clients: Any = self.account
        things_stack, queue = self.things_stack(), Queue(clients, REGISTRY)
        return Sync(
            owner=OWNER,
            mode=SyncMode.APPLY,
            on_thing_deleted=self.on_thing_deleted,
            registries=lambda: Registries(STACK, Things(clients), things_stack, queue, sleep=at_once),
            queue=Queue(clients, SYNC_QUEUE),
            remaining_seconds=TimeLeft(short),
            kept=self.kept,
        )

    def things_stack(self) -> ThingsStack:
        transport = Transport(
            cluster_address=self.simulation.url,
            identity_server_address=self.simulation.url,
            api_key=lambda _refresh: self.key,
            remaining_seconds=Countdown(),
            sleep=at_once,
        )
        transport.session.mount("http://", self.wire)
        transport.session.trust_env = False
        return ThingsStack(APPLICATION, transport)


def at_once(_seconds: float) -> None:
    """Do not wait: no time passes in a history."""


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with Simulation(port=0, profile="hosted") as running:
        running.create_application(APPLICATION)
        yield running


@pytest.fixture(scope="module")
def key(simulation: Simulation) -> str:
    return simulation.create_api_key(APPLICATION)


def arrange(world: World, failure: Failure | None) -> None:
    if failure is None:
        return
    step, kind, on_call, times = failure
    # Without an end, every history would end in the dead-letter queue.
    times = min(times, 2) if kind == "time-out" else times
    counted = {"on_call": on_call, "times": times}
    how: dict[str, Any] = {"status": kind} if isinstance(kind, int) else {"reset": True, "after": kind == "reset after"}
    if step in AWS_STEPS:
        world.account.faults.add(method="AWS", path=f"^{step}$", **how, **counted)
        return
    method, path = STEPS[step]
    changes = (*MEANWHILE, CREATED_AGAIN)
    if kind in (*changes, "time-out", "killed", "killed after"):
        wire = world.wire
        unusual = {"time-out": wire.time_outs, **dict.fromkeys(changes, wire.meanwhile)}.get(str(kind), wire.kills)
        unusual.add(method=method, path=path, reset=True, after=kind == "killed after", **counted)
        world.wire.happens = lambda: meanwhile(world, str(kind))
    else:
        world.simulation.faults.add(method=method, path=path, **how, **counted)


def meanwhile(world: World, what: str) -> None:
    """A change that a person makes, and perhaps the call of the function that its event causes at once."""
    if what == CREATED_AGAIN:
        world.change(*CREATE)
        for _ in range(len(world.account.queues[REGISTRY])):
            world.deliver(0, repeat=False)
        return
    world.change(*(UPDATE if what == "thing changed" else DELETE))
    if what == "deletion carried out":
        world.deliver(len(world.account.queues[REGISTRY]) - 1, repeat=False)


def steps_taken(world: World) -> set[str]:
    """The steps that the history of a world includes."""
    requests = [(each.method, each.path) for each in world.simulation.requests]
    return set(world.account.called) | {
        step
        for step, (method, path) in STEPS.items()
        if any(called == method and re.search(path, at) for called, at in requests)
    }


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
            case "resume":
                world.run(*how)
            case _:
                world.change(what, *how)
    world.work_off()


def half_a_device(world: World) -> None:
    """No device exists in part, unless a function was killed or a deletion waits in the dead-letter queue."""
    begun = any('"DELETED"' in body or '"deviceID"' in body for body in world.dead) or (world.killed and world.dead)
    assert world.known() in (set(), world.complete()) or begun, world.known()


def check(world: World) -> None:
    """What holds once every message was delivered, in a history in which every change sent an event."""
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
def enter(simulation: Simulation, key: str) -> Iterator[Callable[..., World]]:
    """Make a world of its own."""

    def enter(*, claim: bool, scrub_keys: bool) -> World:
        return World(simulation, key, claim, scrub_keys)

    yield enter
    assert simulation.violations == []


@pytest.fixture
def live(enter: Callable[..., World]) -> Callable[..., World]:
    """Play a history with at most one failure in a world of its own."""

    def live(history: list[Any], failure: Failure | None, *, claim: bool, scrub_keys: bool) -> World:
        world = enter(claim=claim, scrub_keys=scrub_keys)
        arrange(world, failure)
        try:
            play(world, history)
        finally:
            end_failures(world)
        return world

    return live


def repair(world: World) -> None:
    """Nothing fails any more: the comparison repairs what is left, and then finds nothing to do."""
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
    """Both registries agree, or the thing's shadow says why not."""
    complete, known = world.complete(), world.known()
    assert known in (set(), complete), known
    refused = [name for name in world.account.things if world.account.shadows.get(name, {}).get("state") == "failed"]
    if known:
        mark = marks.read(world.device("identity").get("attributes", {}))
        assert mark
        thing = world.account.things[mark.thing_name]
        # The ID may be that of an earlier thing of the name, if the event of the later one was missed.
        assert mark == replace(Mark.of(mark.thing_name, thing, OWNER), thing_id=mark.thing_id)
        assert mark.thing_id != marks.UNLISTED
        plan = thing.get("frequencyPlanID")
        assert refused or plan in (None, world.device("network")["frequency_plan_id"])
    for thing in world.account.things.values():
        assert known or refused or not set(thing) & {"appKey", "claimAuthenticationCode"}


Life = list[Any]
LivesWith = Callable[..., list[Life]]
Way = tuple[int | str, int]
"""How a step fails, and how many times."""

WAYS: tuple[Way, ...] = (*((kind, 1) for kind in (*KINDS, *MEANWHILE)), *((kind, FOR_EVER) for kind in LASTING))
AWS_WAYS: tuple[Way, ...] = (*((kind, 1) for kind in AWS_KINDS), *((kind, FOR_EVER) for kind in (400, 403, 500)))


CLAIMED = {"set on JS": False, "delete on JS": False, "claim": True, "unclaim": True}
"""Steps of devices that are claimed (True), or only of those that have keys of their own. All others: of both."""


@pytest.fixture(scope="module")
def lives_with(simulation: Simulation, key: str) -> LivesWith:
    """The lives that include a step, which is played in a world of these settings."""

    @functools.cache
    def steps(number: int, claim: bool, scrub_keys: bool) -> set[str]:
        world = World(simulation, key, claim, scrub_keys)
        play(world, LIVES[number])
        return steps_taken(world)

    def lives(step: str, *, claim: bool, scrub_keys: bool) -> list[Life]:
        # Devices that are claimed are not registered by hand.
        numbers = range(len(LIVES) - 1 if claim else len(LIVES))
        return [LIVES[number] for number in numbers if step in steps(number, claim, scrub_keys)]

    return lives


def combined(lives: Sequence[Life], ways: Sequence[Way], first: int) -> list[tuple[Life, Way]]:
    """Every way in every life; in `make test`, the ways distributed over the lives, beginning with the `first`."""
    if SOAK:
        return list(itertools.product(lives, ways))
    return list(zip(itertools.islice(itertools.cycle(lives), first, None), ways, strict=False))


@pytest.mark.parametrize(
    ("step", "claim"),
    [(step, claim) for step in STEPS for claim in (False, True) if CLAIMED.get(step, claim) == claim],
    ids=lambda value: {False: "own keys", True: "claimed"}.get(value, value),
)
def test_no_failure_at_any_step_leaves_half_a_device(live: Any, lives_with: LivesWith, step: str, claim: bool) -> None:
    # In `make test`, half of the ways for devices with keys of their own and the other half for those that are claimed.
    ways = WAYS if SOAK or step in CLAIMED else WAYS[claim::2]
    fail_everywhere(live, lives_with, step, ways, claim=claim, scrub_keys=False)


@pytest.mark.parametrize("step", AWS_STEPS)
def test_no_failure_of_aws_leaves_half_a_device(live: Any, lives_with: LivesWith, step: str) -> None:
    # A thing is updated by the function only to remove its keys.
    fail_everywhere(live, lives_with, step, AWS_WAYS, claim=False, scrub_keys=step == "update_thing")


@pytest.mark.parametrize("killed", ["before the refusal", "while it is undone"])
@pytest.mark.parametrize("step", ["set on JS", "set on NS", "set on AS"])
def test_no_refusal_after_an_interrupted_attempt_leaves_half_a_device(
    enter: Callable[..., World], step: str, killed: str
) -> None:
    world = enter(claim=False, scrub_keys=False)
    arrange(world, (step if killed == "before the refusal" else "delete on IS", "killed", 1, 1))
    arrange(world, (step, 400, 1, FOR_EVER))
    play(world, [CREATE, DELIVER, DELIVER])
    assert world.killed
    assert (world.known(), world.dead) == (set(), [])
    assert world.account.shadows[THING]["state"] == "failed"
    end_failures(world)
    repair(world)
    agree(world)


def fail_everywhere(live: Any, lives_with: LivesWith, step: str, ways: Sequence[Way], **settings: bool) -> None:
    """Let a step fail in the lives that include it: the first time, or every time."""
    lives = lives_with(step, **settings)
    assert lives
    # Each step combines the ways with other lives.
    for history, (kind, times) in combined(lives, ways, first=[*STEPS, *AWS_STEPS].index(step)):
        try:
            world = live(history, (step, kind, 1, times), **settings)
            (check if history in ANNOUNCED else half_a_device)(world)
            repair(world)
            agree(world)
        except AssertionError as error:
            raise AssertionError(f"{step} fails with {kind}, {times} times, in {history}") from error


@pytest.mark.parametrize("ways", [WAYS, AWS_WAYS], ids=["The Things Stack", "AWS"])
def test_every_way_is_played_and_no_life_is_left_out(ways: Sequence[Way]) -> None:
    for count, first in itertools.product(range(1, len(LIVES) + 1), range(3)):
        played = combined(LIVES[:count], ways, first)
        assert {way for _, way in played} == set(ways)
        assert all(any(each is life for each, _ in played) for life in LIVES[:count])


at_random = settings(
    max_examples=size(6, 130),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("claim", [False, True], ids=["own keys", "claimed"])
@pytest.mark.parametrize("scrub_keys", [False, True], ids=["keys kept", "keys scrubbed"])
def test_the_registries_agree_after_any_history_whose_events_arrive(live: Any, claim: bool, scrub_keys: bool) -> None:
    @at_random
    @given(histories(on_things), failures)
    def play_all(history: list[Any], failure: Failure | None) -> None:
        world = live(history, failure, claim=claim, scrub_keys=scrub_keys)
        check(world)
        repair(world)
        agree(world)

    play_all()


@pytest.mark.parametrize("claim", [False, True], ids=["own keys", "claimed"])
@pytest.mark.parametrize("scrub_keys", [False, True], ids=["keys kept", "keys scrubbed"])
def test_the_comparison_repairs_any_history_whose_events_were_missed(live: Any, claim: bool, scrub_keys: bool) -> None:
    @at_random
    @given(histories(on_things, on_things_missed, on_devices), failures)
    def play_all(history: list[Any], failure: Failure | None) -> None:
        world = live(history, failure, claim=claim, scrub_keys=scrub_keys)
        repair(world)
        agree(world)

    play_all()


def test_a_refused_creation_is_requested_again_when_the_thing_changes_or_a_day_later(
    enter: Callable[..., World], simulation: Simulation
) -> None:
    world = enter(claim=False, scrub_keys=False)
    simulation.create_application("other-app")
    ids = {"device_id": "taken", "dev_eui": world.dev_eui, "join_eui": "A81758FFFE000001"}
    simulation.register_device("other-app", **ids)

    def attempts(*history: Any) -> tuple[int, int]:
        """How often the device's creation was requested, and the number of lines in the thing's log."""
        simulation.requests.clear()
        world.account.log.clear()
        play(world, list(history))
        return len([each for each in simulation.requests if each.method == "POST"]), len(world.account.log)

    assert attempts(CREATE) == (1, 1)
    assert world.account.shadows[THING]["state"] == "failed"
    assert "already registered" in world.account.shadows[THING]["reason"]
    assert attempts(SYNC, SYNC) == (0, 0)
    world.account.shadows[THING]["at"] = "2025-01-02T03:04:05.000Z"
    assert attempts(SYNC, SYNC) == (1, 1)
    assert attempts(missed(UPDATE), SYNC, SYNC) == (1, 1)
    for server in SERVERS:
        getattr(simulation.servers, server).devices.clear()
    assert attempts(SYNC) == (0, 0)
    assert attempts(("update", PLANS[0])) == (1, 1)
    assert world.known() == world.complete()
    assert set(world.account.shadows[THING]) == {"state", "at"}


def test_a_device_whose_thing_is_deleted_during_its_creation_is_retained_if_the_stack_retains_devices(
    enter: Callable[..., World],
) -> None:
    world = enter(claim=False, scrub_keys=False)
    world.on_thing_deleted = OnThingDeleted.RETAIN
    arrange(world, ("set on AS", "thing deleted", 1, 1))
    play(world, [CREATE, DELIVER])
    assert (world.account.things, world.known()) == ({}, world.complete())


@pytest.mark.parametrize("settled", [True, False], ids=["settled", "just created"])
@pytest.mark.parametrize(
    "step", ["read on IS", "delete on AS", "delete on NS", "delete on JS", "unclaim", "delete on IS"]
)
def test_a_thing_created_again_while_its_device_is_deleted_loses_no_key(
    enter: Callable[..., World], step: str, settled: bool
) -> None:
    for on_call in (1, 2):
        world = enter(claim=step == "unclaim", scrub_keys=True)
        world.change(*CREATE)
        world.deliver(0, repeat=False)
        if settled:
            world.work_off()
        world.change(*DELETE)
        arrange(world, (step, CREATED_AGAIN, on_call, 1))
        world.deliver(len(world.account.queues[REGISTRY]) - 1, repeat=False)
        end_failures(world)
        world.work_off()
        check(world)
        for thing in world.account.things.values():
            assert not set(thing) & {"appKey", "claimAuthenticationCode"}
