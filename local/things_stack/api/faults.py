"""Faults injected into API requests: an answer, a delay or a connection reset on the n-th matching call."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Any

from local.things_stack.description.errors import ApiError, rate_limited

_BUSY = {
    500: ApiError(13, "pkg/webmiddleware:http_recovered", "Internal Server Error"),
    503: ApiError(14, "pkg/auth/rights:no_identity_server_conn", "no connection to Identity Server"),
    504: ApiError(4, "pkg/errors:context_deadline_exceeded", "context deadline exceeded"),
    429: rate_limited("http", 60, 1),
}


@dataclass
class Fault:
    """Applies to the calls `on_call` … `on_call + times - 1` (from 1) whose method and path match; `path` is a regular
    expression that is searched in the path with /api/v3. `status` is answered with `body` or the Stack's usual one,
    `delay` waits that many seconds first, `reset` resets the connection without an answer: in place of the operation,
    or `after` it."""

    method: str | None
    path: str
    status: int | None = None
    delay: float = 0
    reset: bool = False
    on_call: int = 1
    times: int = 1
    body: dict[str, Any] | None = None
    headers: dict[str, str] | None = None
    after: bool = False
    calls: int = 0

    def answer(self) -> tuple[int, dict[str, Any], dict[str, str]]:
        status = self.status or 500
        usual = _BUSY.get(status) or ApiError(2, "pkg/errors:unknown", "unknown error")
        return status, self.body if self.body is not None else usual.body(), self.headers or usual.headers


class Faults:
    """The faults that are set."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self, *, path: str, method: str | None = None, status: int | None = None, delay: float = 0, reset: bool = False,
        on_call: int = 1, times: int = 1, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None,
        after: bool = False,
    ) -> None:  # fmt: skip
        """Adds a fault (see `Fault`). ValueError: it has no effect or can never match."""
        if status is None and not delay and not reset:
            raise ValueError("a fault must have a status, a delay or a reset")
        if on_call < 1 or times < 1:
            raise ValueError("on_call and times must be at least 1")
        re.compile(path)
        with self._lock:
            self._faults.append(Fault(method, path, status, delay, reset, on_call, times, body, headers, after))

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def strike(self, method: str, path: str) -> Fault | None:
        """Counts the call for every matching fault and returns the first that applies to it."""
        with self._lock:
            hit = None
            for fault in self._faults:
                if fault.method in (None, method) and re.search(fault.path, path):
                    fault.calls += 1
                    if hit is None and fault.on_call <= fault.calls < fault.on_call + fault.times:
                        hit = fault
            return hit
