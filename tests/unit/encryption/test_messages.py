"""Messages under end-to-end encryption: which payloads are decrypted, and what a message never contains afterwards."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.encryption.downlinks import returned
from thingbridge.encryption.messages import SessionKey, decrypted, undecryptable
from thingbridge.errors import BadInput
from thingbridge.lorawan.payload_crypto import crypt_downlink, crypt_uplink

KEY = SessionKey("c2Vzc2lvbg==", "260B1C2D", bytes(range(16)))
IDS = {"device_id": "tank-7", "dev_addr": KEY.dev_addr}
WRAPPED = {"kek_label": "ours", "encrypted_key": "AAAA"}


def key_of(session_key_id: str) -> SessionKey | None:
    return KEY if session_key_id == KEY.session_key_id else None


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def encrypted(
    payload: bytes, f_cnt: int = 0, session_key_id: str = KEY.session_key_id, **others: Any
) -> dict[str, Any]:
    """An `ApplicationDownlink` of The Things Stack: encrypted, zero values omitted."""
    cipher = base64_of(crypt_downlink(KEY.app_s_key, KEY.dev_addr, f_cnt, payload))
    numbered = {"f_cnt": f_cnt} if f_cnt else {}
    return {"session_key_id": session_key_id, "f_port": 15, "frm_payload": cipher, **numbered, **others}


@pytest.mark.parametrize("f_cnt", [0, 17, 65_535, 65_536, 2**32 - 1])
def test_an_uplink_is_decrypted_and_loses_its_envelope(f_cnt: int) -> None:
    cipher = base64_of(crypt_uplink(KEY.app_s_key, KEY.dev_addr, f_cnt, b"level 42"))
    uplink = {"session_key_id": KEY.session_key_id, "f_port": 2, "frm_payload": cipher, "app_s_key": WRAPPED}
    uplink |= {"f_cnt": f_cnt} if f_cnt else {}
    body = {"end_device_ids": IDS, "uplink_message": uplink, "received_at": "2025-01-02T03:04:05Z"}
    before = json.dumps(body)
    clear = decrypted(body, key_of)
    assert clear is not None
    expected = {name: value for name, value in uplink.items() if name != "app_s_key"}
    assert clear == {**body, "uplink_message": {**expected, "frm_payload": base64_of(b"level 42")}}
    assert json.dumps(body) == before


def test_an_uplink_without_a_payload_only_loses_its_envelope() -> None:
    body = {"end_device_ids": IDS, "uplink_message": {"session_key_id": KEY.session_key_id, "app_s_key": WRAPPED}}
    assert decrypted(body, key_of) == {
        "end_device_ids": IDS,
        "uplink_message": {"session_key_id": KEY.session_key_id},
    }


@pytest.mark.parametrize(
    "body",
    [
        {"uplink_message": {"session_key_id": "b3RoZXI=", "frm_payload": "AQ=="}},
        {"join_accept": {"session_key_id": "b3RoZXI="}},
        {"downlink_sent": {"session_key_id": "b3RoZXI=", "frm_payload": "AQ=="}},
        {"downlink_failed": {"error": {"name": "x"}}},
        {"location_solved": {"service": "x"}},
        {"service_data": {"service": "x"}},
        {"uplink_message": 3},
        {},
    ],
    ids=lambda body: next(iter(body), "nothing"),
)
def test_a_message_without_encrypted_payloads_is_not_changed(body: dict[str, Any]) -> None:
    assert decrypted({"end_device_ids": IDS, **body}, key_of) is None


@pytest.mark.parametrize(
    ("body", "where"),
    [
        *[
            ({kind: encrypted(b"open", 9)}, (kind,))
            for kind in ("downlink_queued", "downlink_sent", "downlink_ack", "downlink_nack")
        ],
        ({"downlink_failed": {"downlink": encrypted(b"open", 9), "error": {}}}, ("downlink_failed", "downlink")),
        (
            {"downlink_queue_invalidated": {"downlinks": [encrypted(b"open", 9)], "last_f_cnt_down": 9}},
            ("downlink_queue_invalidated", "downlinks", 0),
        ),
        (
            {
                "join_accept": {
                    "session_key_id": "bmV3",
                    "app_s_key": WRAPPED,
                    "invalidated_downlinks": [encrypted(b"open")],
                }
            },
            ("join_accept", "invalidated_downlinks", 0),
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, tuple) else "",
)
def test_a_downlink_is_decrypted_in_every_kind_of_message(body: dict[str, Any], where: tuple[Any, ...]) -> None:
    clear: Any = decrypted({"end_device_ids": IDS, **body}, key_of)
    assert clear is not None
    assert "app_s_key" not in json.dumps(clear)
    for step in where:
        clear = clear[step]
    assert clear["frm_payload"] == base64_of(b"open")


def test_a_message_that_can_not_be_decrypted_keeps_a_wrapped_key_and_loses_one_in_plain_text() -> None:
    wrapped = {"end_device_ids": IDS, "uplink_message": {"frm_payload": "AQ==", "app_s_key": WRAPPED}}
    assert undecryptable(wrapped) == wrapped
    for plain in ({"key": "00" * 16}, {"encrypted_key": "AAAA"}, {"key": "?", **WRAPPED}):
        body = {"end_device_ids": IDS, "uplink_message": {"frm_payload": "AQ==", "app_s_key": plain}}
        assert undecryptable(body)["uplink_message"] == {"frm_payload": "AQ=="}


texts = st.sampled_from(["", "AQ==", KEY.session_key_id, "?"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
fields = st.sampled_from(["session_key_id", "f_cnt", "frm_payload", "app_s_key", "downlink", "downlinks", "error",
                          "key", "invalidated_downlinks", "last_f_cnt_down", "kek_label", "confirmed_retry", "attempt",
                          "max_attempts"])  # fmt: skip
anything = st.recursive(scalars, lambda each: st.lists(each, max_size=3) | st.dictionaries(fields, each, max_size=5))
kinds = st.sampled_from(["uplink_message", "join_accept", "downlink_queued", "downlink_failed", "downlink_nack",
                         "downlink_queue_invalidated"])  # fmt: skip


@given(kinds, anything)
def test_any_message_is_read_or_is_bad_input(kind: str, part: Any) -> None:
    body = {"end_device_ids": IDS, kind: part}
    for read in (lambda: decrypted(body, key_of), lambda: returned(body), lambda: undecryptable(body)):
        with suppress(BadInput):
            read()


def test_the_text_of_a_session_key_does_not_contain_the_key() -> None:
    assert str(KEY.app_s_key) not in repr(KEY)
    assert KEY.app_s_key.hex() not in repr(KEY)
