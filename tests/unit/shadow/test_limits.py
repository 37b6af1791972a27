"""What a shadow can hold of a decoder's output, and the reason for what is omitted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.shadow import limits


def nested(levels: int) -> dict[str, Any]:
    return {"x": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    ("output", "kept", "reason"),
    [
        ({"a": 1, "b": {"c": [1, "x", {"d": True}]}, "e": None}, ..., None),
        ({"a": 1, "b": [1, None]}, {"a": 1}, "'b' is a list that contains null"),
        ({"a": {"b": float("nan"), "c": 2}}, {"a": {"c": 2}}, "'a.b' is not a JSON number"),
        ({"a": [[float("inf")]], "b": 1}, {"b": 1}, "'a' is a list in which something is a list in which something is"),
        ({"a": "\ud800", "b": "\U0001f600"}, {"b": "\U0001f600"}, "'a' is not Unicode"),
        ({"\ud800": 1, "b": 1}, {"b": 1}, "has a name that is not Unicode"),
        ({"a": "x" * 8000}, {}, "it has 8008 bytes, the limit is 7168"),
        (nested(7), ..., None),
        ({"a": 1, **nested(9)}, ..., "is deeper than 8 levels"),
    ],
)
def test_a_value_that_does_not_fit_is_omitted_and_named(output: Any, kept: Any, reason: str | None) -> None:
    found, omitted = limits.fitting(output)
    assert (omitted is None) if reason is None else (reason in str(omitted))
    if kept is not ...:
        assert found == kept
    elif reason is None:
        assert found == output


def test_of_many_omitted_values_a_few_are_named() -> None:
    _, omitted = limits.fitting({f"f{number}": float("nan") for number in range(30)})
    assert str(omitted).endswith("; 25 more")


def test_of_many_members_beside_a_state_a_few_are_named() -> None:
    reason = limits.beside_state([f"f{number}" for number in range(9)])
    assert "without 'f0', 'f1', 'f2', 'f3', 'f4', 4 more" in reason


def levels(value: Any) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return (1 + max((levels(each) for each in inner), default=0)) if isinstance(value, dict | list) and value else 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_whatever_a_decoder_returns_the_kept_part_fits(output: dict[str, Any]) -> None:
    kept, omitted = limits.fitting(output)
    text = json.dumps(kept, allow_nan=False, ensure_ascii=False)
    assert len(text.encode()) <= limits.MAX_PAYLOAD_BYTES * 2
    assert levels({"decodedPayload": kept}) <= limits.MAX_LEVELS
    assert kept == output or omitted
