"""Readings in one account: records, alerts, the state in the shadow, refusals, and what each of them costs in calls."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.flows.telemetry_account import DEVICE, TelemetryAccount, reading
from tests.unit.telemetry.sensors import FIELDS, NOW, TYPES, VALUES
from thingbridge.errors import Busy
from thingbridge.telemetry import alerts
from thingbridge.telemetry.alerts import CLAIMED_FOR_MS, Claim, Row
from thingbridge.telemetry.schema import Metrics

RETRY_SECONDS = 60.0
"""When Lambda invokes a function again after its first failure."""


@pytest.fixture
def account() -> TelemetryAccount:
    return TelemetryAccount()


def send(account: TelemetryAccount, *values: float, **more: Any) -> None:
    """Handle readings that were received one minute apart, each when it was received."""
    flow = account.environment()
    for value in values:
        flow.handle(reading({"temperature": value, **more}, int(account.clock.now * 1000)))
        account.clock.wait(60)


# Records


def test_a_record_has_what_the_device_sent_and_what_was_found_out(account: TelemetryAccount) -> None:
    account.environment().handle(reading({"temperature": 85.5, "note": "x", "timestamp": "2025-12-31T23:59:59Z"}))
    assert account.published == [
        (
            "farm/record/temperature/hall-3",
            {
                "temperature": 85.5,
                "note": "x",
                "timestamp": "2025-12-31T23:59:59Z",
                "device": "hall-3",
                "type": "temperature",
                "alert_level": "HIGH",
                "measured_timestamp": "2025-12-31T23:59:59.000Z",
                "aws_timestamp": NOW,
                "processed_timestamp": "2026-01-01T00:00:00.000Z",
            },
        )
    ]


def test_the_record_has_the_level_with_hysteresis_and_a_late_one_that_of_its_value(account: TelemetryAccount) -> None:
    send(account, 81, 79)
    account.environment().handle(reading({"temperature": 79}, NOW - 1))
    assert [record["alert_level"] for record in account.records] == ["HIGH", "HIGH", "MEDIUM"]


def test_a_status_is_a_record_without_a_level(account: TelemetryAccount) -> None:
    account.environment().handle(reading({"battery_level": 87, "firmware": "1.0.0"}, type_name="status"))
    ((topic, record),) = account.published
    assert topic == "farm/record/status/hall-3"
    assert (record["battery_level"], record["alert_level"]) == (87, None)
    assert account.take_calls() == {"Publish": 1}


# What it costs


def test_a_quiet_reading_costs_a_row_and_a_record(account: TelemetryAccount) -> None:
    flow = account.environment()
    flow.handle(reading({"temperature": 20}))
    account.take_calls()
    for number in range(1, 4):
        flow.handle(reading({"temperature": 20 + number}, NOW + number))
    assert account.take_calls() == {"UpdateItem": 3, "Publish": 3}


def test_a_change_costs_one_read_and_one_write_of_the_shadow_and_one_notification(account: TelemetryAccount) -> None:
    account.desire(active=True)
    flow = account.environment()
    flow.handle(reading({"temperature": 20}))
    account.take_calls()
    flow.handle(reading({"temperature": 85}, NOW + 1))
    assert account.take_calls() == {
        "UpdateItem": 2,
        "Publish": 1,
        "Notify": 1,
        "PutLogEvents": 1,
        "GetThingShadow": 1,
        "UpdateThingShadow": 1,
    }


def test_the_settings_are_read_once_in_a_while(account: TelemetryAccount) -> None:
    send(account, *[20] * 10)
    assert account.take_calls()["GetThingShadow"] == 2


# Alerts


def test_each_change_of_level_is_notified_once_and_in_the_shadow(account: TelemetryAccount) -> None:
    send(account, 20, 85, 90, 79, 20, 20)
    assert account.levels == ["HIGH", "NORMAL"]
    assert account.reported == {
        "alert_active": False,
        "alert_levels": {},
        "alert_temperature": 85,
        "last_alert": "2026-01-01T00:01:00.000Z",
        "last_normal_reading": "2026-01-01T00:04:00.000Z",
        "alert_changed": "2026-01-01T00:04:00.000Z",
    }


def test_a_notification_says_what_has_changed_and_carries_a_deduplication_id(account: TelemetryAccount) -> None:
    send(account, 85.5)
    (sent,) = account.notified
    assert sent["Subject"] == "HIGH: temperature 85.5 of hall-3"
    body = json.loads(sent["Message"])
    attributes = {name: each["StringValue"] for name, each in sent["MessageAttributes"].items()}
    assert (body["device"], body["value"], body["unit"], body["previous_level"]) == (DEVICE, 85.5, "°C", "NORMAL")
    assert (attributes["alert_level"], attributes["type"]) == ("HIGH", "temperature")
    assert attributes["deduplication_id"] == body["deduplication_id"]


def test_the_threshold_in_the_shadow_wins(account: TelemetryAccount) -> None:
    account.desire(temperature_threshold=75)
    send(account, 76)
    assert account.levels == ["HIGH"]


def test_muted_alerts_are_in_the_shadow_and_not_notified(account: TelemetryAccount) -> None:
    send(account, 20)
    account.desire(alert_enabled=False)
    send(account, 85)
    assert account.notified == []
    assert account.reported["alert_active"] is True
    assert [(each["event"], each["notified"]) for each in account.log] == [("alert_level_changed", False)]


def test_an_inactive_device_has_records_and_no_alerts(account: TelemetryAccount) -> None:
    account.desire(active=False)
    send(account, 85)
    assert account.records[0]["alert_level"] == "HIGH"
    assert (account.notified, account.reported, account.rows) == ([], {}, {})


def test_without_a_topic_the_shadow_is_written_all_the_same(account: TelemetryAccount) -> None:
    account.environment(notifies=False).handle(reading({"temperature": 85}))
    assert (account.notified, account.reported["alert_active"]) == ([], True)


def test_newer_settings_of_another_execution_environment_are_used_at_once(account: TelemetryAccount) -> None:
    one, other = account.environment(), account.environment()
    one.handle(reading({"temperature": 70}))
    account.desire(temperature_threshold=65)
    other.handle(reading({"temperature": 70}, NOW + 1))
    one.handle(reading({"temperature": 71}, NOW + 2))
    other.handle(reading({"temperature": 70}, NOW + 3))
    assert account.levels == ["MEDIUM", "HIGH"]


def test_a_setting_that_can_not_be_used_is_recorded_once(account: TelemetryAccount) -> None:
    account.desire(temperature_threshold="hot")
    send(account, 20, 21)
    assert [(each["event"], each["stream"]) for each in account.log] == [("device_setting_not_used", DEVICE)]


def test_a_device_that_was_silent_is_recorded(account: TelemetryAccount) -> None:
    account.desire(reporting_interval=60)
    send(account, 20, 21)
    assert account.log == []
    account.clock.wait(600)
    send(account, 22)
    assert [(each["event"], each["seconds"]) for each in account.log] == [("device_was_silent", 660)]


def test_a_clock_that_can_not_be_right_is_recorded_once(account: TelemetryAccount) -> None:
    send(account, 20, 21, timestamp="1970-01-01T00:00:01Z")
    assert [each["event"] for each in account.log] == ["timestamp_not_used"]


def test_a_row_that_can_not_be_read_begins_again(account: TelemetryAccount) -> None:
    account.rows[DEVICE] = {"state": {"S": "?"}, "revision": {"N": "4"}}
    send(account, 85)
    assert account.levels == ["HIGH"]
    assert account.log[0]["event"] == "alert_state_not_readable"


# Refusals


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"22.5\xff", "payload"),
        ({"temperature": 151}, "temperature"),
        ({"temperature": 85, "device": "hall-4"}, "device"),
    ],
)
def test_a_bad_reading_is_answered_and_recorded_and_nothing_else(
    account: TelemetryAccount, body: Any, field: str
) -> None:
    account.environment().handle(reading(body))
    ((topic, answer),) = account.published
    assert topic == "farm/device/rejected/hall-3"
    assert (answer["device"], answer["type"], answer["field"]) == (DEVICE, "temperature", field)
    (entry,) = account.log
    assert (entry["stream"], entry["event"], entry["reason"]) == (
        DEVICE,
        "reading_refused",
        f"{field}: {answer['reason']}",
    )
    assert (account.notified, account.rows) == ([], {})


def test_a_reading_without_any_time_is_a_record_and_changes_no_level(account: TelemetryAccount) -> None:
    account.environment().handle(reading({"temperature": 85}, None))
    assert [record["alert_level"] for record in account.records] == ["HIGH"]
    assert [each["event"] for each in account.log] == ["reading_not_ordered"]
    assert account.notified == []


def test_a_topic_that_names_no_device_is_recorded(account: TelemetryAccount) -> None:
    account.environment().handle({"topic": "farm/sensor/temperature/hall 3", "payload": "e30="})
    assert [(each["stream"], each["event"]) for each in account.log] == [("unidentified", "reading_dropped")]


# Failures


@pytest.mark.parametrize("operation", ["Notify", "Publish", "UpdateThingShadow"])
@pytest.mark.parametrize("takes_effect", [False, True])
def test_what_failed_is_reported_when_the_reading_is_handled_again(
    account: TelemetryAccount, operation: str, takes_effect: bool
) -> None:
    account.failing = {operation}
    account.unnoticed = {operation} if takes_effect else set()
    event = reading({"temperature": 85})
    with pytest.raises(Busy):
        account.environment().handle(event)
    account.clock.wait(RETRY_SECONDS)
    account.environment().handle(event)
    assert account.reported["alert_active"] is True
    assert set(account.levels) == {"HIGH"}
    assert len({each["MessageAttributes"]["deduplication_id"]["StringValue"] for each in account.notified}) == 1
    assert not Row.read(account.rows[DEVICE]["state"]["S"]).changes


def test_a_change_that_was_left_behind_is_reported_with_the_next_reading(account: TelemetryAccount) -> None:
    account.failing = {"Notify"}
    with pytest.raises(Busy):
        account.environment().handle(reading({"temperature": 85}))
    account.environment().handle(reading({"temperature": 86}, NOW + 1000))
    assert account.levels == []
    account.clock.wait(CLAIMED_FOR_MS / 1000)
    account.environment().handle(reading({"temperature": 86}, NOW + CLAIMED_FOR_MS))
    assert account.levels == ["HIGH"]


def test_a_shadow_that_its_device_keeps_writing_is_tried_again_later(account: TelemetryAccount) -> None:
    account.desire(active=True)
    flow = account.environment()
    read = account.get_thing_shadow

    def restless(**request: Any) -> dict[str, Any]:
        answer = read(**request)
        account.version += 1
        return answer

    account.get_thing_shadow = restless  # type: ignore[method-assign]
    with pytest.raises(Busy, match="met a concurrent write"):
        flow.handle(reading({"temperature": 85}))


# Any order

ARRIVALS = st.lists(st.tuples(st.integers(0, 20), VALUES), min_size=1, max_size=8, unique_by=lambda each: each[0])


@given(readings=ARRIVALS, data=st.data())
def test_readings_in_any_order_late_repeated_and_in_two_environments_end_at_the_level_of_the_ordered_ones(
    readings: list[tuple[int, float]], data: Any
) -> None:
    account = TelemetryAccount()
    environments = account.environment(), account.environment()
    arriving = data.draw(st.permutations(readings + readings[:2]))
    account.clock.wait(100)
    for second, value in arriving:
        event = reading({"temperature": value, "timestamp": NOW + 1000 * second}, int(account.clock.now * 1000))
        if data.draw(st.booleans()):
            account.failing = {data.draw(st.sampled_from(["Notify", "UpdateThingShadow", "UpdateItem", "Publish"]))}
        for _ in range(2):
            try:
                data.draw(st.sampled_from(environments)).handle(event)
                break
            except Busy:
                account.clock.wait(RETRY_SECONDS)
        account.failing = set()

    ordered = Row()
    for second, value in sorted(readings):
        at = NOW + 1000 * second
        ordered = alerts.receive(ordered, FIELDS, {"temperature": value}, at, Claim("one", at))
    level = ordered.fields["temperature"].level
    row = Row.read(account.rows[DEVICE]["state"]["S"])
    assert row.fields["temperature"].level == level
    assert row.changes == ()
    assert account.reported.get("alert_levels", {}).get("temperature", "NORMAL") == level
    assert account.reported.get("alert_active", False) == (level != "NORMAL")

    notified = {
        each["MessageAttributes"]["deduplication_id"]["StringValue"]: json.loads(each["Message"])
        for each in account.notified
    }
    path = ["NORMAL"]
    for each in notified.values():
        assert each["previous_level"] == path[-1]
        path.append(each["alert_level"])
    assert path[-1] == level


@given(st.lists(VALUES, max_size=10))
def test_readings_in_order_are_notified_exactly_when_their_level_changes(values: list[float]) -> None:
    account = TelemetryAccount()
    send(account, *values)
    levels = [record["alert_level"] for record in account.records]
    changes = [after for before, after in zip(["NORMAL", *levels], levels, strict=False) if before != after]
    assert account.levels == changes


# Metrics


def metrics_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if "_aws" in line]


@pytest.mark.parametrize(("wanted", "lines"), [(Metrics.NONE, 0), (Metrics.TYPE, 2), (Metrics.DEVICE, 3)])
def test_metrics_are_printed_only_for_a_type_that_wants_them(
    account: TelemetryAccount, capsys: pytest.CaptureFixture[str], wanted: Metrics, lines: int
) -> None:
    types = {"temperature": replace(TYPES["temperature"], metrics=wanted)}
    account.environment(types).handle(reading({"temperature": 85}))
    printed = metrics_of(capsys)
    assert len(printed) == lines
    if printed:
        assert (printed[0]["DeviceType"], printed[0]["Readings"], printed[0]["AlertChanges"]) == ("temperature", 1, 1)
        assert (printed[-1]["DeviceType"], printed[-1]["AlertLevel"], printed[-1]["LevelChanges"]) == (
            "temperature",
            "HIGH",
            1,
        )
    if lines == 3:
        assert (printed[1]["Device"], printed[1]["temperature"]) == (DEVICE, 85)


@pytest.mark.parametrize(("wanted", "types"), [(Metrics.NONE, [None]), (Metrics.TYPE, [None, "temperature"])])
def test_a_refused_reading_is_counted_for_the_stack_and_for_a_type_that_wants_metrics(
    account: TelemetryAccount, capsys: pytest.CaptureFixture[str], wanted: Metrics, types: list[str | None]
) -> None:
    of_type = {"temperature": replace(TYPES["temperature"], metrics=wanted)}
    account.environment(of_type).handle(reading({"temperature": 999}))
    counted = metrics_of(capsys)
    assert [(line["ReadingsRefused"], line.get("DeviceType")) for line in counted] == [(1, each) for each in types]
