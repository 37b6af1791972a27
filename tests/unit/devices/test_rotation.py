"""When the old certificates of a device are due to end: presence events in any order, repeated, and dates."""

from dataclasses import replace
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.devices.rotation import Connection, Rotation, connection
from thingbridge.errors import BadInput

DAY = 86_400.0
ROTATION = Rotation("probe-1", "id", "new", ("old-1", "old-2"))

EVENTS = st.lists(st.tuples(st.sampled_from(["new", "old-1", "old-2", "other"]), st.integers(1, 20)), max_size=8)


def after(*events: tuple[str, float], rotation: Rotation = ROTATION) -> Rotation:
    """The rotation after connections: certificate and time of each."""
    return reduce(lambda seen, each: seen.after(Connection("probe-1", *each)), events, rotation)


@given(EVENTS, st.randoms(use_true_random=False))
def test_events_mean_the_same_in_any_order_and_repeated(events: list[tuple[str, float]], random: Any) -> None:
    shuffled = [*events, *events[:3]]
    random.shuffle(shuffled)
    assert after(*shuffled) == after(*events)


@given(EVENTS, st.integers(0, 10), st.integers(20, 40))
def test_a_device_that_last_used_an_old_certificate_keeps_it(
    events: list[tuple[str, float]], wait: int, now: int
) -> None:
    news, olds = [at for name, at in events if name == "new"], [at for name, at in events if name.startswith("old")]
    used = after(*events).is_used(now, wait)
    since = max(min(news, default=0), max(olds, default=0))
    assert used is (max(news, default=0) > max(olds, default=0) and now - since >= wait)


def test_the_first_use_counts_and_not_the_latest() -> None:
    hourly = after(*(("new", hour * 3600.0) for hour in range(1, 30)))
    assert hourly.is_used(DAY + 3600, DAY)


def test_a_fallback_begins_the_wait_again() -> None:
    fallen_back = after(("new", 1.0), ("old-1", DAY / 2))
    assert not fallen_back.is_used(9 * DAY, DAY)
    back = after(("new", DAY), rotation=fallen_back)
    assert not back.is_used(1.4 * DAY, DAY)
    assert back.is_used(1.5 * DAY, DAY)


def test_a_device_that_never_used_the_new_certificate_keeps_the_old_one_until_a_date() -> None:
    assert not ROTATION.is_due(1000 * DAY, 0)
    dated = replace(ROTATION, end_at=30 * DAY)
    assert not dated.is_due(30 * DAY - 1, 0)
    assert dated.is_due(30 * DAY, 0)
    assert not dated.is_used(30 * DAY, 0)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"clientId": None}, "clientId"), ({"principalIdentifier": 7}, "principalIdentifier"), ({"timestamp": "x"}, "ti")],
)
def test_what_is_not_an_event_of_a_connection_is_named(change: dict[str, Any], field: str) -> None:
    event = {"clientId": "probe-1", "principalIdentifier": "new", "timestamp": 1_500, "eventType": "connected"}
    assert connection(event) == Connection("probe-1", "new", 1.5)
    with pytest.raises(BadInput, match=f"{field}.*must be"):
        connection(event | change)
