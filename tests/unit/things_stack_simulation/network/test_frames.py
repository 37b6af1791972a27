"""PHYPayloads of LoRaWAN 1.0.x, against frames that other implementations made, and back and forth."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from local.things_stack.network import frames
from local.things_stack.network.frames import DataFrame, JoinAccept, JoinRequest, Malformed

KEY = bytes(range(16))
# The example of lora-packet (Anthony Kirby), an uplink of a device on The Things Network.
UPLINK = bytes.fromhex("40F17DBE4900020001954378762B11FF0D")
NWK_S_KEY = bytes.fromhex("44024241ED4CE9A68C6A8BC055233FD3")
APP_S_KEY = bytes.fromhex("EC925802AE430CA77FD3DD73CB2CC588")


def test_a_recorded_uplink_is_decoded_verified_decrypted_and_encoded_again() -> None:
    frame, mic = frames.decode_data(UPLINK)
    assert (frame.dev_addr, frame.f_cnt, frame.f_port, frame.downlink) == ("49BE7DF1", 2, 1, False)
    assert frame.is_signed(mic, NWK_S_KEY, 2)
    assert not frame.is_signed(mic, NWK_S_KEY, 2 + 2**16)
    assert not frame.is_signed(mic, APP_S_KEY, 2)
    assert frames.crypt(frame, APP_S_KEY) == b"test"
    assert frame.encode(NWK_S_KEY) == UPLINK


@given(
    downlink=st.booleans(), dev_addr=st.binary(min_size=4, max_size=4), f_cnt=st.integers(0, 2**32 - 1),
    f_port=st.integers(0, 255), payload=st.binary(max_size=60), f_opts=st.binary(max_size=15),
    confirmed=st.booleans(), flags=st.tuples(*4 * [st.booleans()]),
)  # fmt: skip
def test_a_data_frame_is_read_as_it_was_written(
    downlink: bool, dev_addr: bytes, f_cnt: int, f_port: int, payload: bytes, f_opts: bytes, confirmed: bool,
    flags: tuple[bool, ...],
) -> None:  # fmt: skip
    sent = DataFrame(downlink, dev_addr.hex().upper(), f_cnt, f_port, payload, f_opts, confirmed, *flags)
    received, mic = frames.decode_data(sent.encode(KEY))
    assert received.is_signed(mic, KEY, f_cnt)
    assert received == replace(sent, f_cnt=f_cnt % 2**16)


@pytest.mark.parametrize("control", [0x40, 0x10], ids=["ADRACKReq", "FPending"])
def test_every_bit_of_the_control_field_is_signed(control: int) -> None:
    """As the Network Server sets FPending while more downlinks wait."""
    body = bytes.fromhex("60 34120B26") + bytes([control]) + bytes.fromhex("0100 0F 2A")
    code = CMAC(algorithms.AES128(KEY))
    code.update(bytes.fromhex("49 00000000 01 34120B26 01000000 00") + bytes([len(body)]) + body)
    raw = body + code.finalize()[:4]
    frame, mic = frames.decode_data(raw)
    assert frame.is_signed(mic, KEY, 1)
    assert frame.encode(KEY) == raw


def test_a_join_is_read_as_it_was_written_with_the_right_key_only() -> None:
    request = JoinRequest("70B3D57ED0000000", "A81758FFFE0312AB", 513)
    assert frames.decode_join_request(request.encode(KEY)) == request
    accept = JoinAccept(0x010203, "000013", "260B1234", rx1_delay=5, dl_settings=3)
    assert frames.decode_join_accept(accept.encode(KEY), KEY) == accept
    with pytest.raises(Malformed, match="of another device"):
        frames.decode_join_accept(accept.encode(KEY), NWK_S_KEY)


@pytest.mark.parametrize("raw", [b"", b"\x40", UPLINK[:11], b"\x40" + bytes(4) + b"\x0f" + bytes(8), b"\xe0" + UPLINK])
def test_bytes_that_are_no_data_frame_are_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        frames.decode_data(raw)


def test_mac_commands_are_read_up_to_the_first_that_is_unknown_or_cut() -> None:
    read = frames.mac_commands(bytes.fromhex("06 03 51FF0001 80 06"), frames.FROM_NETWORK)
    assert read == [(frames.DEV_STATUS, b""), (frames.LINK_ADR, bytes.fromhex("51FF0001"))]
    assert frames.mac_commands(b"\x06\xff", frames.FROM_DEVICE) == []
