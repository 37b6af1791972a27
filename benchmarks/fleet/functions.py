"""Lambda: functions with their execution environments, and its queue of asynchronous events. Amazon SQS: `queues`.

A function's code is any callable of an event; each execution environment has its own. It returns, or raises what it
can't do now.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.fleet.account import Account
from benchmarks.fleet.engine import Agenda, TimedOut

ACCOUNT_CONCURRENCY: Final = 1_000
"""Execution environments at the same time, of all functions of the account: Lambda's default quota."""

COLD_START: Final = 0.35
OVERHEAD: Final = 0.004
"""Seconds that an invocation takes beside its calls: before its environment's first one, and each time (512 MB)."""

EVENT_RETRIES: Final = (60.0, 120.0)
"""Seconds until Lambda invokes a function again for an event that it failed on (Lambda Developer Guide)."""

OLDEST_EVENT: Final = 21_600.0
LONGEST_BACKOFF: Final = 300.0
"""Seconds: an event that could not be invoked for throttling is tried again, from 1 s on, for six hours at most."""

Code = Callable[[Any], Any]


class Throttled(Exception):
    """Lambda has no execution environment for the function: all are in use."""


class Concurrency:
    """The execution environments in use in the account."""

    def __init__(self, limit: int = ACCOUNT_CONCURRENCY) -> None:
        self.limit, self.used, self.most = limit, 0, 0
        self.functions: list[Function] = []

    def is_exhausted(self, at: float) -> bool:
        """Whether no other invocation can begin."""
        for function in self.functions:
            function.release(at)
        return self.used >= self.limit


@dataclass
class Function:
    """A function. `new_copy` makes the code of a new execution environment; `timeout` in seconds.

    `slowness`: how many times as long a call takes, so that one environment stands for a part of one.
    """

    account: Account
    concurrency: Concurrency
    new_copy: Callable[[], Code]
    timeout: float
    limit: int = 1_000_000
    slowness: float = 1.0
    _idle: list[Code] = field(default_factory=list)
    _busy: list[tuple[float, int, Code | None]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    invocations: int = 0
    throttles: int = 0
    time_outs: int = 0
    seconds: float = 0.0
    copies: int = 0

    def invoke(self, at: float, event: Any) -> tuple[float, Any, Exception | None]:
        """Run the code at a time. Returns when it ended, its answer, and the error. Raises Throttled."""
        if self.concurrency.is_exhausted(at) or len(self._busy) >= self.limit:
            self.throttles += 1
            raise Throttled
        clock, code = self.account.clock, self._idle.pop() if self._idle else None
        clock.at, clock.deadline, clock.slowness = at + OVERHEAD, math.inf, self.slowness
        if code is None:
            code = self.new_copy()
            self.copies += 1
            clock.at += COLD_START
        clock.deadline = clock.at + self.timeout
        answer, survives = None, True
        failure: Exception | None = None
        try:
            answer = code(event)
        except TimedOut:
            failure, survives = TimeoutError(f"{self.timeout:g} s"), False
            self.time_outs += 1
        except Exception as error:
            failure = error
        ended, clock.deadline, clock.slowness = clock.at, math.inf, 1.0
        self.invocations += 1
        self.seconds += ended - at
        self.concurrency.used += 1
        self.concurrency.most = max(self.concurrency.most, self.concurrency.used)
        heapq.heappush(self._busy, (ended, next(self._numbers), code if survives else None))
        return ended, answer, failure

    def __post_init__(self) -> None:
        self.concurrency.functions.append(self)

    def release(self, at: float) -> None:
        """Have the environments whose invocation has ended by then wait for their next one."""
        while self._busy and self._busy[0][0] <= at:
            code = heapq.heappop(self._busy)[2]
            self.concurrency.used -= 1
            if code is not None:
                self._idle.append(code)


class Events:
    """Lambda's queue of a function's asynchronous events: what fails is tried again, then kept in a failure queue."""

    def __init__(self, agenda: Agenda, function: Function, done: Callable[[float, Any], None]) -> None:
        """`done`: called with the end and the event of each invocation that returned anything but False.

        `waited`: from when until when any event had to be tried again.
        """
        self._agenda, self._function, self._done = agenda, function, done
        self.failure_queue: list[Any] = []
        self.waiting = 0
        self.waited: tuple[float, float] | None = None
        self.errors: Counter[str] = Counter()

    def put(self, at: float, event: Any) -> None:
        """Accept an event."""
        self._attempt(at, event, at, 0, 1.0)

    def _attempt(self, at: float, event: Any, since: float, failed: int, backoff: float) -> None:
        try:
            ended, answer, failure = self._function.invoke(at, event)
        except Throttled:
            if at - since >= OLDEST_EVENT:
                self.errors["EventAgeExceeded"] += 1
                self.failure_queue.append(event)
                return
            self._later(at + backoff, event, since, failed, min(LONGEST_BACKOFF, backoff * 2))
            return
        if failure is None:
            if answer is not False:
                self._done(ended, event)
            return
        self.errors[_name(failure)] += 1
        if failed >= len(EVENT_RETRIES) or ended - since >= OLDEST_EVENT:
            self.failure_queue.append(event)
        else:
            self._later(ended + EVENT_RETRIES[failed], event, since, failed + 1, 1.0)

    def _later(self, at: float, event: Any, since: float, failed: int, backoff: float) -> None:
        self.waiting += 1
        self.waited = self.waited or (at, at)

        def attempt(now: float) -> None:
            self.waiting -= 1
            self.waited = self.waited and (self.waited[0], now)
            self._attempt(now, event, since, failed, backoff)

        self._agenda.add(at, attempt)


def _name(failure: Exception) -> str:
    """What failed, without what it failed on: `Busy` of the operation."""
    return f"{type(failure).__name__}: {' '.join(str(failure).split()[:2])}"
