"""A world of several places: two regions, two stacks in each, and the applications that they are applied for.

| Region | Stack | Application |
|---|---|---|
| dublin | Farm | farm-app |
| dublin | Field | farm-app |
| ohio | Farm | farm-app |
| ohio | Yard | yard-app |

The functions are real, with queues like those of SQS: delivery at least once, in any order, a number of attempts, then
the dead-letter queue. What people do, and in which order all of it happens, is in `steps`; what must hold is in
`witness` and `settled`.
"""

import io
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from handlers import batches
from local.things_stack.cluster import Cluster
from tests import events
from tests.unit.histories.account import THING_TYPE, Account, Message, registry_queue, sync_queue
from tests.unit.histories.shortcut import Shortcut
from tests.unit.histories.wire import Killed
from tests.unit.histories.witness import Place, Witness
from thingbridge.aws.broker import Broker
from thingbridge.aws.queues import Queue
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import ThingbridgeError
from thingbridge.flows.codecs import PackagedCodecs
from thingbridge.flows.registry.deletions import Deletions
from thingbridge.flows.registry.devices import DevicesWithoutThing
from thingbridge.flows.registry.scrubbing import Scrubbing
from thingbridge.flows.registry.standing import StandingThings
from thingbridge.flows.registry.things import Registry, RegistryRules
from thingbridge.flows.shadow import ImmediateShadowWriter, RecordedShadows
from thingbridge.flows.sync import Registries, Sync, Tick
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.flows.upstream import Upstream
from thingbridge.pacing import TokenBucket
from thingbridge.registry.identity import StackOfThings, ThingNameScheme
from thingbridge.registry.marks import Owner
from thingbridge.registry.reconcile import OnThingDeleted
from thingbridge.registry.sync import LAST_PAGE_BEFORE_END, KeptIndex, SyncMode
from thingbridge.shadow.state import SHADOW_NAME, ShadowSettings
from thingbridge.things_stack.client import ThingsStack

FARM, YARD = "farm-app", "yard-app"
DUBLIN, OHIO = "dublin", "ohio"
PLACES = (
    Place(DUBLIN, "Farm", FARM),
    Place(DUBLIN, "Field", FARM),
    Place(OHIO, "Farm", FARM),
    Place(OHIO, "Yard", YARD),
)
ACCOUNT_ID = "111122223333"
ATTEMPTS = {"registry": 5, "sync": 3}
DEFAULT_PLAN = "EU_863_870_TTN"


@dataclass(frozen=True)
class Failure:
    """What happens at the `on_call`-th call that an invocation makes to one side.

    `kind`: "busy" (not carried out), "lost" (carried out, no answer), "refused" (403: a right is missing),
    "killed" (the function ends before the call), "killed after", or a change that a person makes before the answer
    arrives.
    """

    side: str
    on_call: int
    kind: str

    def __str__(self) -> str:
        return f"{self.side} call {self.on_call}: {self.kind}"


class TimeLeft:
    """Seconds that a call of the comparison has left. `short`: enough for a page of things, not for what follows."""

    def __init__(self, short: bool) -> None:
        self._seconds = [900.0, LAST_PAGE_BEFORE_END - 1 if short else 900.0]

    def __call__(self) -> float:
        return self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0]


@dataclass
class Function:
    """The functions of one place, wired as by `handlers.composition`, and its queues."""

    place: Place
    account: Account
    transport: Shortcut
    on_thing_deleted: OnThingDeleted
    scrub_keys: bool
    delivered: list[str] = field(default_factory=list)
    dead: list[tuple[str, str]] = field(default_factory=list)

    @property
    def waiting(self) -> list[Message]:
        """Events and work items, in no order of sending: SQS keeps none, and the product sends in parallel."""
        queue = self.account.queues[registry_queue(self.place.stack)]
        queue.sort(key=lambda message: (message.received, message.body))
        return queue

    @property
    def ticks(self) -> list[Message]:
        """Ticks and states of runs."""
        return self.account.queues[sync_queue(self.place.stack)]

    @cached_property
    def stack(self) -> StackOfThings:
        return StackOfThings(self.place.stack, THING_TYPE, ThingNameScheme.DEV_EUI)

    @cached_property
    def owner(self) -> Owner:
        return Owner(self.place.region, ACCOUNT_ID, self.place.stack)

    @cached_property
    def clients(self) -> Any:
        return self.account

    @cached_property
    def things_stack(self) -> ThingsStack:
        return ThingsStack(self.place.application, self.transport)

    @cached_property
    def log(self) -> ThingsLog:
        return ThingsLog(self.clients, "log")

    @cached_property
    def registry(self) -> Registry:
        things = Things(self.clients)
        standing = StandingThings(self.stack, things, TokenBucket(rate=1, sleep=at_once))
        return Registry(
            rules=RegistryRules(self.owner, DEFAULT_PLAN, self.on_thing_deleted),
            things=things,
            shadows=Shadows(self.clients, SHADOW_NAME),
            things_stack=self.things_stack,
            devices_without_thing=DevicesWithoutThing(
                self.owner,
                self.stack,
                self.on_thing_deleted,
                things,
                self.things_stack,
                standing,
                ThingDirectory(things, self.stack, self.log),
                self.log,
            ),
            deletions=Deletions(self.owner, standing, self.things_stack, self.log),
            log=self.log,
            scrubbing=Scrubbing(things, Queue(self.clients, registry_queue(self.place.stack)))
            if self.scrub_keys
            else None,
        )

    def sync(self, short: bool) -> Sync:
        queue = Queue(self.clients, registry_queue(self.place.stack))
        return Sync(
            owner=self.owner,
            mode=SyncMode.APPLY,
            on_thing_deleted=self.on_thing_deleted,
            registries=lambda: Registries(
                self.place.stack, Things(self.clients), self.things_stack, queue, sleep=at_once
            ),
            queue=Queue(self.clients, sync_queue(self.place.stack)),
            remaining_seconds=TimeLeft(short),
            kept=KeptIndex(),
        )

    def upstream(self) -> Upstream:
        """A new one each time: what an execution environment remembers makes and deletes nothing."""
        return Upstream(
            stack_name=self.place.stack,
            shadow_settings=ShadowSettings(metrics=True, min_interval_seconds=0, decoded_payload=False),
            directory=ThingDirectory(Things(self.clients), self.stack, self.log),
            broker=Broker(self.clients),
            shadow_writer=ImmediateShadowWriter(RecordedShadows(Shadows(self.clients, SHADOW_NAME), self.log)),
            decoder=PackagedCodecs(),
            decryption=None,
            log=self.log,
        )


def brief(body: str) -> str:
    """A message as a story shows it."""
    message = json.loads(body)
    attributes = message.pop("attributes", {})
    shown = (name for name in ("devEUI", "deviceID") if name in attributes)
    if "continue" in message:
        return f"part {message['continue']['part']}"
    return " ".join([*map(str, message.values()), *(str(attributes[name]) for name in shown)])


def at_once(_seconds: float) -> None:
    """Do not wait: no time passes in a history."""


class World:
    """The places, their things, and the devices of their applications. `story`: what happened, line by line."""

    def __init__(self, on_thing_deleted: OnThingDeleted, scrub_keys: bool) -> None:
        self.deletes = on_thing_deleted is OnThingDeleted.DELETE
        self.cluster = Cluster()
        self.regions = {
            region: Account(tuple(place.stack for place in PLACES if place.region == region))
            for region in (DUBLIN, OHIO)
        }
        self.witness = Witness(self.cluster, self.regions)
        self.story: list[str] = []
        self.functions = [self._function(place, on_thing_deleted, scrub_keys) for place in PLACES]
        for region, account in self.regions.items():
            account.on_change = lambda name, before, after, region=region: self.witness.thing_changed(
                region, name, before, after
            )

    def _function(self, place: Place, on_thing_deleted: OnThingDeleted, scrub_keys: bool) -> Function:
        transport = Shortcut(self.cluster, self.witness.watch(place))
        return Function(place, self.regions[place.region], transport, on_thing_deleted, scrub_keys)

    def things(self) -> list[tuple[str, str]]:
        """Region and name of every thing."""
        return [(region, name) for region, account in self.regions.items() for name in account.things]

    def note(self, line: str) -> None:
        """Add a line to the story."""
        self.story.append(line)

    # Queues ----------------------------------------------------------------------------------------------------------

    def deliver(self, at: Function, position: int = 0, *, repeat: bool = False, failure: Failure | None = None) -> None:
        """Deliver one of the waiting events and work items to the flow `registry`."""
        if at.waiting:
            message = at.waiting.pop(position % len(at.waiting))
            at.delivered.append(message.body)
            batch = {"Records": [{"messageId": "1", "body": message.body}]}
            done = self._invoke(
                at,
                f"handles {brief(message.body)}",
                lambda: not batches.handle_each(batch, at.registry.handle)["batchItemFailures"],
                failure,
            )
            self._after(at, "registry", message, done, repeat)

    def deliver_again(self, at: Function, number: int) -> None:
        """Deliver again what was handled before: SQS may do so, and people replay dead letters."""
        if at.delivered:
            at.waiting.append(Message(at.delivered[number % len(at.delivered)]))

    def tick(self, at: Function, mode: SyncMode = SyncMode.APPLY, **more: object) -> None:
        """The schedule sends a tick."""
        at.ticks.append(Message(json.dumps({"start": "now", "mode": mode, **more})))

    def run(self, at: Function, *, short: bool = False, repeat: bool = False, failure: Failure | None = None) -> str:
        """Deliver the first message of its queue to the flow `sync`; returns what the function printed."""
        if not at.ticks:
            return ""
        message = at.ticks.pop(0)
        tick = Tick("1", message.body, sent_at=time.time(), first_delivery=message.received == 0)
        sync, printed = at.sync(short), io.StringIO()
        what = f"compares {brief(message.body)}{', short of time' if short else ''}"
        done = self._invoke(at, what, lambda: sync.handle(tick) is None, failure, printed)
        self._after(at, "sync", message, done, repeat)
        return printed.getvalue()

    def hear(self, at: Function, message: dict[str, Any], failure: Failure | None = None) -> None:
        """A message of The Things Stack arrives; AWS Lambda tries twice more what fails."""
        output = events.rule_output(message, f"thethings/lorawan/{at.place.stack}/uplink")
        what = f"hears {message['end_device_ids']['device_id']}"
        if not self._invoke(at, what, lambda: at.upstream().handle(output) is None, failure):
            self._invoke(at, f"{what} again", lambda: at.upstream().handle(output) is None, None)

    def _invoke(
        self,
        at: Function,
        what: str,
        call: Callable[[], bool],
        failure: Failure | None,
        printed: io.StringIO | None = None,
    ) -> bool:
        self.witness.invocation += 1
        self.note(f"{at.place} {what}{f' ({failure})' if failure else ''}")
        arrange(at, failure)
        try:
            with redirect_stdout(printed or io.StringIO()):
                return call()
        except ThingbridgeError as error:
            self.note(f"    fails: {error}")
            return False
        except Killed:
            self.note("    is killed")
            return False
        finally:
            if failure:
                self.witness.interrupted()
            for each in (at.account.faults, at.transport.faults, at.transport.kills, at.transport.meanwhile):
                each.clear()
            self.story += [f"    {each}" for each in self.witness.seen]
            self.witness.seen.clear()

    def _after(self, at: Function, kind: str, message: Message, done: bool, repeat: bool) -> None:
        queue = at.waiting if kind == "registry" else at.ticks
        message.received += 1
        if done and repeat:
            queue.insert(0, Message(message.body, ATTEMPTS[kind] - 1))
        elif not done and message.received >= ATTEMPTS[kind]:
            at.dead.append((kind, message.body))
        elif not done:
            queue.insert(0, message)

    def replay(self, at: Function) -> None:
        """Replay the dead letters."""
        for kind, body in at.dead:
            (at.waiting if kind == "registry" else at.ticks).append(Message(body))
        at.dead.clear()

    def work_off(self) -> None:
        """Deliver everywhere until nothing waits."""
        for _ in range(100):
            busy = [at for at in self.functions if at.waiting or at.ticks]
            if not busy:
                return
            for at in busy:
                self.run(at)
                self.deliver(at)
        raise AssertionError("the queues never become empty")

    # What a settled world does ---------------------------------------------------------------------------------------

    def calls(self) -> Counter[str]:
        """Calls to AWS and to The Things Stack since the beginning, by operation."""
        counted: Counter[str] = Counter()
        for account in self.regions.values():
            counted.update(account.called)
        for at in self.functions:
            counted.update(f"{method} {path}" for method, path in at.transport.called)
        return counted


def arrange(at: Function, failure: Failure | None) -> None:
    """Let the invocation that follows fail."""
    if failure is None:
        return
    transport = at.transport
    status = 403 if failure.kind == "refused" else 500
    how: dict[str, Any] = {"status": status, "after": failure.kind in ("lost", "killed after")}
    if failure.side == "AWS":
        # Messages are sent in parallel: the order of these calls is no fact of the history.
        at.account.faults.add(path="^(?!send_message|put_log_events)", on_call=failure.on_call, **how)
    elif failure.kind in ("killed", "killed after"):
        transport.kills.add(path="", on_call=failure.on_call, **how)
    elif failure.kind in ("busy", "lost", "refused"):
        transport.faults.add(path="", on_call=failure.on_call, **how)
    else:
        transport.meanwhile.add(path="", on_call=failure.on_call, **how)
