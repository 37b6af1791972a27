"""Identifiers and keys: what is taken, how it is spelled, and what a refusal says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.errors import BadInput
from thingbridge.lorawan import identifiers

HEX = "0123456789abcdefABCDEF"


@given(st.text(HEX, min_size=16, max_size=16))
def test_an_eui_is_taken_in_either_case_and_spelled_in_upper_case(text: str) -> None:
    assert identifiers.eui("devEUI", text) == text.upper()


@given(st.one_of(st.text(max_size=40).filter(lambda text: len(text) != 16), st.none(), st.integers()))
def test_anything_else_is_refused_by_the_name_of_its_field(value: object) -> None:
    with pytest.raises(BadInput) as caught:
        identifiers.eui("devEUI", value)
    assert caught.value.field == "devEUI"


def test_a_newline_at_the_end_is_no_part_of_an_eui() -> None:
    with pytest.raises(BadInput):
        identifiers.eui("devEUI", "A81758FFFE0312AB\n")


@pytest.mark.parametrize("key", ["0" * 32, "1" * 31, "G" * 32, None])
def test_a_bad_root_key_is_refused_without_being_shown(key: str | None) -> None:
    with pytest.raises(BadInput) as caught:
        identifiers.root_key("appKey", key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("device_id", ["abc", "eui-a81758fffe0312ab", "a1-b2-c3", "a" * 36])
def test_device_ids_of_the_grammar_are_taken(device_id: str) -> None:
    assert identifiers.device_id("deviceID", device_id) == device_id


@pytest.mark.parametrize("device_id", ["ab", "a" * 37, "Abc", "a--b", "-abc", "abc-", "a_b", "", None, "abc\n"])
def test_device_ids_outside_the_grammar_are_refused(device_id: str | None) -> None:
    with pytest.raises(BadInput):
        identifiers.device_id("deviceID", device_id)


def test_the_default_device_id_is_the_dev_eui_in_lower_case() -> None:
    assert identifiers.default_device_id("A81758FFFE0312AB") == "eui-a81758fffe0312ab"
