"""States in any order: an older one sets nothing back."""

from thingbridge.messaging import shadow_order
from thingbridge.messaging.shadow_order import NewestStates

UPLINK = {"lastSeen": "2", "fCntUp": 5}
JOIN = {"lastSeen": "1", "fCntUp": 0, "activated": "1"}


def test_an_older_uplink_is_no_news_and_a_late_join_tells_when_only() -> None:
    newest = NewestStates()
    assert newest.news("tank", UPLINK, "2") == UPLINK
    newest.written("tank", UPLINK, "2")
    assert newest.news("tank", {"lastSeen": "1", "fCntUp": 4}, "1") == {}
    assert newest.news("tank", JOIN, "1") == {"activated": "1"}
    assert newest.news("other", JOIN, "1") == JOIN


def test_a_repeated_state_and_one_without_a_time_are_news() -> None:
    newest = NewestStates()
    newest.written("tank", UPLINK, "2")
    assert newest.news("tank", UPLINK, "2") == UPLINK
    assert newest.news("tank", {"fCntUp": 9}, None) == {"fCntUp": 9}


def test_an_older_state_that_was_written_does_not_make_room_for_another() -> None:
    newest = NewestStates()
    newest.written("tank", UPLINK, "3")
    newest.written("tank", UPLINK, "1")
    assert newest.news("tank", UPLINK, "2") == {}


def test_what_is_remembered_is_bounded() -> None:
    newest = NewestStates()
    for number in range(shadow_order.MAX_REMEMBERED + 10):
        newest.written(str(number), UPLINK, "2")
    assert len(newest._newest) == shadow_order.MAX_REMEMBERED
    assert newest.news("0", JOIN, "1") == JOIN


def test_a_state_of_another_kind_makes_nothing_old() -> None:
    newest = NewestStates()
    newest.written("tank", {"fCntDown": 1}, "5")
    assert newest.news("tank", UPLINK, "2") == UPLINK
    newest.written("tank", UPLINK, "9")
    assert newest.news("tank", {"fCntDown": 2}, "6") == {"fCntDown": 2}
    assert newest.news("tank", {"fCntDown": 0}, "4") == {}
