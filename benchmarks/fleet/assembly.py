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
from benchmarks.fleet.engine import Agenda
from benchmarks.fleet.functions import Code, Concurrency, Events, Function
from benchmarks.fleet.queues import Queue
from benchmarks.fleet.things_stack import Servers
from handlers import batches
from thingbridge.aws.broker import Broker
from thingbridge.aws.queues import Redelivery
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.flows.codecs import PackagedCodecs
from thingbridge.flows.registry.deletions import Deletions
from thingbridge.flows.registry.devices import DevicesWithoutThing
from thingbridge.flows.registry.setbacks import PATIENCE, Setbacks, Sparing
from thingbridge.flows.registry.standing import LOOK_UPS_AT_ONCE, LOOK_UPS_PER_SECOND, StandingThings
from thingbridge.flows.registry.things import Registry, RegistryRules
from thingbridge.flows.shadow import ImmediateShadowWriter, RecordedShadows
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.flows.upstream import Upstream
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.pacing import TokenBucket
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

REGISTRY_TIMEOUT: Final = 150.0
REGISTRY_BATCH: Final = 5
REGISTRY_CONCURRENCY: Final = 2
REGISTRY_RECEIVES: Final = 10
"""modules/registry and the defaults of modules/work_queue."""

Message = tuple[int, int]
"""A device's number, and how many messages it sent before."""


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


class Stack:
    """The functions of a stack in an account. `on_published`: called with the time and each message that got through.

    A message of a device of which one got through already is handled by the directory alone; its publish and its
    shadow write are counted, but not carried out: they are the same each time, and there are millions of them.
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
    ) -> None:
        self.account, self.agenda, self.servers = account, agenda, servers
        self.concurrency = Concurrency()
        self._is_settled = is_settled
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
        account.registry.listeners.append(self._changed)

    def _changed(self, operation: str, name: str, attributes: Mapping[str, str]) -> None:
        """The rule of modules/registry: registry events of this stack's things."""
        if attributes.get("stackName") == STACK.name:
            event = {"operation": operation, "thingName": name, "attributes": attributes}
            body, at = json.dumps(events.selected(event)), self.account.clock.at
            self.agenda.add(at, lambda now: self.registry_queue.send(now, body))

    # The functions' code: one call for each new execution environment

    def _new_upstream(self) -> Code:
        account, clients, clock = self.account, self.account.clients(), self.account.clock
        log = ThingsLog(clients, LOG)
        directory = ThingDirectory(Things(clients), STACK, log, now=clock)
        shadows = RecordedShadows(Shadows(clients, SHADOW_NAME), log, sleep=clock.sleep)
        flow = Upstream(
            stack_name=STACK.name,
            shadow_settings=ShadowSettings(),
            directory=directory,
            broker=Broker(clients),
            shadow_writer=ImmediateShadowWriter(shadows, now=clock),
            decoder=PackagedCodecs(),
            decryption=None,
            log=log,
        )

        def handle(message: Message) -> None:
            number, count = message
            if self._is_settled(number):
                directory.find_or_create(identifiers(number))
                account.answer("Publish", _nothing)
                account.answer("UpdateThingShadow", _nothing)
            else:
                flow.handle(uplink(number, count, clock.at))

        return handle

    def _new_registry(self) -> Code:
        clients, clock = self.account.clients(), self.account.clock
        things, log = Things(clients), ThingsLog(clients, LOG)
        setbacks = Setbacks(now=clock)
        pace = TokenBucket(rate=LOOK_UPS_PER_SECOND, burst=LOOK_UPS_AT_ONCE, now=clock, sleep=clock.sleep)
        standing = StandingThings(STACK, things, pace)
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
                    OWNER, STACK, OnThingDeleted.DELETE, things, things_stack, standing, log
                ),
                deletions=Deletions(OWNER, standing, things_stack, log),
                log=log,
            )
            flow = Sparing(registry, setbacks)
            return batches.handle_each(batch, flow.handle, share=share, retries=retries, rule_output=events.rule_output)

        return handle


class _Context:
    """Lambda's context: how much time an invocation has left."""

    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:farm-registry"

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._clock.deadline - self._clock.at))


def _nothing() -> None:
    pass


def seed() -> None:
    """Have pauses that are random be the same in each run."""
    random.seed(2026)
