"""Compares the operations of the simulation with a published description (Swagger 2.0), so that none is invented.

The published description may contain more; every operation described here must be in it, with compatible types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from local.things_stack.description.operations import Operation
from local.things_stack.description.schema import Many, Scalar, Table, Type

Json = Mapping[str, Any]

_SWAGGER_TYPES = {
    "string": {"string"}, "hex": {"string"}, "bytes": {"string"}, "time": {"string"}, "duration": {"string"},
    "enum": {"string"}, "mask": {"string"}, "int64": {"string"}, "int": {"integer"}, "bool": {"boolean"},
    "number": {"number", "integer"}, "struct": {"object"},
}  # fmt: skip


def differences(operations: Iterable[Operation], swagger: Json) -> list[str]:
    """What is in the operations but not in the published description, one line each; empty when they agree."""
    return [line for operation in operations for line in _Comparison(swagger, operation).lines()]


class _Comparison:
    def __init__(self, swagger: Json, operation: Operation) -> None:
        self._definitions: Json = swagger.get("definitions", {})
        self._operation = operation
        self._published: Json | None = swagger.get("paths", {}).get(operation.path, {}).get(operation.method.lower())
        self._found: list[str] = []

    def lines(self) -> list[str]:
        operation = self._operation
        if self._published is None:
            self._missing("", "is not published")
            return self._found
        if self._published.get("operationId") != operation.name:
            self._missing("", f"is published as {self._published.get('operationId')}")
        parameters = {(item["in"], item["name"]): item for item in self._published.get("parameters", [])}
        for name, type_ in operation.query.items():
            if ("query", name) in parameters:
                self._compare(f"?{name}", type_, parameters["query", name])
            else:
                self._missing(f"?{name}", "is not a published query parameter")
        bodies = [item["schema"] for (where, _), item in parameters.items() if where == "body"]
        bound = {name for where, name in parameters if where == "path"}
        if operation.body is None and bodies:
            self._missing("", "is published with a body")
        if operation.body is not None:
            self._compare("", operation.body, bodies[0] if bodies else {}, bound)
        return self._found

    def _missing(self, where: str, what: str) -> None:
        self._found.append(f"{self._operation.method} {self._operation.path} {where} {what}".replace("  ", " "))

    def _resolved(self, published: Json) -> Json:
        while "$ref" in published:
            published = self._definitions[published["$ref"].rsplit("/", 1)[-1]]
        return published

    def _compare(self, where: str, described: Type, published: Json, bound: Set[str] = frozenset()) -> None:
        """`bound` are the fields in the path: the published body omits them, the Stack accepts them in both."""
        published = self._resolved(published)
        if isinstance(described, Scalar):
            self._compare_scalar(where, described, published)
        elif isinstance(described, Many):
            if published.get("type") != "array":
                self._missing(where, "is not published as a list")
            else:
                self._compare(f"{where}[]", described.of, published["items"])
        elif isinstance(described, Table):
            if "additionalProperties" not in published:
                self._missing(where, "is not published as a map")
            else:
                self._compare(f"{where}{{}}", described.of, published["additionalProperties"])
        else:
            fields = published.get("properties", {})
            for name, type_ in described.items():
                path = f"{where}.{name}" if where else name
                if name in fields:
                    self._compare(path, type_, fields[name], bound)
                elif path not in bound and not any(item.startswith(f"{path}.") for item in bound):
                    self._missing(path, "is not a published field")

    def _compare_scalar(self, where: str, described: Scalar, published: Json) -> None:
        if published.get("type") not in _SWAGGER_TYPES[described.kind]:
            self._missing(where, f"is published as {published.get('type')}, not as {described.kind}")
        elif described.kind == "enum":
            for value in set(described.one_of) - set(published.get("enum", [])):
                self._missing(where, f"has the unpublished value {value}")
        elif described.kind in ("int64", "bytes", "time") and not _format(described.kind, published):
            self._missing(where, f"is published with format {published.get('format')}, not as {described.kind}")


def _format(kind: str, published: Json) -> bool:
    return published.get("format") in {"int64": ("int64", "uint64"), "bytes": ("byte",), "time": ("date-time",)}[kind]
