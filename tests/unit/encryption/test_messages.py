"""What end-to-end encryption makes of messages and of downlinks, decided without any service."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.errors import BadInput
from thingbridge.lorawan.payload_crypto import crypt_downlink, crypt_uplink
from thingbridge.messaging import encryption
from thingbridge.messaging.encryption import GivenBack, Retry, SessionKey, after_refusal, decrypted, given_back

KEY = SessionKey("c2Vzc2lvbg==", "260B1C2D", bytes(range(16)))
IDS = {"device_id": "tank-7", "dev_addr": KEY.dev_addr}
WRAPPED = {"kek_label": "ours", "encrypted_key": "AAAA"}


def key_of(session_key_id: str) -> SessionKey | None:
    return KEY if session_key_id == KEY.session_key_id else None


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def carried(payload: bytes, f_cnt: int = 0, session_key_id: str = KEY.session_key_id, **others: Any) -> dict[str, Any]:
    """An ApplicationDownlink as The Things Stack carries it: encrypted, zero values left out."""
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


def test_an_uplink_of_mac_commands_alone_only_loses_its_envelope() -> None:
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
def test_where_nothing_is_encrypted_nothing_is_changed(body: dict[str, Any]) -> None:
    assert decrypted({"end_device_ids": IDS, **body}, key_of) is None


@pytest.mark.parametrize(
    ("body", "where"),
    [
        *[
            ({kind: carried(b"open", 9)}, (kind,))
            for kind in ("downlink_queued", "downlink_sent", "downlink_ack", "downlink_nack")
        ],
        ({"downlink_failed": {"downlink": carried(b"open", 9), "error": {}}}, ("downlink_failed", "downlink")),
        (
            {"downlink_queue_invalidated": {"downlinks": [carried(b"open", 9)], "last_f_cnt_down": 9}},
            ("downlink_queue_invalidated", "downlinks", 0),
        ),
        (
            {
                "join_accept": {
                    "session_key_id": "bmV3",
                    "app_s_key": WRAPPED,
                    "invalidated_downlinks": [carried(b"open")],
                }
            },
            ("join_accept", "invalidated_downlinks", 0),
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, tuple) else "",
)
def test_a_downlink_is_in_the_clear_wherever_it_is_told_of(body: dict[str, Any], where: tuple[Any, ...]) -> None:
    clear: Any = decrypted({"end_device_ids": IDS, **body}, key_of)
    assert clear is not None
    assert "app_s_key" not in json.dumps(clear)
    for step in where:
        clear = clear[step]
    assert clear["frm_payload"] == base64_of(b"open")


def test_what_can_not_be_decrypted_keeps_a_wrapped_key_and_loses_one_in_the_clear() -> None:
    wrapped = {"end_device_ids": IDS, "uplink_message": {"frm_payload": "AQ==", "app_s_key": WRAPPED}}
    assert encryption.as_it_came(wrapped) == wrapped
    for plain in ({"key": "00" * 16}, {"encrypted_key": "AAAA"}, {"key": "?", **WRAPPED}):
        body = {"end_device_ids": IDS, "uplink_message": {"frm_payload": "AQ==", "app_s_key": plain}}
        assert encryption.as_it_came(body)["uplink_message"] == {"frm_payload": "AQ=="}


texts = st.sampled_from(["", "AQ==", KEY.session_key_id, "?"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
fields = st.sampled_from(["session_key_id", "f_cnt", "frm_payload", "app_s_key", "downlink", "downlinks", "error",
                          "key", "invalidated_downlinks", "last_f_cnt_down", "kek_label", "confirmed_retry", "attempt",
                          "max_attempts"])  # fmt: skip
anything = st.recursive(scalars, lambda each: st.lists(each, max_size=3) | st.dictionaries(fields, each, max_size=5))
kinds = st.sampled_from(["uplink_message", "join_accept", "downlink_queued", "downlink_failed", "downlink_nack",
                         "downlink_queue_invalidated"])  # fmt: skip


@given(kinds, anything)
def test_whatever_a_message_holds_it_is_read_or_called_bad_input(kind: str, part: Any) -> None:
    body = {"end_device_ids": IDS, kind: part}
    for read in (lambda: decrypted(body, key_of), lambda: given_back(body), lambda: encryption.as_it_came(body)):
        with suppress(BadInput):
            read()


def test_a_session_key_shows_no_key() -> None:
    assert str(KEY.app_s_key) not in repr(KEY)
    assert KEY.app_s_key.hex() not in repr(KEY)


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=5), st.integers(0, 2**32 - 6))
def test_downlinks_are_encrypted_each_under_a_counter_of_its_own_and_come_back(
    payloads: list[bytes], first: int
) -> None:
    clear = [{"f_port": 15, "frm_payload": base64_of(each), "priority": "NORMAL"} for each in payloads]
    encrypted = encryption.encrypted(clear, KEY, first)
    assert [each["f_cnt"] for each in encrypted] == list(range(first, first + len(payloads)))
    for each, before in zip(encrypted, clear, strict=True):
        assert each["session_key_id"] == KEY.session_key_id
        assert each["priority"] == "NORMAL"
        assert encryption.downlink_in_clear(each, key_of)["frm_payload"] == before["frm_payload"]


def test_an_object_can_not_be_encrypted() -> None:
    for downlinks, field in (
        ([{"decoded_payload": {}}], "payload"),
        ([{"frm_payload": "AQ=="}, {"decoded_payload": {}}], "downlinks[1].payload"),
    ):
        with pytest.raises(BadInput, match="give bytes") as caught:
            encryption.check_encryptable(downlinks)
        assert caught.value.field == field
    encryption.check_encryptable([{"frm_payload": "AQ=="}])


OURS = {"session_key_id": KEY.session_key_id, "min_f_cnt_down": 9}


@pytest.mark.parametrize(
    ("name", "diagnostics", "expected"),
    [
        ("f_cnt_too_low", OURS, Retry(at_least=9)),
        ("f_cnt_too_low", {"session_key_id": "b2xk", "min_f_cnt_down": 90, "pending_min_f_cnt_down": 9,
                           "pending_session_key_id": KEY.session_key_id}, Retry(at_least=9)),
        ("f_cnt_too_low", {**OURS, "min_f_cnt_down": 5}, Retry(wait=True)),
        ("f_cnt_too_low", {"session_key_id": "b2xk", "pending_session_key_id": KEY.session_key_id}, Retry(wait=True)),
        ("f_cnt_too_low", {"session_key_id": "b3RoZXI="}, Retry(look_up=True)),
        ("f_cnt_too_low", {}, Retry(look_up=True)),
        ("unknown_session", OURS, Retry(look_up=True)),
        ("application_downlink_too_long", {}, None),
    ],
)  # fmt: skip
def test_a_refused_counter_or_session_is_mended_and_other_refusals_stand(
    name: str, diagnostics: dict[str, Any], expected: Retry | None
) -> None:
    assert after_refusal(name, diagnostics, KEY.session_key_id, first_f_cnt=5) == expected


def test_an_invalidated_queue_is_given_back_above_the_counters_that_were_used() -> None:
    queue = [carried(b"a", 7), carried(b"b", 8)]
    body = {"downlink_queue_invalidated": {"downlinks": queue, "last_f_cnt_down": 7}}
    assert given_back(body) == GivenBack(tuple(queue), 7)


def test_the_queue_before_a_join_is_given_back() -> None:
    assert given_back({"join_accept": {"invalidated_downlinks": [carried(b"a", 7)]}}).downlinks == (carried(b"a", 7),)


@pytest.mark.parametrize("body", [{"join_accept": {}}, {"downlink_queue_invalidated": {}}, {"downlink_sent": {}}, {}])
def test_other_messages_give_nothing_back(body: dict[str, Any]) -> None:
    assert given_back(body).downlinks == ()


@pytest.mark.parametrize(
    ("retry", "again"),
    [
        (None, {"attempt": 1}),
        ({"attempt": 1}, {"attempt": 2}),
        ({"attempt": 7}, {"attempt": 8}),
        ({"attempt": 8}, None),
        ({"attempt": 2, "max_attempts": 2}, None),
        ({"attempt": 9, "max_attempts": 32}, {"attempt": 10, "max_attempts": 32}),
    ],
)
def test_a_confirmed_downlink_is_sent_as_often_as_it_says(retry: Any, again: Any) -> None:
    nack = carried(b"a", 7, confirmed=True, **({"confirmed_retry": retry} if retry else {}))
    found = given_back({"downlink_nack": nack}).downlinks
    assert [each["confirmed_retry"] for each in found] == ([again] if again else [])
