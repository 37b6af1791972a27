"""The product's functions on a simulated account: the only file here that knows how they are wired and configured.

It mirrors `handlers.composition`, with the simulated clock for every clock, and the queues of modules/upstream and
modules/registry. What the flows do is their own code.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.fleet.account import Account
from benchmarks.fleet.engine import EPOCH, Agenda
from benchmarks.fleet.functions import ACCOUNT_CONCURRENCY, Code, Concurrency, Events, Function
from benchmarks.fleet.queues import Queue
from benchmarks.fleet.things_stack import Servers
from handlers import batches
from thingbridge.aws.broker import Broker
from thingbridge.aws.directory_table import DirectoryTable
from thingbridge.aws.errors import translate_errors
from thingbridge.aws.queues import Queue as QueueByUrl
from thingbridge.aws.queues import Redelivery
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.aws.waiting_devices import WaitingDevices
from thingbridge.errors import Throttled
from thingbridge.flows.codecs import PackagedCodecs
from thingbridge.flows.registry.deletions import Deletions
from thingbridge.flows.registry.devices import DevicesWithoutThing
from thingbridge.flows.registry.setbacks import PATIENCE, Setbacks, Sparing
from thingbridge.flows.registry.standing import LOOK_UPS_AT_ONCE, StandingThings
from thingbridge.flows.registry.things import Registry, RegistryRules
from thingbridge.flows.shadow import ImmediateShadowWriter, RecordedShadows
from thingbridge.flows.shared_directory import SharedDirectory
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.flows.upstream import Upstream
from thingbridge.flows.waiting import LONGEST_PAUSE, WaitingMessages, WaitingQueue
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.messaging.upstream import UpstreamMessage
from thingbridge.pacing import TokenBucket
from thingbridge.registry import directory as registry_directory
from thingbridge.registry import events
from thingbridge.registry.identity import StackOfThings, ThingNameScheme
from thingbridge.registry.marks import Owner
from thingbridge.registry.reconcile import OnThingDeleted
from thingbridge.shadow.state import SHADOW_NAME, ShadowSettings

STACK: Final = StackOfThings("farm", "lorawan", ThingNameScheme.DEV_EUI)
OWNER: Final = Owner("eu-west-1", "123456789012", STACK.name)
JOIN_EUI: Final = "A81758FFFE000001"
LOG: Final = "/thethings/lorawan/farm/things"

UPSTREAM_TIMEOUT: Final = 15.0
"""modules/upstream: seconds."""

ATTEMPTS_IN_REGISTRY: Final = 2
"""handlers/composition.py, which imports more than a simulation needs."""

LIMITS: Final = {"CreateThing": 80.0, "ListThings": 8.0}
WAITING_TIMEOUT: Final = 300.0
WAITING_BATCH: Final = 5
WAITING_CONCURRENCY: Final = 96
WAITING_RECEIVES: Final = 1_000
"""modules/upstream/waiting.tf, with the defaults of the variable `limits`."""

REGISTRY_TIMEOUT: Final = 150.0
REGISTRY_BATCH: Final = 5
REGISTRY_CONCURRENCY: Final = 8
REGISTRY_RECEIVES: Final = 10
LOOK_UPS_PER_SECOND: Final = 0.75 * LIMITS["ListThings"] / 3
"""modules/registry and modules/work_queue, with the defaults of the variable `limits`."""

WAITING_QUEUE: Final = "farm-waiting.fifo"
WAITING_TABLE: Final = "farm-waiting"
DIRECTORY_QUEUE: Final = "farm-directory"
DIRECTORY_TABLE: Final = "farm-directory"

Message = tuple[int, int, float]
"""A device's number, how many messages it sent before, and when it sent this one."""


def dev_eui(number: int) -> str:
    """A device's DevEUI."""
    return f"A81758FF{number * 2_654_435_761 % 2**32:08X}"


def identifiers(number: int) -> EndDeviceIdentifiers:
    """A device's identifiers."""
    name = dev_eui(number)
    return EndDeviceIdentifiers(f"eui-{name.lower()}", name, JOIN_EUI)


def end_device(device_id: str) -> dict[str, Any]:
    """A device that exists in The Things Stack and has no mark."""
    return {"ids": {"device_id": device_id, "dev_eui": device_id[4:].upper(), "join_eui": JOIN_EUI}}


def thing_with_keys(number: int) -> tuple[str, dict[str, str]]:
    """Name and attributes of a thing that creates its device."""
    name = dev_eui(number)
    return name, {
        "devEUI": name,
        "stackName": STACK.name,
        "deviceID": f"eui-{name.lower()}",
        "joinEUI": JOIN_EUI,
        "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a",
        "appKey": f"{number + 1:032X}",
    }


def uplink(number: int, count: int, at: float) -> dict[str, Any]:
    """What the rule hands over: an uplink that was received just now."""
    ids = identifiers(number)
    body = {
        "end_device_ids": {"device_id": ids.device_id, "dev_eui": ids.dev_eui, "join_eui": ids.join_eui},
        "received_at": timestamp(at),
        "uplink_message": {
            "f_port": 2,
            "f_cnt": count,
            "frm_payload": "AQ==",
            "rx_metadata": [{"gateway_ids": {"gateway_id": "gw-1"}, "rssi": -71, "snr": 7.5}],
        },
    }
    payload = base64.b64encode(json.dumps(body).encode()).decode()
    return {"topic": f"thethings/lorawan/{STACK.name}/uplink", "payload": payload}


def timestamp(at: float) -> str:
    """A time of the simulation as The Things Stack writes it; every simulation ends within a month."""
    days, seconds = divmod(at, 86_400)
    minutes, seconds = divmod(seconds, 60)
    return f"2026-01-{int(days) + 1:02}T{int(minutes) // 60:02}:{int(minutes) % 60:02}:{seconds:09.6f}Z"


class NoEvents:
    """The queue of modules/directory: its rules pass on no event of a thing that is named after its DevEUI."""

    def __len__(self) -> int:
        return 0

    def send(self, at: float, body: Any, group: str = "", deduplication_id: str = "") -> None:
        """Fail: nothing should be sent here."""
        raise NotImplementedError(body)


class Stack:
    """The functions of a stack in an account. `on_published`: called with the time and each message that got through.

    `scale`: of the concurrency of messages, for an account with quotas of that scale.

    A message of a device of which one got through already is not read and decoded again, which is the same each time:
    its thing is found as in the flow, and both calls are made.
    """

    def __init__(
        self,
        account: Account,
        agenda: Agenda,
        servers: Servers,
        *,
        is_settled: Callable[[int], bool],
        on_published: Callable[[float, Message], None],
        on_registry_done: Callable[[float, str], None] = lambda _at, _body: None,
        scale: int = 1,
    ) -> None:
        self.account, self.agenda, self.servers = account, agenda, servers
        self.concurrency = Concurrency(ACCOUNT_CONCURRENCY // scale)
        self._is_settled, self._scale = is_settled, scale
        self.upstream = Function(account, self.concurrency, self._new_upstream, UPSTREAM_TIMEOUT)
        self.messages = Events(agenda, self.upstream, on_published)
        self.registry = Function(account, self.concurrency, self._new_registry, REGISTRY_TIMEOUT)
        self.registry_queue = Queue(
            agenda,
            self.registry,
            "farm-registry",
            REGISTRY_BATCH,
            REGISTRY_CONCURRENCY,
            visibility_timeout=6 * REGISTRY_TIMEOUT,
            maximum_receive_count=REGISTRY_RECEIVES,
            done=on_registry_done,
        )
        self.waiting = Function(account, self.concurrency, self._new_waiting, WAITING_TIMEOUT)
        # Less than one environment is one that is as much slower.
        self.waiting.slowness = max(1.0, scale / WAITING_CONCURRENCY)
        self.waiting_queue = Queue(
            agenda,
            self.waiting,
            WAITING_QUEUE,
            WAITING_BATCH,
            max(1, WAITING_CONCURRENCY // scale),
            visibility_timeout=WAITING_TIMEOUT + 60,
            maximum_receive_count=WAITING_RECEIVES,
            fifo=True,
            done=on_published,
            keep=lambda _body: self._current,
            body=self._body,
        )
        self._current: Message = (0, 0, 0.0)
        self._made: dict[str, Message] = {}
        account.queues |= {WAITING_QUEUE: self.waiting_queue, DIRECTORY_QUEUE: NoEvents(), "dead": NoEvents()}
        account.registry.listeners.append(self._changed)

    def is_behind(self) -> bool:
        """Whether a message waits."""
        return self.messages.waiting > 0 or len(self.waiting_queue) > 0

    def complete_directory(self) -> None:
        """Have the directory count as complete, as after the first survey."""
        key = {"device": {"S": registry_directory.SURVEY}}
        item = {**key, "at": {"N": str(int(EPOCH))}, "complete_until": {"N": str(int(EPOCH) + 30 * 86_400)}}
        self.account.tables.put({"TableName": DIRECTORY_TABLE, "Item": item})

    def _body(self, message: Message) -> str:
        """The text of a message that waited."""
        event = uplink(*message)
        self._made[event["payload"]] = message
        return json.dumps(event)

    def _changed(self, operation: str, name: str, attributes: Mapping[str, str]) -> None:
        """The rule of modules/registry: registry events of this stack's things."""
        if attributes.get("stackName") == STACK.name:
            event = {"operation": operation, "thingName": name, "attributes": attributes}
            body, at = json.dumps(events.selected(event)), self.account.clock.at
            self.agenda.add(at, lambda now: self.registry_queue.send(now, body))

    # The functions' code: one call for each new execution environment

    def _new_upstream(self) -> Code:
        clients = self.account.clients()
        clients.try_at_most("iot", ATTEMPTS_IN_REGISTRY)
        queue = QueueByUrl(clients, WAITING_QUEUE)
        waiting = WaitingQueue(WaitingDevices(clients, WAITING_TABLE), queue, now=self.account.clock)
        flow = self._flow(clients, Things(clients), waiting)

        def handle(message: Message) -> bool:
            self._current, before = message, self.waiting_queue.accepted
            self._pass_on(flow, clients, message)
            return self.waiting_queue.accepted == before

        return handle

    def _pass_on(self, flow: Upstream, clients: Any, message: Message) -> None:
        """Handle a message by the flow and clients of an execution environment."""
        number, count, at = message
        if not self._is_settled(number):
            flow.handle(uplink(number, count, at))
            return
        device = identifiers(number)
        try:
            flow._thing_of(UpstreamMessage("uplink", device, {}, b""))
        except Throttled:
            if flow._waiting is None:
                raise
            flow._waiting.join(device, uplink(number, count, at))
        else:
            with translate_errors("publish"):
                clients("iot-data").publish()
                clients("iot-data").update_thing_shadow()

    def _flow(self, clients: Any, things: Things, waiting: WaitingQueue | None) -> Upstream:
        clock, log = self.account.clock, ThingsLog(clients, LOG)
        events = QueueByUrl(clients, DIRECTORY_QUEUE)
        shared = SharedDirectory(DirectoryTable(clients, DIRECTORY_TABLE), (events,), now=clock)
        shadows = RecordedShadows(Shadows(clients, SHADOW_NAME), log, sleep=clock.sleep)
        return Upstream(
            stack_name=STACK.name,
            shadow_settings=ShadowSettings(),
            directory=ThingDirectory(things, STACK, log, shared, now=clock),
            broker=Broker(clients),
            shadow_writer=ImmediateShadowWriter(shadows, now=clock),
            decoder=PackagedCodecs(),
            decryption=None,
            log=log,
            waiting=waiting,
        )

    def _new_waiting(self) -> Code:
        clients, clock = self.account.clients(), self.account.clock
        clients.try_at_most("iot", ATTEMPTS_IN_REGISTRY)
        paces = {
            operation: TokenBucket(
                rate=rate / self._scale / self.waiting_queue.concurrency, now=clock, sleep=clock.sleep
            )
            for operation, rate in (("CreateThing", LIMITS["CreateThing"]), ("ListThings", LIMITS["ListThings"] / 2))
        }
        upstream = _Shortened(self, self._flow(clients, Things(clients, paces), None), clients)
        flow = WaitingMessages(
            upstream,  # type: ignore[arg-type]
            WaitingDevices(clients, WAITING_TABLE),
            QueueByUrl(clients, "dead"),
        )
        retries = batches.Retries(Redelivery(clients), WAITING_RECEIVES, LONGEST_PAUSE)
        context = _Context(clock)

        def handle(batch: dict[str, Any]) -> Any:
            return batches.handle_deliveries(
                batch,
                lambda each: flow.handle(each.body, each.received),
                share=batches.Share(context),
                retries=retries,
            )

        return handle

    def _new_registry(self) -> Code:
        clients, clock = self.account.clients(), self.account.clock
        things, log = Things(clients), ThingsLog(clients, LOG)
        setbacks = Setbacks(now=clock)
        pace = TokenBucket(
            rate=LOOK_UPS_PER_SECOND / REGISTRY_CONCURRENCY, burst=LOOK_UPS_AT_ONCE, now=clock, sleep=clock.sleep
        )
        standing = StandingThings(STACK, things, pace)
        directory = ThingDirectory(things, STACK, log, now=clock)
        retries = batches.Retries(Redelivery(clients), REGISTRY_RECEIVES)
        context = _Context(clock)

        def handle(batch: dict[str, Any]) -> Any:
            share = batches.Share(context)
            things_stack = self.servers.connect(lambda: share.get_remaining_time_in_millis() / 1000, PATIENCE)
            registry = Registry(
                rules=RegistryRules(OWNER, "EU_863_870_TTN", OnThingDeleted.DELETE),
                things=things,
                shadows=Shadows(clients, SHADOW_NAME),
                things_stack=things_stack,
                devices_without_thing=DevicesWithoutThing(
                    OWNER, STACK, OnThingDeleted.DELETE, things, things_stack, standing, directory, log
                ),
                deletions=Deletions(OWNER, standing, things_stack, log),
                log=log,
            )
            flow = Sparing(registry, setbacks)
            return batches.handle_each(batch, flow.handle, share=share, retries=retries, rule_output=events.rule_output)

        return handle


class _Shortened:
    """The flow of a message that waited, which is read from its text by what it was made from."""

    stack_name = STACK.name

    def __init__(self, stack: Stack, flow: Upstream, clients: Any) -> None:
        self._stack, self._flow, self._clients = stack, flow, clients

    def handle(self, event: dict[str, Any]) -> None:
        """Handle the message of an event."""
        self._stack._pass_on(self._flow, self._clients, self._stack._made.pop(event["payload"]))


class _Context:
    """Lambda's context: how much time an invocation has left."""

    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:farm-registry"

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._clock.deadline - self._clock.at))


def seed() -> None:
    """Have pauses that are random be the same in each run."""
    random.seed(2026)
