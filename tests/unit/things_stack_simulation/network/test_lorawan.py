"""Key derivation, payload encryption and key wrapping, against published vectors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from local.things_stack.network import lorawan
from tests.unit.things_stack_simulation.conftest import JOIN_EUI

KEK = bytes(range(16))


@given(payload=st.binary(max_size=64), f_cnt=st.integers(0, 2**32 - 1), downlink=st.booleans())
def test_frm_payload_encryption_is_its_own_inverse(payload: bytes, f_cnt: int, downlink: bool) -> None:
    once = lorawan.crypt_frm_payload(KEK, "01020304", f_cnt, payload, downlink=downlink)
    assert lorawan.crypt_frm_payload(KEK, "01020304", f_cnt, once, downlink=downlink) == payload


def test_payload_encryption_and_key_wrap_match_published_vectors() -> None:
    key = b"\1" * 16
    for downlink, cipher in ((False, "CFF30B4E"), (True, "4E75F440")):
        assert (
            lorawan.crypt_frm_payload(key, "01020304", 1, bytes.fromhex("01020304"), downlink=downlink).hex().upper()
            == cipher
        )
    wrapped = lorawan.wrap(KEK, bytes.fromhex("00112233445566778899AABBCCDDEEFF"))
    assert wrapped.hex().upper() == "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"  # RFC 3394 §4.1


def test_session_keys_differ_by_version_and_nonce() -> None:
    keys = {
        lorawan.app_s_key(version, KEK, nonce, 0x13, JOIN_EUI, nonce)
        for version in ("MAC_V1_0_3", "MAC_V1_1") for nonce in (1, 2)
    }  # fmt: skip
    assert len(keys) == 4
