"""Every operation of the description has a handler."""

from __future__ import annotations

import pytest

from local.things_stack.api.http import HANDLERS
from local.things_stack.description.operations import OPERATIONS, Operation


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_has_a_handler(operation: Operation) -> None:
    assert operation.name in HANDLERS


def test_every_handler_has_an_operation() -> None:
    assert set(HANDLERS) == {operation.name for operation in OPERATIONS}
