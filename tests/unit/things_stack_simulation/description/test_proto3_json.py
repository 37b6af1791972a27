"""proto3 JSON as The Things Stack prints it."""

from __future__ import annotations

from local.things_stack.description.proto3_json import without_zero_values


def test_zero_values_are_omitted_except_in_structs() -> None:
    message = {"a": 0, "b": "", "c": [], "d": {"e": False}, "data": {"z": 0}, "f": [{"g": 0, "h": 1}]}
    assert without_zero_values(message) == {"data": {"z": 0}, "f": [{"h": 1}]}
