"""Sessions: which one a message or a device is in."""

from typing import Any

import pytest

from tests import events
from thingbridge.encryption import sessions
from thingbridge.encryption.sessions import SKIPPED_ATTRIBUTE, UNSEEN, Session, SessionSeen, Skipped, UsedCounter
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers

IDS = {"device_id": "tank-7", "dev_addr": "260B1C2D"}
WRAPPED = {"kek_label": "ours", "encrypted_key": "AAAA"}


def test_an_uplink_is_in_a_session_and_names_the_last_downlink_counter() -> None:
    body = {
        "end_device_ids": IDS,
        "uplink_message": {
            "session_key_id": "AYxy",
            "app_s_key": WRAPPED,
            "last_a_f_cnt_down": 41,
            "received_at": "1970-01-01T00:00:01.5Z",
        },
    }
    assert sessions.seen(body) == SessionSeen(Session("AYxy", "260B1C2D", WRAPPED), 1_500_000, 42)


def test_a_join_begins_a_session_whose_counters_start_at_one() -> None:
    body = {"end_device_ids": IDS, "join_accept": {"session_key_id": "AYxy", "app_s_key": WRAPPED}}
    assert sessions.seen(body) == SessionSeen(Session("AYxy", "260B1C2D", WRAPPED), None, 1, joining=True)


def test_a_session_without_an_envelope_is_encrypted_by_the_things_stack() -> None:
    seen = sessions.seen({"end_device_ids": IDS, "uplink_message": {"session_key_id": "AYxy"}})
    assert seen is not None
    assert seen.session.app_s_key is None


@pytest.mark.parametrize(
    "body",
    [
        {"downlink_sent": {"session_key_id": "AYxy"}},
        {"uplink_message": {}},
        {"uplink_message": {"session_key_id": 3}},
        {"uplink_message": "x"},
        {},
    ],
)
def test_other_messages_have_no_session(body: dict[str, Any]) -> None:
    assert sessions.seen({"end_device_ids": IDS, **body}) is None


def test_a_devices_pending_session_comes_before_the_one_in_use() -> None:
    current = {"dev_addr": "260B0001", "keys": {"session_key_id": "b2xk", "app_s_key": WRAPPED}, "last_a_f_cnt_down": 7}
    pending = {"dev_addr": "260B0002", "keys": {"session_key_id": "bmV3", "app_s_key": WRAPPED}}
    in_use = SessionSeen(Session("b2xk", "260B0001", WRAPPED), None, 8)
    assert sessions.of_device({"session": current}).newest == in_use
    both = sessions.of_device({"session": current, "pending_session": pending})
    assert both.newest == SessionSeen(Session("bmV3", "260B0002", WRAPPED), None, 1, joining=True)
    assert both.current == in_use
    assert sessions.of_device({}).newest is None


def test_a_key_that_the_things_stack_can_read_is_not_kept() -> None:
    keys = {"session_key_id": "b2xk", "app_s_key": {"key": "00" * 16, **WRAPPED}}
    seen = sessions.of_device({"session": {"dev_addr": "260B0001", "keys": keys}}).current
    assert seen is not None
    assert seen.session.app_s_key is None


def test_sessions_are_kept_by_dev_eui_or_else_by_device_id() -> None:
    assert sessions.device_key(EndDeviceIdentifiers("tank-7", "A81758FFFE0312AB", None)) == "A81758FFFE0312AB"
    assert sessions.device_key(EndDeviceIdentifiers("tank-7", None, None)) == "tank-7"


@pytest.mark.parametrize(
    ("example", "part", "next_f_cnt_down"),
    [("uplink_end_to_end_encrypted", "uplink_message", 2), ("join_end_to_end_encrypted", "join_accept", 1)],
)
def test_the_examples_have_a_session_with_a_wrapped_key(example: str, part: str, next_f_cnt_down: int) -> None:
    body = events.load(f"things_stack/{example}")
    seen = sessions.seen(body)
    assert seen
    assert seen.session == Session(body[part]["session_key_id"], "260B1C2D", body[part]["app_s_key"])
    assert seen.next_f_cnt_down == next_f_cnt_down


BEGAN = 1_795_617_584.406
BEGAN_THEN = "AaITJfUWlWGSuXJp4chPQA=="
"""A session key id of The Things Stack, for a join-request that it received at that time."""


@pytest.mark.parametrize(
    ("version", "on_application_server", "on_network_server", "used"),
    [
        ("MAC_V1_0_3", 0, 0, 0),
        ("MAC_V1_0_3", 7, 0, 7),
        ("MAC_V1_0_3", 7, 9, 9),  # the network counts its own downlinks with the application's
        ("MAC_V1_1", 7, 9, 7),  # from LoRaWAN 1.1 on, it has a counter of its own
    ],
)
def test_counting_begins_above_everything_that_was_used(
    version: str, on_application_server: int, on_network_server: int, used: int
) -> None:
    seen = SessionSeen(Session(BEGAN_THEN, "260B0002", WRAPPED), None, on_application_server + 1)
    other = {"keys": {"session_key_id": "b2xk"}, "last_n_f_cnt_down": 4711}
    own = {"keys": {"session_key_id": BEGAN_THEN}, "last_n_f_cnt_down": on_network_server}
    device = {"lorawan_version": version, "session": other, "pending_session": own}
    assert sessions.first_f_cnt_down(seen, device) == used + 1


def test_a_table_that_is_older_than_a_session_knows_all_that_was_issued_in_it() -> None:
    session = Session(BEGAN_THEN, "260B0002", WRAPPED)
    assert sessions.is_known_since_its_join(session, BEGAN - 60)
    assert not sessions.is_known_since_its_join(session, BEGAN + 60)
    assert not sessions.is_known_since_its_join(Session("b2xk", "260B0002", WRAPPED), BEGAN - 60)


def test_each_younger_table_skips_what_the_one_before_may_have_issued() -> None:
    session = Session(BEGAN_THEN, "260B0002", WRAPPED)
    once = sessions.skipped(session, 8, None)
    assert once.until == 8 + UNSEEN
    kept = Skipped.read(once.attributes())
    assert sessions.skipped(session, 8, kept).until == 8 + 2 * UNSEEN
    assert sessions.skipped(session, 5000, kept).until == 5000 + UNSEEN
    assert sessions.skipped(Session("b2xk", "260B0002", WRAPPED), 8, kept).until == 8 + UNSEEN


@pytest.mark.parametrize("text", ["", "x", "12", "x b2xk", "-1 b2xk", f"{2**32} b2xk"])
def test_an_attribute_that_somebody_else_wrote_skips_nothing(text: str) -> None:
    assert Skipped.read({SKIPPED_ATTRIBUTE: text}) is None


def test_a_session_key_id_says_when_its_session_began() -> None:
    assert sessions.began_at(BEGAN_THEN) == BEGAN
    assert sessions.began_at("AaIT") is None
    assert sessions.began_at("not base64") is None


@pytest.mark.parametrize(
    ("content", "used"),
    [
        ({"session_key_id": "b2xk", "last_f_cnt_down": 5}, UsedCounter("b2xk", 5)),
        ({"session_key_id": "b2xk"}, None),  # the first of a session
        ({"last_f_cnt_down": 5}, None),
        ({"session_key_id": "b2xk", "last_f_cnt_down": 2**32}, None),
        ({"session_key_id": "b2xk", "last_f_cnt_down": True}, None),
        ("x", None),
    ],
)
def test_a_counter_that_the_network_used_itself_is_read(content: Any, used: UsedCounter | None) -> None:
    assert sessions.used_counter({"downlink_queue_invalidated": content}) == used
    assert sessions.used_counter({"downlink_sent": content}) is None
