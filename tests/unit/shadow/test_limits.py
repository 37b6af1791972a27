"""What a shadow can hold of a decoder's output, and what is said about the rest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.messaging import shadow, shadow_limits


def nested(levels: int) -> dict[str, Any]:
    return {"x": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    ("output", "kept", "left_out"),
    [
        ({"a": 1, "b": {"c": [1, "x", {"d": True}]}, "e": None}, ..., None),
        ({"a": 1, "b": [1, None]}, {"a": 1}, "'b' is a list that holds null"),
        ({"a": {"b": float("nan"), "c": 2}}, {"a": {"c": 2}}, "'a.b' is no number in JSON"),
        ({"a": [[float("inf")]], "b": 1}, {"b": 1}, "'a' is a list in which something is a list in which something is"),
        ({"a": "\ud800", "b": "\U0001f600"}, {"b": "\U0001f600"}, "'a' is not Unicode"),
        ({"\ud800": 1, "b": 1}, {"b": 1}, "has a name that is not Unicode"),
        ({"a": "x" * 8000}, {}, "it has 8008 bytes, the limit is 7168"),
        (nested(7), ..., None),
        ({"a": 1, **nested(9)}, ..., "is deeper than 8 levels"),
    ],
)
def test_what_does_not_fit_is_left_out_and_named(output: Any, kept: Any, left_out: str | None) -> None:
    found, why = shadow_limits.fitting(output)
    assert (why is None) if left_out is None else (left_out in str(why))
    if kept is not ...:
        assert found == kept
    elif left_out is None:
        assert found == output


def test_of_many_faults_a_few_are_named() -> None:
    _, why = shadow_limits.fitting({f"f{number}": float("nan") for number in range(30)})
    assert str(why).endswith("; 25 more")


def levels(value: Any) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return (1 + max((levels(each) for each in inner), default=0)) if isinstance(value, dict | list) and value else 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_whatever_a_decoder_gives_what_is_kept_fits(output: dict[str, Any]) -> None:
    kept, why = shadow_limits.fitting(output)
    text = json.dumps(kept, allow_nan=False, ensure_ascii=False)
    assert len(text.encode()) <= shadow_limits.MAX_PAYLOAD_BYTES * 2
    assert levels({"decodedPayload": kept}) <= shadow_limits.MAX_LEVELS
    assert kept == output or why


@pytest.mark.parametrize(
    ("output", "reported"),
    [
        ({"a": 1}, {"decodedPayload": {"a": 1}}),
        ({"state": {"a": 1}, "b": 2}, {"decodedPayload": {"a": 1}}),
        ({"state": "on", "b": 2}, {"decodedPayload": {"state": "on", "b": 2}}),
        ({}, {}),
        ("text", {}),
        (None, {}),
    ],
)
def test_a_decoders_state_goes_into_the_shadow_or_its_whole_output(output: Any, reported: Any) -> None:
    assert shadow.decoded({"uplink_message": {"decoded_payload": output}}) == (reported, None)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2025-01-02T03:04:05Z", "2025-01-02T03:04:05.5Z"),
        ("2025-01-02T03:04:05.5Z", "2025-01-02T03:04:05.500000001Z"),
        ("2025-01-02T03:04:59.999999999Z", "2025-01-02T03:05:00Z"),
    ],
)
def test_times_sort_whatever_digits_they_leave_out(earlier: str, later: str) -> None:
    first, second = (shadow.told_at({"uplink_message": {"received_at": each}}) for each in (earlier, later))
    assert first
    assert second
    assert first < second


def test_a_message_without_a_time_that_can_be_read_tells_none() -> None:
    assert shadow.told_at({"uplink_message": {"received_at": "yesterday"}, "received_at": 7}) is None
    assert shadow.told_at({"received_at": "2025-01-02T03:04:05Z"}) == "2025-01-02T03:04:05.000000000Z"
