"""Queues of Amazon SQS, standard or FIFO, and the event source mappings that read them.

Messages that a function answers in `batchItemFailures` are received again, after the delay that it set. In a FIFO
queue, the messages of a group are received in order, and none while an earlier one is being handled or is delayed.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from benchmarks.fleet.engine import EPOCH, Agenda
from benchmarks.fleet.functions import Function, Throttled

BACK_OFF: Final = 1.0
"""Seconds after which a mapping whose invocation was throttled tries again."""


class Message(NamedTuple):
    """A message. `kept`: its body, or what that is made from."""

    number: int
    kept: Any
    sent_at: float
    group: str
    received: int = 0


@dataclass
class Queue:
    """A queue, and the mapping that reads it: up to `concurrency` batches of up to `batch_size` at a time.

    `keep` and `body` replace a body while it waits, where millions of bodies would not fit into memory. `done` is
    called with the time and the body of each message that was handled. `waited`: from when until when any waited.
    """

    agenda: Agenda
    function: Function
    name: str
    batch_size: int
    concurrency: int
    visibility_timeout: float
    maximum_receive_count: int
    fifo: bool = False
    done: Callable[[float, Any], None] = lambda _at, _kept: None
    keep: Callable[[str], Any] = lambda body: body
    body: Callable[[Any], str] = lambda kept: kept
    dead_letters: list[Any] = field(default_factory=list)
    most_waiting: int = 0
    accepted: int = 0
    waited: tuple[float, float] | None = None
    _standing: list[tuple[float, int, Message | str]] = field(default_factory=list)
    _groups: dict[str, list[Message]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _count: int = 0
    _running: int = 0
    _woken: float = math.inf

    def __len__(self) -> int:
        """How many messages are not done yet."""
        return self._count

    def send(self, at: float, body: str, group: str = "", _deduplication_id: str = "") -> None:
        """Accept a message."""
        self._count += 1
        self.accepted += 1
        self.most_waiting = max(self.most_waiting, self._count)
        self.waited = (min(at, self.waited[0]), max(at, self.waited[1])) if self.waited else (at, at)
        message = Message(next(self._numbers), self.keep(body), at, group)
        if not self.fifo:
            self._stand(at, message)
        elif group in self._groups:
            self._groups[group].append(message)
        else:
            self._groups[group] = [message]
            self._stand(at, group)
        if self._running < self.concurrency:
            self._wake(at)

    def _stand(self, at: float, what: Message | str) -> None:
        """Have a message, or the next one of a group, be received from a time on."""
        heapq.heappush(self._standing, (at, next(self._numbers), what))

    def _wake(self, at: float) -> None:
        if at < self._woken:
            self._woken = at
            self.agenda.add(at, self._poll)

    def _poll(self, at: float) -> None:
        if at >= self._woken:
            self._woken = math.inf
        while self._running < self.concurrency and (batch := self._receive(at)):
            self._deliver(at, batch)
        if self._standing and self._running < self.concurrency:
            self._wake(max(at, self._standing[0][0]))

    def _receive(self, at: float) -> list[Message]:
        batch: list[Message] = []
        while len(batch) < self.batch_size and self._standing and self._standing[0][0] <= at:
            what = heapq.heappop(self._standing)[2]
            if isinstance(what, Message):
                batch.append(what)
            else:
                batch += self._groups[what][: self.batch_size - len(batch)]
        return [each._replace(received=each.received + 1) for each in batch]

    def _deliver(self, at: float, batch: list[Message]) -> None:
        try:
            ended, answer, failure = self.function.invoke(at, {"Records": [self._record(each) for each in batch]})
        except Throttled:
            self._return(at + BACK_OFF, [each._replace(received=each.received - 1) for each in batch], {})
            return
        failures = () if failure else (answer or {}).get("batchItemFailures", ())
        failed = {each["itemIdentifier"] for each in failures}
        again = [each for each in batch if failure or str(each.number) in failed]
        self._running += 1
        self.agenda.add(ended, lambda now: self._settle(now, batch, again))

    def _settle(self, at: float, batch: list[Message], again: list[Message]) -> None:
        """Delete what was handled, and have the others received again."""
        delays, pauses = self.function.account.delays, {}
        left: list[Message] = []
        for message in batch:
            pause = delays.pop(f"{self.name}:{message.number}", self.visibility_timeout)
            if message not in again:
                self._end(message, at)
                self.done(at, message.kept)
            elif message.received >= self.maximum_receive_count:
                self._end(message, at)
                self.dead_letters.append(message.kept)
            else:
                left.append(message)
                pauses[message.number] = pause
        self._return(at, left, pauses)
        again_groups = {each.group for each in left}
        for group in dict.fromkeys(each.group for each in batch if each.group not in again_groups):
            if group in self._groups:
                self._stand(at, group)
        self._running -= 1
        self._poll(at)

    def _record(self, message: Message) -> dict[str, Any]:
        return {
            "messageId": str(message.number),
            "receiptHandle": f"{self.name}:{message.number}",
            "body": self.body(message.kept),
            "attributes": {
                "ApproximateReceiveCount": str(message.received),
                "SentTimestamp": str(int(1000 * (EPOCH + message.sent_at))),
                **({"MessageGroupId": message.group} if self.fifo else {}),
            },
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:eu-west-1:123456789012:{self.name}",
        }

    def _end(self, message: Message, at: float) -> None:
        self._count -= 1
        if self.waited:
            self.waited = self.waited[0], max(self.waited[1], at)
        if self.fifo:
            rest = self._groups[message.group]
            rest.pop(next(place for place, each in enumerate(rest) if each.number == message.number))
            if not rest:
                del self._groups[message.group]

    def _return(self, at: float, left: list[Message], pauses: dict[int, float]) -> None:
        """Have messages received again. A group comes back with its first message."""
        first: dict[str, Message] = {}
        for message in left:
            if not self.fifo:
                self._stand(at + pauses.get(message.number, 0.0), message)
                continue
            waiting = self._groups[message.group]
            place = next(place for place, each in enumerate(waiting) if each.number == message.number)
            waiting[place] = message
            first.setdefault(message.group, message)
        for group, message in first.items():
            self._stand(at + pauses.get(message.number, 0.0), group)
        if left and self._running < self.concurrency:
            self._wake(max(at, self._standing[0][0]))
