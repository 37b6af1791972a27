"""The comparison of the simulation's description with a published one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from local.things_stack.description.messages import EUI, FIELD_MASK, PRIORITY, TEXT
from local.things_stack.description.operations import OPERATIONS, Operation
from local.things_stack.description.schema import Many
from local.things_stack.description.swagger import differences

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


def test_a_description_that_matches_has_no_differences() -> None:
    assert differences(described(BARN), PUBLISHED) == []


@pytest.mark.parametrize(
    ("operations", "difference"),
    [
        (described(BARN, path="/barns/{barn_id}"), "is not published"),
        (described(BARN, method="POST"), "is not published"),
        (described(BARN, name="Barns_Put"), "is published as Barns_Set"),
        (described(BARN, query={"page": TEXT}), "?page is not a published query parameter"),
        (described(BARN | {"colour": TEXT}), "barn.colour is not a published field"),
        (described(BARN | {"names": TEXT}), "barn.names is published as array, not as string"),
        (described(BARN | {"eui": Many(TEXT)}), "barn.eui is not published as a list"),
        (described(BARN, body=None), "is published with a body"),
        (
            described(BARN | {"priority": type(PRIORITY)("enum", one_of=("URGENT",))}),
            "barn.priority has the unpublished value URGENT",
        ),
    ],
)
def test_an_invented_operation_or_field_is_reported(operations: list[Operation], difference: str) -> None:
    found = differences(operations, PUBLISHED)
    assert len(found) == 1
    assert found[0].endswith(difference)


if "TTS_SWAGGER" in os.environ:  # the published description is not part of this repository

    def test_the_description_matches_the_published_one() -> None:
        published = json.loads(Path(os.environ["TTS_SWAGGER"]).read_text())
        assert differences(OPERATIONS, published) == []
