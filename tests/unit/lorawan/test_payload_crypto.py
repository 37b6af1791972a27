"""FRMPayload encryption against published vectors, and against another implementation of the same rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.things_stack.network import lorawan
from thingbridge.lorawan.payload_crypto import crypt_downlink, crypt_uplink

KEY = bytes([1] * 16)
keys = st.binary(min_size=16, max_size=16)
addresses = st.binary(min_size=4, max_size=4).map(lambda each: each.hex().upper())
counters = st.integers(0, 2**32 - 1)
payloads = st.binary(max_size=255)


def test_the_vectors_of_the_things_stack() -> None:
    """TTS `pkg/crypto/data_messages_test.go`."""
    assert crypt_uplink(KEY, "01020304", 1, bytes([1, 2, 3, 4])) == bytes.fromhex("CFF30B4E")
    assert crypt_downlink(KEY, "01020304", 1, bytes([1, 2, 3, 4])) == bytes.fromhex("4E75F440")


def test_the_packet_of_the_lora_packet_library() -> None:
    """README of anthonykirby/lora-packet: 40F17DBE4900020001954378762B11FF0D contains the text "test"."""
    key = bytes.fromhex("EC925802AE430CA77FD3DD73CB2CC588")
    assert crypt_uplink(key, "49BE7DF1", 2, bytes.fromhex("95437876")) == b"test"


@given(keys, addresses, counters, payloads)
def test_an_encrypted_payload_is_decrypted_in_its_own_direction_only(
    key: bytes, address: str, f_cnt: int, payload: bytes
) -> None:
    for crypt, other in ((crypt_uplink, crypt_downlink), (crypt_downlink, crypt_uplink)):
        encrypted = crypt(key, address, f_cnt, payload)
        assert len(encrypted) == len(payload)
        assert crypt(key, address, f_cnt, encrypted) == payload
        if len(payload) >= 8:
            assert other(key, address, f_cnt, encrypted) != payload


@given(keys, addresses, counters, payloads, st.booleans())
def test_the_simulated_device_computes_the_same(
    key: bytes, address: str, f_cnt: int, payload: bytes, downlink: bool
) -> None:
    crypt = crypt_downlink if downlink else crypt_uplink
    assert crypt(key, address, f_cnt, payload) == lorawan.crypt_frm_payload(
        key, address, f_cnt, payload, downlink=downlink
    )


def test_a_counter_above_16_bits_differs_from_its_lower_half() -> None:
    for crypt in (crypt_uplink, crypt_downlink):
        assert crypt(KEY, "01020304", 5, bytes(16)) != crypt(KEY, "01020304", 65_536 + 5, bytes(16))


def test_a_counter_of_more_than_32_bits_is_an_error() -> None:
    with pytest.raises(OverflowError):
        crypt_downlink(KEY, "01020304", 2**32, b"x")
