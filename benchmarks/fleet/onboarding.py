"""Onboarding: a fleet that is new to a stack. Its devices send for the first time, or its things describe devices.

    devices   every device exists in The Things Stack, has no thing yet, and sends every ten minutes
    things    every thing is created with what describes its device, as fast as 80 % of CreateThing's quota allows

The fleet is done when every device has a thing, its first message got through, and the pair is marked.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from benchmarks.fleet import assembly
from benchmarks.fleet.account import QUOTAS, Account, Quotas
from benchmarks.fleet.assembly import Message, Stack
from benchmarks.fleet.engine import Agenda, Clock
from benchmarks.fleet.things_stack import Servers

PERIOD: Final = 600.0
"""Seconds between two messages of a device. The devices are spread evenly over it."""

IMPORT_PER_SECOND: Final = 80
"""Things that are created per second by whoever imports them."""

FOLLOWED: Final = 20_000
"""Registry events that are simulated one by one; the time of the others follows from the rate of the second half."""

Report = Callable[[float, int, int], None]
"""Called now and then with the simulated seconds, how many devices are done, and how many there are."""


class Source(StrEnum):
    """What is there first."""

    DEVICES = "devices"
    THINGS = "things"


@dataclass
class Fleet:
    """How far every device is: one byte each."""

    size: int
    settled: bytearray = field(default_factory=bytearray)
    count: int = 0
    done_at: float = 0.0
    messages: int = 0
    published: int = 0

    def __post_init__(self) -> None:
        self.settled = bytearray(self.size)

    def got_through(self, at: float, message: Message) -> None:
        """A message was published."""
        self.published += 1
        if not self.settled[message[0]]:
            self.settled[message[0]] = 1
            self.count += 1
            self.done_at = max(self.done_at, at)


@dataclass
class Marked:
    """Registry events that were handled, and when."""

    times: list[float] = field(default_factory=list)

    def handled(self, at: float, _body: str) -> None:
        """An event was handled."""
        self.times.append(at)

    def rate(self) -> float:
        """Events per second of the second half."""
        half = self.times[len(self.times) // 2 :]
        return (len(half) - 1) / max(1e-9, half[-1] - half[0]) if len(half) > 1 else 0.0


def run(
    size: int, source: Source, *, hours: float = 24.0, scale: int = 1, report: Report = lambda *_: None
) -> dict[str, Any]:
    """Simulate one fleet, for that many hours at most. Returns figures by name.

    `scale`: a part of the fleet on the same part of every quota, of the rates and of the concurrency of messages.
    """
    assembly.seed()
    clock, agenda = Clock(), Agenda()
    quotas = Quotas({operation: max(1, limit // scale) for operation, limit in QUOTAS.items()})
    account, fleet, marked = Account(clock, quotas), Fleet(size // scale), Marked()
    born_with = assembly.end_device if source is Source.DEVICES else lambda _id: None
    servers = Servers(clock, born_with)
    stack = Stack(
        account,
        agenda,
        servers,
        is_settled=lambda number: bool(fleet.settled[number]),
        on_published=fleet.got_through,
        on_registry_done=marked.handled,
        scale=scale,
    )
    stack.complete_directory()
    until = 3600 * hours

    def is_enough() -> bool:
        return not stack.is_behind() and len(marked.times) >= FOLLOWED

    with contextlib.redirect_stdout(io.StringIO()):
        if source is Source.DEVICES:
            messages = _messages(fleet, account, stack, until, report)
            agenda.run(messages, stack.messages.put, until, is_enough)
        else:
            things = _imported(size // scale, account, report)
            agenda.run(things, lambda at, number: _create(account, at, number), math.inf, is_enough)
    return _figures(fleet, marked, account, servers, stack, source, clock.at) | {"scale": scale}


def _messages(
    fleet: Fleet, account: Account, stack: Stack, until: float, report: Report
) -> Iterator[tuple[float, Message]]:
    """Every device's messages, until each device is known and none of its messages waits."""
    count = 0
    while (fleet.count < fleet.size or stack.is_behind()) and count * PERIOD < until:
        for number in range(fleet.size):
            at = (count + number / fleet.size) * PERIOD
            if fleet.count == fleet.size and not stack.is_behind():
                return
            if number % 1000 == 0:
                report(at, fleet.count, fleet.size)
            account.quotas.take("Publish", at)
            fleet.messages += 1
            yield at, (number, count, at)
        count += 1


def _imported(size: int, account: Account, report: Report) -> Iterator[tuple[float, int]]:
    for number in range(size):
        at = number / IMPORT_PER_SECOND
        if number % 1000 == 0:
            report(at, number, size)
        account.quotas.take("CreateThing", at)
        yield at, number


def _create(account: Account, at: float, number: int) -> None:
    account.clock.at = at
    account.registry.create(*assembly.thing_with_keys(number))


def _figures(
    fleet: Fleet, marked: Marked, account: Account, servers: Servers, stack: Stack, source: Source, ended: float
) -> dict[str, Any]:
    quotas, queue = account.quotas, stack.registry_queue
    first = min(quotas.first_refused.items(), key=lambda each: each[1], default=(None, 0.0))
    known = fleet.count if source is Source.DEVICES else len(servers)
    waited = stack.waiting_queue.waited
    # The last messages wait for earlier ones, when every thing exists.
    until = min(waited[1], fleet.done_at) if waited else 0.0
    return {
        "devices": fleet.size,
        "source": str(source),
        "messages": fleet.messages,
        "known": known,
        "lost": fleet.messages
        - fleet.published
        - stack.messages.waiting
        - len(stack.waiting_queue)
        - len(stack.messages.failure_queue),
        "waiting": stack.messages.waiting + len(stack.waiting_queue),
        "most_waiting": stack.waiting_queue.most_waiting,
        "failure_queue": len(stack.messages.failure_queue),
        "dead_letters": len(queue.dead_letters) + len(stack.waiting_queue.dead_letters),
        "known_after": fleet.done_at if source is Source.DEVICES else servers.latest,
        "simulated_seconds": ended,
        "create_thing_share": quotas.share("CreateThing", waited[0], until) if waited else None,
        "marked": len(marked.times),
        "marks_per_second": marked.rate(),
        "marks_waiting": len(queue),
        "marks_most_waiting": queue.most_waiting,
        "breaks_first": first[0],
        "breaks_at": first[1],
        "refused": dict(quotas.refused),
        "calls": {each: quotas.calls(each) for each in quotas.operations()},
        "concurrency": stack.concurrency.most,
        "things_stack_calls": servers.calls,
        "errors": dict(stack.messages.errors),
    }
