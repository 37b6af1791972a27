"""Simulated time: a clock that calls and pauses move on, and an agenda of what happens when. No threads, no waiting."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

EPOCH: Final = 1_767_225_600.0
"""Unix seconds at which every simulation begins: 2026-01-01."""

Item = TypeVar("Item")


class TimedOut(BaseException):
    """The time of an invocation has ended: Lambda stops the process, whatever it catches."""


class Clock:
    """The time of what is running now. An invocation runs at once, on this clock; others then begin at their own time.

    So an invocation sees what another one did that began before it, up to its duration too early. `slowness` multiplies
    the time of its calls, not that of its pauses.
    """

    def __init__(self) -> None:
        self.at = 0.0
        self.deadline = math.inf
        self.slowness = 1.0

    def __call__(self) -> float:
        """Unix seconds."""
        return EPOCH + self.at

    def sleep(self, seconds: float) -> None:
        """Let time pass. Raises TimedOut at the deadline."""
        self.at += seconds
        if self.at > self.deadline:
            self.at = self.deadline
            raise TimedOut


class Agenda:
    """What happens when, in order of time. An action is called with its time."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = itertools.count()

    def add(self, at: float, action: Callable[[float], None]) -> None:
        """Have an action called at a time."""
        heapq.heappush(self._waiting, (at, next(self._numbers), action))

    def run(
        self,
        arrivals: Iterable[tuple[float, Item]] = (),
        arrive: Callable[[float, Item], None] = lambda _at, _item: None,
        until: float = math.inf,
        is_enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """Carry out everything up to a time. `arrivals`, sorted by time, come from outside: each is handed to `arrive`.

        They are not kept in the agenda, so that millions of them cost no memory. `is_enough`: asked after the last one
        whether the rest need not be carried out.
        """
        coming, waiting = iter(arrivals), self._waiting
        arrival = next(coming, None)
        while waiting or arrival:
            if arrival and (not waiting or arrival[0] <= waiting[0][0]):
                if arrival[0] > until:
                    return
                arrive(*arrival)
                arrival = next(coming, None)
            else:
                if waiting[0][0] > until or (arrival is None and is_enough()):
                    return
                at, _, action = heapq.heappop(waiting)
                action(at)
