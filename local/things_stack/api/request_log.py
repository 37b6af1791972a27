"""Requests that the API received, and violations of the description, for the tests that caused them."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request

from local.things_stack.api.routes import match
from local.things_stack.description.schema import Problem


@dataclass(frozen=True)
class Received:
    """A request as received: `server` is the one of its operation ("": none), `status` 0 means a connection reset."""

    server: str
    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int
    listener: str
    operation: str = ""
    user_agent: str = ""
    received_at: float = 0


@dataclass(frozen=True)
class Violation:
    """A request that violates the description: `kind` as in `schema.Problem`."""

    method: str
    path: str
    kind: str
    where: str
    reason: str


class RequestLog:
    """`requests` in the order of their answers, and `violations`."""

    def __init__(self) -> None:
        self.requests: deque[Received] = deque(maxlen=100_000)
        self.violations: list[Violation] = []

    def record(self, request: Request, status: int, listener: str) -> None:
        """Adds a request that was answered with `status` at the address named `listener`."""
        operation = next((each for each, _ in match(request.path) if each.method == request.method), None)
        text = request.get_data(as_text=True)
        try:
            body = json.loads(text) if text else None
        except ValueError:
            body = text
        self.requests.append(Received(
            operation.server if operation else "", request.method, request.path, request.args.to_dict(), body, status,
            listener, operation.name if operation else "", str(request.user_agent), time.time()))  # fmt: skip

    def violation(self, request: Request, problem: Problem) -> None:
        self.violations.append(Violation(request.method, request.path, problem.kind, problem.where, problem.reason))
