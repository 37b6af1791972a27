"""A rush on a simulated clock: an account that refuses calls above its quotas, functions in several execution
environments, and the FIFO queue between them.

Every execution environment has a clock of its own, which runs while it calls or waits. What happens next is what is due
first; a message is handled as a whole, which takes some hundredths of a second.
"""

import heapq
import itertools
import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from handlers.batches import PAUSES
from tests import events
from tests.unit.conftest import Clock
from thingbridge.aws.broker import Broker
from thingbridge.aws.queues import Queue
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things import Thing, Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.aws.waiting_devices import WaitingDevices
from thingbridge.errors import Throttled
from thingbridge.flows.codecs import PackagedCodecs
from thingbridge.flows.shadow import ImmediateShadowWriter, RecordedShadows
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.flows.upstream import Upstream
from thingbridge.flows.waiting import LONGEST_PAUSE, WaitingMessages, WaitingQueue
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.pacing import TokenBucket
from thingbridge.registry.identity import StackOfThings, ThingNameScheme
from thingbridge.shadow.state import SHADOW_NAME, ShadowSettings

QUOTAS: Mapping[str, int] = {"CreateThing": 100, "ListThings": 10, "DescribeThing": 350}
"""Calls per second of an account and region (AWS General Reference, "AWS IoT Core endpoints and quotas")."""

SECONDS_OF_A_CALL = 0.01
STACK = StackOfThings("farm", "lorawan", ThingNameScheme.DEV_EUI)
QUEUE, DEAD_LETTERS = "farm-waiting.fifo", "farm-waiting-dead-letters.fifo"


def device(number: int) -> EndDeviceIdentifiers:
    """A device by its number."""
    return EndDeviceIdentifiers(f"device-{number + 10_000}", thing_name(number), "A81758FFFE000001")


def thing_name(number: int) -> str:
    """The DevEUI of a device by its number, and so the name of its thing."""
    return f"A81758FF{number + 10_000:08X}"


@dataclass(frozen=True)
class Publication:
    """An uplink that was published: of which device, its frame counter, and when."""

    thing: str
    counter: int
    at: float


@dataclass
class Region:
    """What all execution environments share."""

    things: dict[str, dict[str, str]] = field(default_factory=dict)
    waiting: dict[str, dict[str, Any]] = field(default_factory=dict)
    published: list[Publication] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    groups: dict[str, deque[str]] = field(default_factory=dict)
    calls: Counter[tuple[str, int]] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    on_sent: Callable[[str], None] = lambda _group: None
    later: Callable[[float, Callable[[float], None]], None] = lambda _at, _happens: None


class Account:
    """The clients of one execution environment, with its clock."""

    def __init__(self, region: Region, clock: Clock) -> None:
        self._region, self._clock = region, clock

    def __call__(self, _service: str) -> "Account":
        return self

    def _called(self, operation: str) -> None:
        self._clock.wait(SECONDS_OF_A_CALL)
        at = operation, int(self._clock.now)
        if self._region.calls[at] >= QUOTAS.get(operation, 1_000_000):
            self._region.refused[operation] += 1
            raise _error(operation, 429, "ThrottlingException")
        self._region.calls[at] += 1

    def describe_thing(self, *, thingName: str) -> dict[str, Any]:  # noqa: N803
        self._called("DescribeThing")
        if thingName not in self._region.things:
            raise _error("DescribeThing", 404, "ResourceNotFoundException")
        return {"thingName": thingName, "attributes": self._region.things[thingName]}

    def get_paginator(self, _operation: str) -> "Account":
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        self._called("ListThings")
        yield {"things": []}

    def create_thing(self, *, thingName: str, attributePayload: Any, **_: Any) -> None:  # noqa: N803
        self._called("CreateThing")
        self._region.things[thingName] = attributePayload["attributes"]

    def publish(self, *, topic: str, payload: bytes, **_: Any) -> None:
        self._called("Publish")
        counter = json.loads(payload)["uplink_message"]["f_cnt"]
        self._region.published.append(Publication(topic.split("/")[1], counter, self._clock.now))

    def get_item(self, *, Key: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        self._called("GetItem")
        item = self._region.waiting.get(Key["device"]["S"])
        return {"Item": {"last_message": item}} if item else {}

    def update_item(self, *, Key: Any, ExpressionAttributeValues: Any, **_: Any) -> None:  # noqa: N803
        self._called("UpdateItem")
        self._region.waiting[Key["device"]["S"]] = ExpressionAttributeValues[":message"]

    def delete_item(self, *, Key: Any, ExpressionAttributeValues: Any, **_: Any) -> None:  # noqa: N803
        self._called("DeleteItem")
        device_id, message = Key["device"]["S"], ExpressionAttributeValues[":message"]

        def delete(_: float) -> None:
            if self._region.waiting.get(device_id) == message:
                del self._region.waiting[device_id]

        # The clock of this execution environment is ahead: for the others, the item is still there.
        self._region.later(self._clock.now, delete)

    def send_message(self, *, QueueUrl: str, MessageBody: str, MessageGroupId: str, **_: Any) -> dict[str, str]:  # noqa: N803
        self._called("SendMessage")
        self._region.sent[QueueUrl] += 1
        if QueueUrl == QUEUE:
            self._region.groups.setdefault(MessageGroupId, deque()).append(MessageBody)
            self._region.on_sent(MessageGroupId)
        return {"MessageId": str(self._region.sent[QueueUrl])}


def _error(operation: str, status: int, code: str) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)  # type: ignore[arg-type]


class CompleteDirectory(Things):
    """The things of an account whose directory is complete: no call of the registry is needed to find one."""

    def __init__(self, region: Region, clients: Any, paces: Mapping[str, TokenBucket]) -> None:
        super().__init__(clients, paces)
        self._region = region

    def describe(self, name: str) -> Thing | None:
        attributes = self._region.things.get(name)
        return None if attributes is None else Thing(name, attributes)

    def with_dev_eui(self, dev_eui: str) -> Iterator[Thing]:
        return iter(())

    def with_device_id(self, device_id: str) -> Iterator[Thing]:
        return iter(())


class World:
    """The region, its execution environments, and what is due when."""

    def __init__(self, copies: int, paces: Mapping[str, float], *, complete_directory: bool) -> None:
        """`copies`: invocations of `waiting` at once. `paces`: their calls per second, of all of them together."""
        self.region = Region(on_sent=self._ready, later=self.at)
        self._complete = complete_directory
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._serial = itertools.count()
        self._now = 0.0
        # Groups with a message that may be delivered, in the order of their oldest one.
        self._available: list[tuple[int, str]] = []
        self._busy: set[str] = set()
        self._received: Counter[str] = Counter()
        self._idle = [self._waiting_copy(copies, paces) for _ in range(copies)]
        self._upstream = [self._upstream_copy() for _ in range(20)]

    def at(self, seconds: float, happens: Callable[[float], None]) -> None:
        """Have something happen then."""
        heapq.heappush(self._due, (seconds, next(self._serial), happens))

    def uplink(self, seconds: float, number: int, counter: int) -> None:
        """Have The Things Stack publish an uplink of a device then."""
        message = {
            "end_device_ids": device(number)._asdict(),
            "uplink_message": {"f_cnt": counter},
        }
        clock, flow = self._upstream[next(self._serial) % len(self._upstream)]

        def handle(now: float) -> None:
            clock.now = now
            flow.handle(events.rule_output(message))

        self.at(seconds, handle)

    def knows(self, number: int) -> None:
        """Have a device known to every execution environment of `upstream`, as after its first uplink."""
        self.region.things[thing_name(number)] = {"devEUI": thing_name(number), "stackName": STACK.name}
        for _, flow in self._upstream:
            flow._directory.find_or_create(device(number))
        self.region.calls.clear()

    def run(self) -> None:
        """Until nothing is left to do."""
        while self._due:
            self._now, _, happens = heapq.heappop(self._due)
            happens(self._now)

    # Execution environments ------------------------------------------------------------------------------------------

    def _flow(self, clock: Clock, paces: Mapping[str, TokenBucket], *, waits: bool) -> Upstream:
        clients: Any = Account(self.region, clock)
        things = CompleteDirectory(self.region, clients, paces) if self._complete else Things(clients, paces)
        log = ThingsLog(clients, "log")
        queue = WaitingQueue(WaitingDevices(clients, "waiting"), Queue(clients, QUEUE), now=clock)
        return Upstream(
            stack_name=STACK.name,
            shadow_settings=ShadowSettings(metrics=False),
            directory=ThingDirectory(things, STACK, log, now=clock),
            broker=Broker(clients),
            shadow_writer=ImmediateShadowWriter(RecordedShadows(Shadows(clients, SHADOW_NAME), log)),
            decoder=PackagedCodecs(),
            decryption=None,
            log=log,
            waiting=queue if waits else None,
        )

    def _upstream_copy(self) -> tuple[Clock, Upstream]:
        clock = Clock()
        return clock, self._flow(clock, {}, waits=True)

    def _waiting_copy(self, copies: int, paces: Mapping[str, float]) -> tuple[Clock, WaitingMessages]:
        clock = Clock()
        clients: Any = Account(self.region, clock)
        buckets = {
            operation: TokenBucket(rate=rate / copies, now=clock, sleep=clock.wait) for operation, rate in paces.items()
        }
        flow = self._flow(clock, buckets, waits=False)
        return clock, WaitingMessages(flow, WaitingDevices(clients, "waiting"), Queue(clients, DEAD_LETTERS))

    # The queue -------------------------------------------------------------------------------------------------------

    def _ready(self, group: str) -> None:
        if group not in self._busy:
            self._busy.add(group)
            self._offer(group)

    def _offer(self, group: str) -> None:
        self._available.append((next(self._serial), group))
        if self._idle:
            self.at(self._now, self._deliver)

    def _deliver(self, now: float) -> None:
        if not self._available or not self._idle:
            return
        _, group = self._available.pop(0)
        clock, flow = self._idle.pop(0)
        clock.now = max(clock.now, now)
        body = self.region.groups[group][0]
        self._received[body] += 1
        pause = 0.0
        try:
            flow.handle(body, self._received[body])
            self.region.groups[group].popleft()
        except Throttled:
            pause = min(LONGEST_PAUSE, PAUSES[min(self._received[body], len(PAUSES)) - 1])

        def done(_: float) -> None:
            self._idle.append((clock, flow))
            self.at(self._now, self._deliver)

        def again(_: float) -> None:
            if self.region.groups[group]:
                self._offer(group)
            else:
                self._busy.discard(group)

        self.at(clock.now, done)
        self.at(clock.now + pause, again)
