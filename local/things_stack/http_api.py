"""The HTTP side: finds the operation, checks the request against the description, the key and its rights, answers.

Everything that breaks the description is recorded as a `Violation`, so that the test that caused it can fail.
What an operation does is in the modules that `HANDLERS` gathers; the control API is in `control_api`.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.wrappers import Request, Response

from local.things_stack import (
    application_settings,
    claiming,
    devices,
    errors,
    listener,
    masks,
    packages,
    schema,
    traffic,
)
from local.things_stack.calls import Call, Handler
from local.things_stack.description import IDENTIFIER, ONEOFS
from local.things_stack.errors import INVALID_ARGUMENT, PERMISSION_DENIED, UNAUTHENTICATED, ApiError
from local.things_stack.operations import OPERATIONS, PREFIX, Operation
from local.things_stack.schema import Message, Problem

if TYPE_CHECKING:
    from local.things_stack.servers import ApiKey
    from local.things_stack.simulation import ThingsStack

Json = dict[str, Any]
HANDLERS: dict[str, Handler] = {
    **devices.HANDLERS, **application_settings.HANDLERS, **packages.HANDLERS, **traffic.HANDLERS,
    **claiming.HANDLERS,
}  # fmt: skip
ALL_SERVERS = frozenset({"IS", "NS", "AS", "JS", "DCS", "CONFIGURATION"})
_PARAMETER = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True)
class Received:
    """A request as it came: `server` is the one its operation belongs to ("": none), `status` 0 means a reset."""

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
    """A request that breaks the description: `kind` as in `schema.Problem`."""

    method: str
    path: str
    kind: str
    where: str
    reason: str


@dataclass(frozen=True)
class Route:
    operation: Operation
    pattern: re.Pattern[str]
    parameters: tuple[str, ...]
    """The path's parameters in order, spelled as published."""


def _routes() -> list[Route]:
    routes = []
    for operation in OPERATIONS:
        parts = _PARAMETER.split(operation.path)
        pattern = "".join(re.escape(part) if i % 2 == 0 else "([^/]+)" for i, part in enumerate(parts))
        routes.append(Route(operation, re.compile(PREFIX + pattern), tuple(parts[1::2])))
    return routes


ROUTES = _routes()


def match(path: str) -> list[tuple[Route, dict[str, str]]]:
    """The operations at a path, each with the path's values by published parameter name."""
    found = []
    for route in ROUTES:
        if matched := route.pattern.fullmatch(path):
            found.append((route, dict(zip(route.parameters, matched.groups(), strict=True))))
    return found


class Reset(Exception):
    """The connection was broken on purpose."""


@dataclass
class Api:
    """The WSGI application behind one listening address, which serves the operations of `servers`."""

    simulation: ThingsStack
    listener: str
    servers: frozenset[str] = ALL_SERVERS

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        request = Request(environ)
        if request.path.startswith("/simulation/"):
            return self.simulation.control(request)(environ, start_response)
        fault = self.simulation.faults.strike(request.method, request.path)
        headers: dict[str, str]
        try:
            if fault is not None and fault.delay:
                time.sleep(fault.delay)
            if fault is not None and fault.reset and not fault.after:
                raise Reset
            if fault is not None and fault.status is not None and not fault.after:
                status, answer, headers = fault.answer()
            else:
                answer, headers = self._answer(request)
                status = 200
            if fault is not None and fault.after:
                if fault.reset:
                    raise Reset
                status, answer, headers = fault.answer()
        except ApiError as error:
            status, answer, headers = error.status, error.body(), error.headers
        except Reset:
            self._record(request, 0)
            listener.reset(environ)
        self._record(request, status)
        response = Response(json.dumps(answer), status, {**headers, "Content-Type": "application/json"})
        return response(environ, start_response)

    def _record(self, request: Request, status: int) -> None:
        operation = next(
            (route.operation for route, _ in match(request.path) if route.operation.method == request.method), None
        )
        text = request.get_data(as_text=True)
        try:
            body = json.loads(text) if text else None
        except ValueError:
            body = text
        self.simulation.requests.append(Received(
            operation.server if operation else "", request.method, request.path, request.args.to_dict(), body, status,
            self.listener, operation.name if operation else "", str(request.user_agent), time.time()))  # fmt: skip

    def _answer(self, request: Request) -> tuple[Json, dict[str, str]]:
        found = match(request.path)
        if not found:
            self._violation(request, Problem("path", request.path, "is no path of the API"))
            raise ApiError(errors.NOT_FOUND, "pkg/errors/web:unknown", "Not Found")
        served = [(route.operation, values) for route, values in found if route.operation.method == request.method]
        if not served:
            self._violation(request, Problem("method", request.method, f"is no method of {request.path}"))
            raise ApiError(errors.UNIMPLEMENTED, "pkg/errors/web:unknown", "Method Not Allowed")
        operation, values = served[0]
        if operation.server not in self.servers:
            self._violation(
                request, Problem("host", self.listener, f"does not serve {operation.server}: {request.path}")
            )
            raise ApiError(errors.NOT_FOUND, "pkg/errors/web:unknown", "Not Found")
        call = self._call(request, operation, values)
        self._authorise(call)
        if operation.name in traffic.HANDLERS:  # these publish, which nobody should wait for under the lock
            answer = HANDLERS[operation.name](call)
        else:
            with self.simulation.lock:
                answer = HANDLERS[operation.name](call)
        return answer, call.headers

    def _violation(self, request: Request, problem: Problem) -> None:
        self.simulation.violations.append(
            Violation(request.method, request.path, problem.kind, problem.where, problem.reason)
        )

    def _call(self, request: Request, operation: Operation, values: dict[str, str]) -> Call:
        """The request read against the description; every problem is a violation, the first is the answer."""
        problems: list[Problem] = []
        path = {name.rsplit(".", 1)[-1]: _read_path(name, value, problems) for name, value in values.items()}
        query = _read_query(request, operation, problems)
        body = _read_body(request, operation, problems)
        for name, value in values.items():  # the path wins over the body in the Stack; to name two devices is a mistake
            if (said := masks.lookup(body, name)) not in (None, value) and str(said) != value:
                problems.append(Problem("grammar", name, f"is {said!r} in the body and {value!r} in the path"))
        named = [*query.get("field_mask", []), *body.get("field_mask", [])]
        mask, forbidden = _read_mask(named, operation.masked or {})
        problems += [Problem("mask", part, f"is no path {operation.name} accepts") for part in forbidden]
        for problem in problems:
            self._violation(request, problem)
        if forbidden and all(problem.kind == "mask" for problem in problems):
            raise errors.forbidden_paths(forbidden)
        if problems:
            raise errors.validation(problems[0].where, problems[0].reason)
        return Call(self.simulation, operation, path, query, body, mask, self._key(request))

    def _key(self, request: Request) -> ApiKey | None:
        """The key of the Authorization header, None without one (the Stack's auth.SplitToken and authInfo)."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer":
            raise ApiError(
                UNAUTHENTICATED, "pkg/identityserver:unsupported_authorization", "unsupported authorization method"
            )
        parts = token.split(".")
        if len(parts) != 3 or parts[0] != "NNSXS":
            raise ApiError(INVALID_ARGUMENT, "pkg/auth:token", "invalid token")
        key = self.simulation.servers.identity.api_keys.get(parts[1])
        if key is None:
            raise ApiError(UNAUTHENTICATED, "pkg/identityserver:api_key_not_found", "API key not found")
        if key.secret != parts[2]:
            raise ApiError(UNAUTHENTICATED, "pkg/identityserver:invalid_authorization", "invalid authorization")
        return key

    def _authorise(self, call: Call) -> None:
        required = [*call.operation.rights]
        for prefix, right in call.operation.path_rights.items():
            if any(
                path == prefix or path.startswith(f"{prefix}.") or prefix.startswith(f"{path}.") for path in call.mask
            ):
                required.append(right)
        if not required:
            return
        uid = call.application_id
        held = call.key.rights if call.key is not None and call.key.application_id == uid else ()
        if not held or uid not in self.simulation.servers.identity.applications:
            raise ApiError(
                PERMISSION_DENIED,
                "pkg/auth/rights:no_application_rights",
                "no rights for application `{uid}`",
                {"uid": uid},
            )
        missing = [right for right in required if right not in held and "RIGHT_APPLICATION_ALL" not in held]
        if missing:
            raise ApiError(PERMISSION_DENIED, "pkg/auth/rights:insufficient_application_rights",
                           "insufficient rights for application `{uid}`", {"uid": uid, "missing": missing})  # fmt: skip


def _read_path(name: str, value: str, problems: list[Problem]) -> str:
    if name.endswith("f_port"):
        if not value.isdigit() or not 1 <= int(value) <= 255:
            problems.append(Problem("grammar", name, "must be between 1 and 255"))
    else:
        schema.read(value, IDENTIFIER, name, problems)
    return value


def _read_query(request: Request, operation: Operation, problems: list[Problem]) -> Json:
    query: Json = {}
    for name, value in request.args.items():
        if name not in operation.query:
            problems.append(Problem("query", name, f"is no query parameter of {operation.name}"))
            continue
        expected = operation.query[name]
        typed: Any = value
        if expected.kind == "int" and re.fullmatch(r"-?\d+", value):
            typed = int(value)
        elif expected.kind == "bool" and value in ("true", "false"):
            typed = value == "true"
        query[name] = schema.read(typed, expected, name, problems)
    return query


def _read_body(request: Request, operation: Operation, problems: list[Problem]) -> Json:
    raw = request.get_data()
    if operation.body is None:
        if raw.strip():
            problems.append(Problem("field", "body", f"{operation.name} takes no body"))
        return {}
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        problems.append(Problem("type", "body", "must be JSON"))
        return {}
    read: Json = schema.read(body, operation.body, "", problems)
    return read


def _read_mask(named: list[str], masked: Message) -> tuple[list[str], list[str]]:
    """The paths of a field mask as the JSON has them, and those that are none of `masked`."""
    read = {path: schema.without_oneofs(path, ONEOFS) for path in named}
    forbidden = [
        path for path, parts in read.items() if not parts or not all(schema.has_path(masked, each) for each in parts)
    ]
    return [each for parts in read.values() for each in parts], forbidden
