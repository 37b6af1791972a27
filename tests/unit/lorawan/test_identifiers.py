"""Identifiers and keys: which are accepted, how they are spelled, and what the error says."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.errors import BadInput
from thingbridge.lorawan import identifiers

HEX = "0123456789abcdefABCDEF"


@given(st.text(HEX, min_size=16, max_size=16))
def test_an_eui_is_accepted_in_either_case_and_spelled_in_upper_case(text: str) -> None:
    assert identifiers.eui("devEUI", text) == text.upper()


@given(st.one_of(st.text(max_size=40).filter(lambda text: len(text) != 16), st.none(), st.integers()))
def test_anything_else_is_bad_input_that_names_the_field(value: object) -> None:
    with pytest.raises(BadInput) as caught:
        identifiers.eui("devEUI", value)
    assert caught.value.field == "devEUI"


def test_an_eui_with_a_trailing_newline_is_bad_input() -> None:
    with pytest.raises(BadInput):
        identifiers.eui("devEUI", "A81758FFFE0312AB\n")


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (identifiers.eui, "A81758FFFE0312\N{LATIN SMALL LIGATURE FF}"),
        (identifiers.root_key, 30 * "1" + "\N{LATIN SMALL LIGATURE FF}"),
        (identifiers.claim_authentication_code, "STRA\N{LATIN SMALL LETTER SHARP S}E"),
    ],
)
def test_letters_whose_upper_case_would_fit_are_bad_input(read: Callable[[str, object], str], text: str) -> None:
    with pytest.raises(BadInput):
        read("field", text)


@pytest.mark.parametrize("key", ["0" * 32, "1" * 31, "G" * 32, None])
def test_the_error_for_a_bad_root_key_does_not_contain_it(key: str | None) -> None:
    with pytest.raises(BadInput) as caught:
        identifiers.root_key("appKey", key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("device_id", ["abc", "eui-a81758fffe0312ab", "a1-b2-c3", "a" * 36])
def test_device_ids_of_the_grammar_are_accepted(device_id: str) -> None:
    assert identifiers.device_id("deviceID", device_id) == device_id


@pytest.mark.parametrize("device_id", ["ab", "a" * 37, "Abc", "a--b", "-abc", "abc-", "a_b", "", None, "abc\n"])
def test_device_ids_outside_the_grammar_are_bad_input(device_id: str | None) -> None:
    with pytest.raises(BadInput):
        identifiers.device_id("deviceID", device_id)


def test_the_default_device_id_is_the_dev_eui_in_lower_case() -> None:
    assert identifiers.default_device_id("A81758FFFE0312AB") == "eui-a81758fffe0312ab"
