"""States in any order: an older one overwrites nothing newer."""

from thingbridge.shadow.order import MAX_REMEMBERED, NewestStates

UPLINK = {"lastSeen": "2", "fCntUp": 5}
JOIN = {"lastSeen": "1", "fCntUp": 0, "activated": "1"}


def test_an_older_uplink_has_no_newer_fields_and_a_late_join_only_its_time() -> None:
    newest = NewestStates()
    assert newest.newer_fields("tank", UPLINK, "2") == UPLINK
    newest.written("tank", UPLINK, "2")
    assert newest.newer_fields("tank", {"lastSeen": "1", "fCntUp": 4}, "1") == {}
    assert newest.newer_fields("tank", JOIN, "1") == {"activated": "1"}
    assert newest.newer_fields("other", JOIN, "1") == JOIN


def test_a_repeated_state_and_one_without_a_time_count_as_newer() -> None:
    newest = NewestStates()
    newest.written("tank", UPLINK, "2")
    assert newest.newer_fields("tank", UPLINK, "2") == UPLINK
    assert newest.newer_fields("tank", {"fCntUp": 9}, None) == {"fCntUp": 9}


def test_writing_an_older_state_does_not_let_another_older_one_pass() -> None:
    newest = NewestStates()
    newest.written("tank", UPLINK, "3")
    newest.written("tank", UPLINK, "1")
    assert newest.newer_fields("tank", UPLINK, "2") == {}


def test_the_memory_is_bounded() -> None:
    newest = NewestStates()
    for number in range(MAX_REMEMBERED + 10):
        newest.written(str(number), UPLINK, "2")
    forgotten = [number for number in range(MAX_REMEMBERED + 10) if newest.newer_fields(str(number), JOIN, "1") == JOIN]
    assert forgotten == list(range(10))


def test_uplinks_and_downlink_counters_are_ordered_separately() -> None:
    newest = NewestStates()
    newest.written("tank", {"fCntDown": 1}, "5")
    assert newest.newer_fields("tank", UPLINK, "2") == UPLINK
    newest.written("tank", UPLINK, "9")
    assert newest.newer_fields("tank", {"fCntDown": 2}, "6") == {"fCntDown": 2}
    assert newest.newer_fields("tank", {"fCntDown": 0}, "4") == {}
