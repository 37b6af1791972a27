"""The simulation's description against a published one, and against the operations that carry it out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from local.things_stack.http_api import HANDLERS
from local.things_stack.operations import OPERATIONS, Operation
from local.things_stack.schema import Many
from local.things_stack.swagger import differences

from local.things_stack.description import EUI, FIELD_MASK, PRIORITY, TEXT

PUBLISHED: dict[str, Any] = {
    "paths": {"/barns/{barn.ids.barn_id}": {"put": {"operationId": "Barns_Set", "parameters": [
        {"name": "barn.ids.barn_id", "in": "path", "type": "string"},
        {"name": "order", "in": "query", "type": "string"},
        {"name": "body", "in": "body", "schema": {"$ref": "#/definitions/SetBarn"}},
    ]}}},
    "definitions": {
        "SetBarn": {"properties": {"barn": {"$ref": "#/definitions/Barn"}, "field_mask": {"type": "string"}}},
        "Barn": {"properties": {
            "eui": {"type": "string", "format": "string"}, "names": {"type": "array", "items": {"type": "string"}},
            "priority": {"$ref": "#/definitions/Priority"},
        }},
        "Priority": {"type": "string", "enum": [*PRIORITY.one_of]},
    },
}  # fmt: skip
BARN = {"ids": {"barn_id": TEXT}, "eui": EUI, "names": Many(TEXT), "priority": PRIORITY}


def described(barn: dict[str, Any], **changes: Any) -> list[Operation]:
    operation = {"name": "Barns_Set", "server": "IS", "method": "PUT", "path": "/barns/{barn.ids.barn_id}",
                 "query": {"order": TEXT}, "body": {"barn": barn, "field_mask": FIELD_MASK}}  # fmt: skip
    return [Operation(**(operation | changes))]


def test_a_description_that_agrees_has_no_differences() -> None:
    assert differences(described(BARN), PUBLISHED) == []


@pytest.mark.parametrize(
    ("operations", "difference"),
    [
        (described(BARN, path="/barns/{barn_id}"), "is not published"),
        (described(BARN, method="POST"), "is not published"),
        (described(BARN, name="Barns_Put"), "is published as Barns_Set"),
        (described(BARN, query={"page": TEXT}), "?page is no published query parameter"),
        (described(BARN | {"colour": TEXT}), "barn.colour is no published field"),
        (described(BARN | {"names": TEXT}), "barn.names is published as array, not as string"),
        (described(BARN | {"eui": Many(TEXT)}), "barn.eui is no published list"),
        (described(BARN, body=None), "is published with a body"),
        (
            described(BARN | {"priority": type(PRIORITY)("enum", one_of=("URGENT",))}),
            "barn.priority has no published value URGENT",
        ),
    ],
)
def test_an_invention_is_found(operations: list[Operation], difference: str) -> None:
    found = differences(operations, PUBLISHED)
    assert len(found) == 1
    assert found[0].endswith(difference)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "operation" in metafunc.fixturenames:
        metafunc.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)


def test_every_operation_is_carried_out(operation: Operation) -> None:
    assert operation.name in HANDLERS


def test_nothing_is_carried_out_that_is_not_described() -> None:
    assert set(HANDLERS) == {operation.name for operation in OPERATIONS}


if "TTS_SWAGGER" in os.environ:  # the project stands without the published description

    def test_the_description_agrees_with_the_published_one() -> None:
        published = json.loads(Path(os.environ["TTS_SWAGGER"]).read_text())
        assert differences(OPERATIONS, published) == []
