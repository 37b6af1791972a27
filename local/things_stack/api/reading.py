"""Reading a request against the description of its operation: path, query, body and field mask.

Every mismatch is a `Problem`. Keys and rights are in `authorization`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request

from local.things_stack.description import errors, schema
from local.things_stack.description.errors import ApiError
from local.things_stack.description.field_masks import value_at
from local.things_stack.description.messages import IDENTIFIER, ONEOFS
from local.things_stack.description.operations import Operation
from local.things_stack.description.proto3_json import Json
from local.things_stack.description.schema import Message, Problem

ELSEWHERE = "elsewhere"
"""Kind of a problem that breaks no description: the request is for what other deployments have."""

HOSTED_ONLY = {"ApplicationWebhookRegistry_Set": ("webhook", "queue")}
"""Fields that are not in the published description and that hosted deployments have, by operation: where in the body,
and the field. As in the open source, the field of a body is ignored and its path in a mask is forbidden."""


@dataclass
class Parameters:
    """A request as read: path parameters by their last name (`device_id`), query, body, and paths of the field mask."""

    path: dict[str, str]
    query: Json
    body: Json
    mask: list[str]


def read(request: Request, operation: Operation, values: dict[str, str]) -> tuple[Parameters, list[Problem]]:
    """The parameters in canonical form, and every mismatch with the description. `values` are the path parameters by
    their published names."""
    problems: list[Problem] = []
    path = {name.rsplit(".", 1)[-1]: _read_path(name, value, problems) for name, value in values.items()}
    query = _read_query(request, operation, problems)
    body = _read_body(request, operation, problems)
    for name, value in values.items():  # the Stack lets the path override the body; naming two devices is an error here
        if (in_body := value_at(body, name)) not in (None, value) and str(in_body) != value:
            problems.append(Problem("grammar", name, f"is {in_body!r} in the body and {value!r} in the path"))
    named = [*query.get("field_mask", []), *body.get("field_mask", [])]
    mask, forbidden = _read_mask(named, operation.masked or {})
    hosted = HOSTED_ONLY.get(operation.name)
    problems += [
        Problem(ELSEWHERE if hosted and part.split(".")[0] == hosted[1] else "mask", part,
                f"is not a path that {operation.name} accepts")
        for part in forbidden
    ]  # fmt: skip
    return Parameters(path, query, body, mask), problems


def error_for(problems: list[Problem]) -> ApiError | None:
    """The answer to a request with `problems`, in the order in which the Stack finds them: what can't be read, the
    field mask, values. None: the Stack ignores them, as it ignores fields that it does not know."""
    heeded = [problem for problem in problems if problem.kind != "field"]
    for problem in heeded:
        if problem.unreadable is not None:
            return errors.unreadable(problem.unreadable, problem.reason)
    if forbidden := [problem.where for problem in heeded if problem.kind in ("mask", ELSEWHERE)]:
        return errors.forbidden_paths(forbidden)
    return errors.validation(heeded[0].where, heeded[0].reason) if heeded else None


def _read_path(name: str, value: str, problems: list[Problem]) -> str:
    if name.endswith("f_port"):
        if not value.isdigit() or not 1 <= int(value) <= 255:
            problems.append(Problem("grammar", name, "must be between 1 and 255"))
    elif name != "key_id":
        schema.read(value, IDENTIFIER, name, problems)
    return value


def _read_query(request: Request, operation: Operation, problems: list[Problem]) -> Json:
    query: Json = {}
    for name, value in request.args.items():
        if name not in operation.query:
            problems.append(Problem("query", name, f"is not a query parameter of {operation.name}"))
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
        problems.append(Problem("type", "body", "must be JSON", ""))
        return {}
    if operation.name in HOSTED_ONLY and isinstance(body, dict):
        within, field = HOSTED_ONLY[operation.name]
        if isinstance(body.get(within), dict):
            body[within].pop(field, None)
    read: Json = schema.read(body, operation.body, "", problems)
    return read


def _read_mask(named: list[str], masked: Message) -> tuple[list[str], list[str]]:
    """The paths of a field mask as they are in JSON, and those that are not paths of `masked`."""
    read = {path: schema.without_oneofs(path, ONEOFS) for path in named}
    forbidden = [
        path for path, parts in read.items() if not parts or not all(schema.has_path(masked, each) for each in parts)
    ]
    return [each for parts in read.values() for each in parts], forbidden
