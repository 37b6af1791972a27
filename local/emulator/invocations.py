"""Asynchronous invocations in a queue for each function, so that a burst of events is slow instead of lost.

Lambda queues asynchronous events before it invokes a function; ministack starts a process for each of them. This is
that queue. Nothing here knows ministack: launcher.py puts the two together.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")

CONCURRENCY = 4
"""How many events of one function are handled at once, each in a process of its own, which takes a second to start."""

logger = logging.getLogger(__name__)


class Invocations:
    """Runs the invocations of each function in the order of their arrival, at most `limit` of them at once.

    Functions don't wait for each other. One that waits for an effect of its own queued events would wait forever if
    `limit` of it did so at the same time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Callable[[], object]]] = {}
        self._running: dict[str, int] = {}

    def submit(self, function: str, invoke: Callable[[], Result]) -> Future[Result]:
        """Queue an invocation of a function, in the context variables of the caller; returns its result to come."""
        future: Future[Result] = Future()
        context = contextvars.copy_context()
        with self._lock:
            self._waiting.setdefault(function, deque()).append(lambda: _fulfil(future, context, invoke))
            if self._running.get(function, 0) == self._limit:
                return future
            self._running[function] = self._running.get(function, 0) + 1
        threading.Thread(target=self._work, args=(function,), daemon=True, name=f"invocations-{function}").start()
        return future

    def _work(self, function: str) -> None:
        while invoke := self._next(function):
            invoke()

    def _next(self, function: str) -> Callable[[], object] | None:
        """The invocation that waited longest; None when there is none, and this thread has to end."""
        with self._lock:
            if waiting := self._waiting[function]:
                return waiting.popleft()
            self._running[function] -= 1
            if not self._running[function]:
                del self._running[function], self._waiting[function]
            return None


def _fulfil(future: Future[Result], context: contextvars.Context, invoke: Callable[[], Result]) -> None:
    try:
        future.set_result(context.run(invoke))
    except Exception as error:
        logger.exception("an asynchronous invocation failed")
        future.set_exception(error)
