"""States in any order: what one execution environment remembers, and what a shadow shows. Flows: test_shadow_order."""

from typing import Any

import pytest

from thingbridge.shadow.order import MAX_REMEMBERED, NewestStates, newer_fields

UPLINK = {"lastSeen": "2", "fCntUp": 5}
JOIN = {"lastSeen": "1", "fCntUp": 0, "activated": "1"}


def test_a_state_older_than_a_written_one_has_a_newer_one() -> None:
    newest = NewestStates()
    assert not newest.has_newer("tank", UPLINK, "2")
    newest.written("tank", UPLINK, "2")
    assert newest.has_newer("tank", JOIN, "1")
    assert not newest.has_newer("other", JOIN, "1")


def test_a_repeated_state_and_one_without_a_time_are_not_older() -> None:
    newest = NewestStates()
    newest.written("tank", UPLINK, "2")
    assert not newest.has_newer("tank", UPLINK, "2")
    assert not newest.has_newer("tank", UPLINK, None)


def test_writing_an_older_state_does_not_let_another_older_one_pass() -> None:
    newest = NewestStates()
    newest.written("tank", UPLINK, "3")
    newest.written("tank", UPLINK, "1")
    assert newest.has_newer("tank", UPLINK, "2")


def test_the_memory_is_bounded() -> None:
    newest = NewestStates()
    for number in range(MAX_REMEMBERED + 10):
        newest.written(str(number), UPLINK, "2")
    forgotten = [number for number in range(MAX_REMEMBERED + 10) if not newest.has_newer(str(number), JOIN, "1")]
    assert forgotten == list(range(10))


def test_uplinks_and_downlink_counters_are_ordered_separately() -> None:
    newest = NewestStates()
    newest.written("tank", {"fCntDown": 1}, "5")
    assert not newest.has_newer("tank", UPLINK, "2")
    assert newest.has_newer("tank", {"fCntDown": 0}, "4")


AT_9, AT_10, AT_11 = (f"2026-01-01T00:00:{second:02}.000000000Z" for second in (9, 10, 11))
SECOND_10 = 1_767_225_610


def document(written_at: int, **reported: Any) -> dict[str, Any]:
    stamp = {"timestamp": written_at}
    metadata = {
        name: dict.fromkeys(value, stamp) if isinstance(value, dict) else stamp for name, value in reported.items()
    }
    return {"version": 3, "state": {"reported": reported}, "metadata": {"reported": metadata}}


@pytest.mark.parametrize(
    ("shadow", "state", "fields"),
    [
        ({}, {"lastSeen": AT_10, "rssi": 1}, {"lastSeen", "rssi"}),
        (document(0, lastSeen="2026-01-01T00:00:09.9Z"), {"lastSeen": AT_10, "rssi": 1}, {"lastSeen", "rssi"}),
        (document(0, lastSeen="2026-01-01T00:00:10Z"), {"lastSeen": AT_10, "rssi": 1}, set()),
        (document(0, lastSeen=AT_11), {"lastSeen": AT_10, "rssi": 1}, set()),
        (document(0, lastSeen="0001-01-01T00:00:00Z"), {"lastSeen": AT_10}, {"lastSeen"}),
        (document(0, lastSeen=5), {"lastSeen": AT_10}, {"lastSeen"}),
        (document(0, lastSeen=AT_11), {"lastSeen": AT_10, "activated": AT_10}, {"activated"}),
        (document(0, lastSeen=AT_11, activated=AT_11), {"lastSeen": AT_10, "activated": AT_10}, set()),
        (document(SECOND_10, fCntDown=7), {"fCntDown": 8}, {"fCntDown"}),
        (document(SECOND_10, fCntDown=7), {"fCntDown": 6}, set()),
        (document(SECOND_10 - 60, fCntDown=7), {"fCntDown": 6}, {"fCntDown"}),
        (document(SECOND_10, fCntDown=7, activated=AT_11), {"fCntDown": 8}, set()),
        (document(SECOND_10, lastSeen=AT_9, fCntDown=1), {"lastSeen": AT_10, "fCntDown": 0}, {"lastSeen"}),
        (
            document(SECOND_10 - 60, lastSeen=AT_9, fCntDown=1),
            {"lastSeen": AT_10, "fCntDown": 0},
            {"lastSeen", "fCntDown"},
        ),
    ],
)
def test_each_field_is_compared_with_what_shows_its_age(shadow: Any, state: Any, fields: set[str]) -> None:
    assert set(newer_fields(state, AT_10, shadow)) == fields
    assert newer_fields(state, None, shadow) == state


def test_of_an_older_payload_only_members_that_replace_even_older_ones_are_newer() -> None:
    shadow = document(
        SECOND_10 - 60, lastSeen=AT_11, decodedPayload={"old": 1, "list": [1, 2], "removed": 3, "kind": 4}
    )
    shadow["state"]["reported"]["decodedPayload"]["recent"] = 1
    shadow["metadata"]["reported"]["decodedPayload"]["recent"] = {"timestamp": SECOND_10}
    shadow["metadata"]["reported"]["decodedPayload"]["list"] = [{"timestamp": SECOND_10 - 60}] * 2
    late = {"old": 0, "list": [0], "removed": None, "kind": {"a": 0}, "recent": 0, "missing": 0, "empty": {}}
    fields = newer_fields({"lastSeen": AT_10, "decodedPayload": late}, AT_10, shadow)
    assert fields == {"decodedPayload": {"old": 0, "list": [0], "removed": None, "kind": {"a": 0}}}
    assert newer_fields({"lastSeen": AT_10, "decodedPayload": late}, AT_10, document(0, lastSeen=AT_11)) == {}
