"""Readings and shadows of devices in which one field is wrong: each reading is a record or is answered, once."""

from typing import Any

from tests.malformed import malformed
from tests.unit.flows.telemetry_account import DEVICE, TelemetryAccount, reading
from tests.unit.telemetry.sensors import NOW

RIGHT = {
    "temperature": 85.5,
    "humidity": 65,
    "timestamp": "2025-12-31T23:59:59.000Z",
    "device": DEVICE,
    "battery": {"level": 87, "cells": [1, 2]},
}
SETTINGS = {"temperature_threshold": 75, "reporting_interval": 60, "active": True, "alert_enabled": True}


def published(account: TelemetryAccount) -> list[str]:
    return [topic for topic, _ in account.published]


def test_a_reading_is_a_record_or_is_answered_once() -> None:
    for where, payload in malformed(RIGHT):
        account = TelemetryAccount()
        account.environment().handle(reading(payload))
        assert len(account.published) == 1, where
        answered = published(account) == ["farm/device/rejected/hall-3"]
        assert [each["event"] for each in account.log if "refused" in each["event"]] == ["reading_refused"] * answered


def test_the_time_of_receipt_may_be_anything() -> None:
    for received_at in (None, True, -1, 0, 1.5, 10**30, float("nan"), float("inf"), "x", [], {}):
        account = TelemetryAccount()
        account.environment().handle({**reading({"temperature": 85}), "aws_timestamp": received_at})
        assert published(account) == ["farm/record/temperature/hall-3"]


def test_whoever_may_write_the_shadow_can_not_stop_the_records() -> None:
    for name in SETTINGS:
        for wrong in (None, "x", [], {}, -1, 10**30, True, {"a": [None]}):
            account = TelemetryAccount()
            account.shadow, account.version = {"desired": {**SETTINGS, name: wrong}, "reported": wrong}, 1
            if not isinstance(wrong, dict):
                account.shadow["reported"] = {"alert_changed": wrong, "alert_levels": {}}
            account.environment().handle(reading({"temperature": 85}))
            assert published(account) == ["farm/record/temperature/hall-3"], (name, wrong)


def test_a_row_may_be_anything() -> None:
    rows: list[Any] = ["", "[", "null", '{"fields": {"temperature": {"marks": 5}}, "changes": [], "decided": 0}']
    for text in rows:
        account = TelemetryAccount()
        account.rows[DEVICE] = {"state": {"S": text}, "revision": {"N": "1"}}
        account.environment().handle(reading({"temperature": 85}, NOW))
        assert account.levels == ["HIGH"]
