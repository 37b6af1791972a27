"""Keys in their envelopes: the three forms, and everything that is not a key."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.lorawan.key_envelope import KeyNotReadable, app_s_key, is_wrapped, wrapped

# RFC 3394 §4.1
KEK = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
WRAPPED = bytes.fromhex("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5")

keys = st.binary(min_size=16, max_size=16)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def kek_of(label: str) -> bytes | None:
    return KEK if label == "ours" else None


@pytest.mark.parametrize(
    "envelope",
    [
        {"key": KEY.hex()},
        {"encrypted_key": base64_of(KEY)},
        {"encrypted_key": base64_of(WRAPPED), "kek_label": "ours"},
    ],
    ids=["plain text", "plain text without a label", "wrapped (RFC 3394 §4.1)"],
)
def test_a_key_is_read_from_its_envelope(envelope: dict[str, str]) -> None:
    assert app_s_key(envelope, kek_of) == KEY


@given(keys, keys)
def test_a_wrapped_key_can_be_unwrapped(key: bytes, kek: bytes) -> None:
    envelope = wrapped(key, kek, "ours")
    assert is_wrapped(envelope)
    assert app_s_key(envelope, lambda _label: kek) == key


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        ({"encrypted_key": base64_of(WRAPPED), "kek_label": "theirs"}, "wrapped with another key than this stack's"),
        (
            {"encrypted_key": base64_of(WRAPPED[:-1] + b"\0"), "kek_label": "ours"},
            "not wrapped with this stack's current key",
        ),
        ({"encrypted_key": base64_of(WRAPPED[:-8]), "kek_label": "ours"}, "not wrapped with this stack's current key"),
        ({"encrypted_key": "?", "kek_label": "ours"}, "not base64"),
        ({"key": "not hex"}, "not in hex digits"),
        ({"key": "0011"}, "has 2 bytes instead of 16"),
        ({"encrypted_key": base64_of(WRAPPED)}, "has 24 bytes instead of 16"),
        ({}, "has 0 bytes instead of 16"),
    ],
)
def test_the_error_for_an_unreadable_key_does_not_contain_it(envelope: dict[str, Any], reason: str) -> None:
    with pytest.raises(KeyNotReadable, match=reason) as caught:
        app_s_key(envelope, kek_of)
    shown = repr(caught.value) + repr(caught.value.__cause__)
    assert not [value for name, value in envelope.items() if name != "kek_label" and len(value) > 4 and value in shown]


def test_a_key_that_was_wrapped_with_another_key_can_not_be_read() -> None:
    with pytest.raises(KeyNotReadable):
        app_s_key(wrapped(KEY, bytes(16), "ours"), kek_of)
