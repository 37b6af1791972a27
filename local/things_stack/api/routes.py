"""Which operation of the description is at a path."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local.things_stack.description.operations import OPERATIONS, PREFIX, Operation

_PARAMETER = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True)
class Route:
    """An operation and the pattern of its path; `parameters` are those of the path in order, spelled as published."""

    operation: Operation
    pattern: re.Pattern[str]
    parameters: tuple[str, ...]


def _routes() -> list[Route]:
    routes = []
    for operation in OPERATIONS:
        parts = _PARAMETER.split(operation.path)
        pattern = "".join(re.escape(part) if i % 2 == 0 else "([^/]+)" for i, part in enumerate(parts))
        routes.append(Route(operation, re.compile(PREFIX + pattern), tuple(parts[1::2])))
    return routes


ROUTES = _routes()


def match(path: str) -> list[tuple[Operation, dict[str, str]]]:
    """The operations at a path, each with the values of the path parameters by their published names."""
    found = []
    for route in ROUTES:
        if matched := route.pattern.fullmatch(path):
            found.append((route.operation, dict(zip(route.parameters, matched.groups(), strict=True))))
    return found
