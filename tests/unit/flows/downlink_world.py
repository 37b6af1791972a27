"""What surrounds the order of downlinks, in memory and on a clock of its own.

The table, its stream, the FIFO queue, and two instances of the function that work on it at the same time.

Everything may happen late and more than once: rows are written some time after their requests were received, batches of
the stream are delivered again, pushes fail, and invocations are killed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from handlers import batches
from handlers.batches import Retries
from tests import events
from tests.unit.conftest import Clock
from thingbridge.aws.queues import Queue, Redelivery
from thingbridge.aws.things_log import ThingsLog
from thingbridge.aws.waiting_downlinks import Waiting, WaitingDownlinks
from thingbridge.errors import Busy, Deferred
from thingbridge.flows.downlink import LEAST_SECONDS
from thingbridge.flows.downlink_order import LONGEST_PAUSE, DownlinkArrivals, DownlinkOrder
from thingbridge.pacing import Pace

HOLD: Final = 0.5
TIMEOUT: Final = 300.0
VISIBILITY_TIMEOUT: Final = 360.0
PUSH_SECONDS: Final = 0.05
ARN: Final = "arn:aws:sqs:eu-west-1:111122223333:farm-sending.fifo"


class Killed(BaseException):
    """The invocation ends here, as when its time is over."""


@dataclass(frozen=True)
class Request:
    """A request for a thing: when a rule received it, and when it was in the table."""

    thing: str
    number: int
    received_at: float
    stored_at: float


@dataclass(frozen=True)
class Sent:
    """A push. `repeated`: its downlinks are looked for in the queue of The Things Stack first."""

    request: Request
    at: float
    repeated: bool


@dataclass
class Message:
    """A ticket in the FIFO queue."""

    body: str
    group: str
    visible_at: float
    received: int = 0


class Table(WaitingDownlinks):
    """The rows, as they are at the time of `clock`."""

    def __init__(self, rows: dict[str, Request], clock: Clock) -> None:
        self._rows, self._clock = rows, clock

    def of(self, thing: str) -> list[Waiting]:
        return [
            Waiting(row, request.received_at)
            for row, request in self._rows.items()
            if request.thing == thing and request.stored_at <= self._clock.now
        ]

    def read(self, thing: str, row: str) -> dict[str, Any] | None:
        found = self._rows.get(row)
        assert found is None or found.thing == thing
        return {"row": row} if found else None

    def delete(self, thing: str, row: str) -> None:
        self._rows.pop(row, None)


class Fifo(Queue, Redelivery):
    """A FIFO queue, with what Lambda does about it: no two batches of one message group at the same time."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.busy_until: dict[str, float] = {}
        self.now = 0.0
        self._seen: set[str] = set()
        self._pauses: dict[int, int] = {}

    def send_in_order(self, body: str, *, group: str, deduplication_id: str) -> str:
        if deduplication_id not in self._seen:
            self._seen.add(deduplication_id)
            self.messages.append(Message(body, group, self.now))
        return ""

    def receive(self, now: float) -> list[Message]:
        free = [
            each for each in self.messages if self.busy_until.get(each.group, 0.0) <= now and each.visible_at <= now
        ]
        taken = free[:10]
        for each in taken:
            each.received += 1
        return taken

    def delay(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:
        self._pauses[int(receipt_handle)] = seconds

    def finish(self, taken: Sequence[Message], failed: set[int], end: float) -> None:
        """An invocation ended at `end`, and reported these as failed: by their place in the batch."""
        for number, message in enumerate(taken):
            until = end
            if number in failed:
                until = message.visible_at = end + self._pauses.get(number, VISIBILITY_TIMEOUT)
            else:
                self.messages.remove(message)
            self.busy_until[message.group] = max(self.busy_until.get(message.group, 0.0), until)
        self._pauses.clear()

    def next_change(self, now: float) -> float:
        return min(max(each.visible_at, self.busy_until.get(each.group, 0.0), now + 0.001) for each in self.messages)


@dataclass
class World:
    """Requests on their way. `faults`: what happens at each push in turn: busy, killed, killed after; "" is nothing.

    `pace_per_minute`: of both instances together.
    """

    requests: Sequence[Request]
    faults: list[str] = field(default_factory=list)
    pace_per_minute: float | None = None
    sent: list[Sent] = field(default_factory=list)
    rows: dict[str, Request] = field(default_factory=dict)
    fifo: Fifo = field(default_factory=Fifo)

    def announce(self, sizes: Sequence[int], *, again: Sequence[bool] = (), lag: float = 0.2) -> None:
        """Deliver the stream in batches of these sizes, the last size for all others; some of them `again`."""
        left = sorted(self.requests, key=lambda each: each.stored_at)
        self.rows |= {f"row-{each.number}": each for each in left}
        arrivals = DownlinkArrivals(Table(self.rows, Clock()), self.fifo, ThingsLog(None, ""))  # type: ignore[arg-type]
        for turn in range(len(left)):
            size = sizes[min(turn, len(sizes) - 1)]
            batch, left = left[:size], left[size:]
            if not batch:
                return
            self.fifo.now = batch[-1].stored_at + lag
            for _ in range(1 + (turn < len(again) and again[turn])):
                arrivals.announce([_record(each) for each in batch])

    def run(self) -> None:
        """Let both instances work until no ticket is left."""
        instances = [self._instance(Clock()) for _ in range(2)]
        while self.fifo.messages:
            instance = min(instances, key=lambda each: each.clock.now)
            taken = self.fifo.receive(instance.clock.now)
            if taken:
                self._invoke(instance, taken)
            else:
                instance.clock.now = self.fifo.next_change(instance.clock.now)

    def _instance(self, clock: Clock) -> "Instance":
        return Instance(self, clock, Pace(rate=self.pace_per_minute, callers=2, now=clock, sleep=clock.wait))

    def _invoke(self, instance: "Instance", taken: Sequence[Message]) -> None:
        instance.started = instance.clock.now
        order = DownlinkOrder(
            Table(self.rows, instance.clock),
            lambda _event: instance,
            HOLD,
            instance.remaining_seconds,
            now=instance.clock,
            sleep=instance.clock.wait,
        )
        try:
            failures = batches.handle_deliveries(
                _batch(taken),
                lambda each: order.handle(each.body, repeated=each.received > 1),
                retries=Retries(self.fifo, 200, LONGEST_PAUSE),
            )
            failed = {int(each["itemIdentifier"]) for each in failures["batchItemFailures"]}
        except Killed:
            failed = set(range(len(taken)))
            self.fifo._pauses.clear()
        self.fifo.finish(taken, failed, instance.clock.now)


@dataclass
class Instance:
    """An execution environment of the function: it pushes what waits, at its pace."""

    world: World
    clock: Clock
    pace: Pace
    started: float = 0.0

    def remaining_seconds(self) -> float:
        return TIMEOUT - (self.clock.now - self.started)

    def handle(self, event: Mapping[str, Any], *, repeated: bool) -> None:
        request = self.world.rows[event["row"]]
        if not self.pace.wait(self.remaining_seconds() - LEAST_SECONDS):
            raise Deferred("the pace permits it later")
        self.clock.wait(PUSH_SECONDS)
        fault = self.world.faults.pop(0) if self.world.faults else ""
        if fault == "busy":
            raise Busy("The Things Stack is down")
        if fault != "killed":
            self.world.sent.append(Sent(request, self.clock.now, repeated))
        if fault:
            raise Killed


def _record(request: Request) -> dict[str, Any]:
    keys = {"thing": {"S": request.thing}, "id": {"S": f"row-{request.number}"}}
    return {"eventID": str(request.number), "dynamodb": {"Keys": keys}}


def _batch(taken: Sequence[Message]) -> dict[str, Any]:
    batch = events.sqs_batch(*(each.body for each in taken))
    for number, (record, message) in enumerate(zip(batch["Records"], taken, strict=True)):
        counted = {"ApproximateReceiveCount": str(message.received), "MessageGroupId": message.group}
        record |= {"receiptHandle": str(number), "eventSourceARN": ARN}
        record["attributes"] = {**record["attributes"], **counted}
    return json.loads(json.dumps(batch))  # type: ignore[no-any-return]
