"""The row of a device: changes of level are made once, claimed by one invocation, and kept until they are reported."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.telemetry.sensors import FIELDS, HISTORIES, NOW
from thingbridge.errors import BadInput
from thingbridge.telemetry import alerts, reports
from thingbridge.telemetry.alerts import CLAIMED_FOR_MS, MOST_CHANGES, Claim, Row


def after(*values: float, row: Row | None = None, by: str = "one", at: int = NOW) -> Row:
    """The row after readings one second apart."""
    row = row or Row()
    for number, value in enumerate(values):
        time = at + 1000 * number
        row = alerts.receive(row, FIELDS, {"temperature": value}, time, Claim(by, time))
    return row


def levels(row: Row) -> list[tuple[str, str]]:
    return [(change.before, change.level) for change in row.changes]


def test_each_change_of_level_is_kept_once() -> None:
    row = after(20, 85, 90, 79, 70, 20, 20)
    assert levels(row) == [("NORMAL", "HIGH"), ("HIGH", "MEDIUM"), ("MEDIUM", "NORMAL")]


def test_a_repeated_reading_changes_nothing() -> None:
    row = after(20, 85)
    again = alerts.receive(row, FIELDS, {"temperature": 85}, NOW + 1000, Claim("one", NOW + 1000))
    assert again == row


def test_a_late_reading_changes_no_level() -> None:
    row = after(20, 85)
    late = alerts.receive(row, FIELDS, {"temperature": 20}, NOW + 500, Claim("one", NOW + 9000))
    assert late.fields["temperature"].level == "HIGH"
    assert late.changes == row.changes


def test_a_change_is_reported_by_one_invocation_until_its_claim_ends() -> None:
    row = after(85, by="one")
    other = alerts.receive(row, FIELDS, {"temperature": 86}, NOW + 1000, Claim("other", NOW + 1000))
    assert (len(other.claimed_by("one")), len(other.claimed_by("other"))) == (1, 0)
    later = NOW + CLAIMED_FOR_MS
    other = alerts.receive(row, FIELDS, {"temperature": 86}, later, Claim("other", later))
    assert (len(other.claimed_by("one")), len(other.claimed_by("other"))) == (0, 1)
    assert other.changes[0].deduplication_id("hall-3") == row.changes[0].deduplication_id("hall-3")


def test_each_change_has_a_deduplication_id_of_its_own() -> None:
    row = Row()
    for number, value in enumerate((85, 20, 85, 20)):
        row = alerts.receive(row, FIELDS, {"temperature": value}, NOW + number, Claim("one", NOW))
    assert len({change.deduplication_id("hall-3") for change in row.changes}) == 4


def test_reported_changes_are_removed_and_later_ones_stay() -> None:
    before = after(85)
    row = after(20, row=before, at=NOW + 9000)
    assert levels(alerts.completed(row, before.changes)) == [("HIGH", "NORMAL")]


def test_changes_that_can_not_be_reported_are_bounded() -> None:
    row = after(*[85, 20] * MOST_CHANGES)
    assert len(row.changes) == MOST_CHANGES
    assert levels(row)[-1] == ("HIGH", "NORMAL")


def test_two_fields_are_independent() -> None:
    fields = {**FIELDS, "humidity": replace(FIELDS["temperature"])}
    row = alerts.receive(Row(), fields, {"temperature": 85, "humidity": 20}, NOW, Claim("one", NOW))
    assert {name: each.level for name, each in row.fields.items()} == {"temperature": "HIGH", "humidity": "NORMAL"}


@given(HISTORIES)
def test_a_row_is_read_as_it_was_written(history: list[tuple[int, float]]) -> None:
    row = Row(settings_version=3)
    for second, value in history:
        row = alerts.receive(row, FIELDS, {"temperature": value}, NOW + second, Claim("one", NOW))
    assert Row.read(row.text()) == row


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"fields": {"t": {}}, "changes": [], "decided": 0}'])
def test_a_row_of_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        Row.read(text)


@given(history=HISTORIES, data=st.data())
def test_in_any_order_the_changes_lead_from_normal_to_the_level_of_the_ordered_readings(
    history: list[tuple[int, float]], data: Any
) -> None:
    ordered, arriving = Row(), Row()
    for second, value in sorted(history):
        ordered = alerts.receive(ordered, FIELDS, {"temperature": value}, NOW + second, Claim("one", NOW))
    for second, value in data.draw(st.permutations(history + history[:3])):
        arriving = alerts.receive(arriving, FIELDS, {"temperature": value}, NOW + second, Claim("one", NOW))
    path = ["NORMAL", *(change.level for change in arriving.changes)]
    assert [change.before for change in arriving.changes] == path[:-1]
    assert all(before != level for before, level in levels(arriving))
    assert path[-1:] == ["NORMAL", *(change.level for change in ordered.changes)][-1:]
    assert arriving.newest == ordered.newest


# The state in the shadow


def test_the_shadow_shows_an_alert_and_the_last_normal_reading_before_it() -> None:
    assert reports.shadow_state(after(20, 85)) == {
        "alert_active": True,
        "alert_levels": {"temperature": "HIGH"},
        "alert_temperature": 85,
        "last_alert": "2026-01-01T00:00:01.000Z",
        "last_normal_reading": "2026-01-01T00:00:00.000Z",
        "alert_changed": "2026-01-01T00:00:01.000Z",
    }


def test_the_shadow_shows_the_last_alert_after_it_has_ended() -> None:
    state = reports.shadow_state(after(85, 20))
    assert (state["alert_active"], state["alert_levels"], state["alert_temperature"]) == (
        False,
        {"temperature": None},
        85,
    )


@pytest.mark.parametrize(("values", "reported"), [((85,), True), ((85, 20), True), ((85, 20, 85), False)])
def test_an_older_state_does_not_replace_a_newer_one(values: tuple[float, ...], reported: bool) -> None:
    document = {"state": {"reported": reports.shadow_state(after(85, 20))}}
    assert reports.is_reported(document, after(*values), NOW + 9000) is reported


@pytest.mark.parametrize("changed", ["x", "2027-01-01T00:00:00.000Z", 5, None, {}])
def test_what_a_device_writes_in_place_of_the_time_does_not_stop_the_report(changed: Any) -> None:
    document = {"state": {"reported": {"alert_changed": changed}}}
    assert not reports.is_reported(document, after(85), NOW + 9000)
