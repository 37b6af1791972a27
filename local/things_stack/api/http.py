"""The API over HTTP: finds the operation, checks the request and its key, runs the handler, answers, and logs.

A request that violates the description is answered with an error and recorded. Faults apply before or after the
operation. What an operation does is in `handlers`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.wrappers import Request, Response

from local.things_stack.api import authorization, listener, reading
from local.things_stack.api.call import Call, Handler
from local.things_stack.api.faults import Fault, Faults
from local.things_stack.api.handlers import (
    activation_settings,
    claiming,
    downlink_queue,
    end_device_registries,
    frequency_plans,
    link,
    packages,
    pubsubs,
    rights,
    users,
    webhooks,
)
from local.things_stack.api.request_log import RequestLog
from local.things_stack.api.routes import match
from local.things_stack.cluster import Cluster
from local.things_stack.description.errors import NOT_FOUND, UNIMPLEMENTED, ApiError, GatewayError
from local.things_stack.description.operations import Operation
from local.things_stack.description.proto3_json import Json
from local.things_stack.description.schema import Problem

HANDLERS: dict[str, Handler] = {
    **rights.HANDLERS, **frequency_plans.HANDLERS, **end_device_registries.HANDLERS, **link.HANDLERS,
    **activation_settings.HANDLERS, **pubsubs.HANDLERS, **webhooks.HANDLERS, **packages.HANDLERS,
    **downlink_queue.HANDLERS, **claiming.HANDLERS, **users.HANDLERS,
}  # fmt: skip
"""Operation → handler."""
ALL_SERVERS = frozenset({"IS", "NS", "AS", "JS", "DCS", "CONFIGURATION"})

Answer = tuple[int, Json, dict[str, str]]
"""Status, body, headers."""


class Reset(Exception):
    """The connection is to be reset instead of answered."""


@dataclass
class Api:
    """The WSGI application of one listening address, named `listener`, which serves the operations of `servers`."""

    cluster: Cluster
    faults: Faults
    log: RequestLog
    listener: str = "cluster"
    servers: frozenset[str] = ALL_SERVERS

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        request = Request(environ)
        try:
            status, answer, headers = self._answer(request, self.faults.strike(request.method, request.path))
        except ApiError as error:
            status, answer, headers = error.status, error.body(), error.headers
        except Reset:
            self.log.record(request, 0, self.listener)
            listener.reset(environ)
        self.log.record(request, status, self.listener)
        response = Response(json.dumps(answer), status, {**headers, "Content-Type": "application/json"})
        return response(environ, start_response)

    def _answer(self, request: Request, fault: Fault | None) -> Answer:
        """The answer of the operation, or of the fault in its place or after it. Raises Reset or ApiError."""
        if fault is None:
            return self._carry_out(request)
        time.sleep(fault.delay)
        replaces = fault.reset or fault.status is not None
        if fault.after or not replaces:
            answer = self._carry_out(request)
        if not replaces and not fault.after:
            return answer
        if fault.reset:
            raise Reset
        return fault.answer()

    def _carry_out(self, request: Request) -> Answer:
        operation, values = self._operation(request)
        parameters, problems = reading.read(request, operation, values)
        for problem in problems:
            if problem.kind != reading.ELSEWHERE:
                self.log.violation(request, problem)
        if error := reading.error_for(problems):
            raise error
        key = authorization.authenticate(request, self.cluster, operation.server)
        call = Call(self.cluster, operation, parameters.path, parameters.query, parameters.body, parameters.mask, key)
        authorization.authorize(call)
        return 200, self._handle(call), call.headers

    def _handle(self, call: Call) -> Json:
        handler = HANDLERS[call.operation.name]
        if call.operation.name in downlink_queue.HANDLERS:  # these publish, which must not happen under the lock
            return handler(call)
        with self.cluster.lock:
            return handler(call)

    def _operation(self, request: Request) -> tuple[Operation, dict[str, str]]:
        """The operation of a request and its path parameters by published name. ApiError: none is served here."""
        found = match(request.path)
        if not found:
            self.log.violation(request, Problem("path", request.path, "is not a path of the API"))
            raise GatewayError(NOT_FOUND, "Not Found")
        served = [(operation, values) for operation, values in found if operation.method == request.method]
        if not served:
            self.log.violation(request, Problem("method", request.method, f"is not a method of {request.path}"))
            raise GatewayError(UNIMPLEMENTED, "Method Not Allowed")
        operation, values = served[0]
        if operation.server not in self.servers:
            reason = f"does not serve {operation.server}: {request.path}"
            self.log.violation(request, Problem("host", self.listener, reason))
            raise GatewayError(NOT_FOUND, "Not Found")
        return operation, values
