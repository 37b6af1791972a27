"""Downlinks under end-to-end encryption: encrypted and numbered, retried after a refusal, and queued again."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import events
from thingbridge.encryption import downlinks as encryption
from thingbridge.encryption.downlinks import Retry, Returned, after_refusal, returned
from thingbridge.encryption.messages import SessionKey, decrypted_downlink
from thingbridge.errors import BadInput

KEY = SessionKey("c2Vzc2lvbg==", "260B1C2D", bytes(range(16)))
NACK = events.load("things_stack/downlink_nack")["downlink_nack"]


def key_of(session_key_id: str) -> SessionKey | None:
    return KEY if session_key_id == KEY.session_key_id else None


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def downlink(f_cnt: int) -> dict[str, Any]:
    return {"session_key_id": KEY.session_key_id, "f_port": 15, "f_cnt": f_cnt, "frm_payload": "AQ=="}


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=5), st.integers(0, 2**32 - 6))
def test_each_downlink_is_encrypted_with_its_own_counter_and_can_be_decrypted(
    payloads: list[bytes], first: int
) -> None:
    plain = [{"f_port": 15, "frm_payload": base64_of(each), "priority": "NORMAL"} for each in payloads]
    encrypted = encryption.encrypted(plain, KEY, first)
    assert [each["f_cnt"] for each in encrypted] == list(range(first, first + len(payloads)))
    for each, before in zip(encrypted, plain, strict=True):
        assert each["session_key_id"] == KEY.session_key_id
        assert each["priority"] == "NORMAL"
        assert decrypted_downlink(each, key_of)["frm_payload"] == before["frm_payload"]


def test_a_payload_as_an_object_can_not_be_encrypted() -> None:
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
        ("f_cnt_too_low", {**OURS, "min_f_cnt_down": 5}, Retry(look_up=True)),
        ("f_cnt_too_low", {"session_key_id": "b2xk", "pending_session_key_id": KEY.session_key_id},
         Retry(look_up=True)),
        ("f_cnt_too_low", {"session_key_id": "b3RoZXI="}, Retry(look_up=True)),
        ("f_cnt_too_low", {}, Retry(look_up=True)),
        ("unknown_session", OURS, Retry(look_up=True)),
        ("application_downlink_too_long", {}, None),
    ],
)  # fmt: skip
def test_a_refused_counter_or_session_is_corrected_and_other_refusals_are_final(
    name: str, diagnostics: dict[str, Any], expected: Retry | None
) -> None:
    assert after_refusal(name, diagnostics, KEY.session_key_id, first_f_cnt=5) == expected


def test_an_invalidated_queue_is_returned_with_the_last_used_counter() -> None:
    queue = [downlink(7), downlink(8)]
    body = {"downlink_queue_invalidated": {"downlinks": queue, "last_f_cnt_down": 7}}
    assert returned(body) == Returned(tuple(queue), 7)


def test_the_queue_before_a_join_is_returned() -> None:
    assert returned({"join_accept": {"invalidated_downlinks": [downlink(7)]}}).downlinks == (downlink(7),)


@pytest.mark.parametrize("body", [{"join_accept": {}}, {"downlink_queue_invalidated": {}}, {"downlink_sent": {}}, {}])
def test_other_messages_return_no_downlinks(body: dict[str, Any]) -> None:
    assert returned(body).downlinks == ()


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
def test_a_confirmed_downlink_is_returned_until_its_last_attempt(retry: Any, again: Any) -> None:
    nack = {name: value for name, value in NACK.items() if name != "confirmed_retry"}
    nack |= {"confirmed_retry": retry} if retry else {}
    found = returned({"downlink_nack": nack}).downlinks
    assert [each["confirmed_retry"] for each in found] == ([again] if again else [])


def test_the_example_of_an_invalidated_queue_returns_its_downlinks() -> None:
    found = returned(events.load("things_stack/downlink_invalidated"))
    assert ([each["f_cnt"] for each in found.downlinks], found.last_f_cnt_down) == ([6], 5)
