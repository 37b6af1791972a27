"""Readings: what is accepted, what is refused and why, and when a reading was taken."""

from typing import Any

import pytest

from tests import events
from tests.unit.telemetry.sensors import NOW, TYPES
from thingbridge.devices import topics
from thingbridge.devices.topics import Source
from thingbridge.errors import BadInput
from thingbridge.telemetry import readings
from thingbridge.telemetry.readings import Reading, rfc3339

SOURCE = Source("temperature", "hall-3")


def receive(body: Any, source: Source = SOURCE, received_at: Any = NOW) -> Reading:
    event = {**events.rule_output(body, "unused"), "aws_timestamp": received_at}
    return readings.receive(event, source, TYPES)


def test_the_reading_of_the_recipe_is_accepted() -> None:
    reading = receive(
        {
            "temperature": 85.5,
            "humidity": 65,
            "timestamp": "2025-12-31T23:59:58.250Z",
            "device": "hall-3",
            "battery_level": 87,
        }
    )
    assert reading.values == {"temperature": 85.5, "humidity": 65}
    assert reading.at == NOW - 1750
    assert reading.clock is None


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (b"22.5\xff", "payload", "is not JSON"),
        ([22.5], "payload", "is JSON, but not an object"),
        (b'{"temperature": 5, "x": NaN}', "payload", "contains NaN or Infinity, which are not JSON"),
        ({}, "temperature", "is missing"),
        ({"temperature": None}, "temperature", "is missing"),
        ({"temperature": "22"}, "temperature", "must be a number"),
        ({"temperature": True}, "temperature", "must be a number"),
        ({"temperature": 150.5}, "temperature", "must be at most 150 °C; got 150.5"),
        ({"temperature": -51}, "temperature", "must be at least -50 °C; got -51"),
        ({"temperature": 10**400}, "temperature", "must be a number"),
        ({"temperature": 20, "humidity": 101}, "humidity", "must be at most 100 %; got 101"),
    ],
)
def test_a_bad_reading_is_refused_with_field_and_reason(body: Any, field: str, reason: str) -> None:
    with pytest.raises(BadInput) as refused:
        receive(body if isinstance(body, bytes | dict) else b"[22.5]")
    assert (refused.value.field, refused.value.reason) == (field, reason)


@pytest.mark.parametrize("claimed", ["hall-4", "", 5, {"name": "hall-3"}, "hall-3 "])
def test_a_reading_that_claims_the_name_of_another_device_is_refused(claimed: Any) -> None:
    with pytest.raises(BadInput, match="but the reading was published by hall-3") as refused:
        receive({"temperature": 20, "device": claimed})
    assert refused.value.field == "device"


def test_a_reading_of_an_unknown_type_is_refused_and_names_the_known_ones() -> None:
    with pytest.raises(BadInput, match="'pressure' is not a type of readings; there are: status, temperature"):
        receive({"pressure": 1}, Source("pressure", "hall-3"))


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        ("2025-12-31T23:00:00Z", NOW - 3_600_000),
        ("2026-01-01T00:30:00+01:00", NOW - 1_800_000),
        ("2025-12-31T23:00:00", NOW - 3_600_000),
        (NOW / 1000 - 5, NOW - 5000),
        (NOW - 5000, NOW - 5000),
        (NOW + 59_000, NOW + 59_000),
    ],
)
def test_the_time_of_the_device_counts(timestamp: Any, at: int) -> None:
    reading = receive({"temperature": 20, "timestamp": timestamp})
    assert (reading.at, reading.clock) == (at, None)


@pytest.mark.parametrize(
    ("timestamp", "clock"),
    [
        ("1970-01-01T00:00:10Z", "timestamp is before 2015"),
        ("2026-01-01T01:00:00Z", "timestamp is 3600 seconds ahead of AWS IoT"),
        (NOW + 61_000, "timestamp is 61 seconds ahead"),
        ("yesterday", "timestamp is neither"),
        ([], "timestamp is neither"),
        (-5, "timestamp is neither"),
        (10**18, "timestamp is neither"),
    ],
)
def test_a_clock_that_can_not_be_right_is_replaced_by_that_of_aws_iot(timestamp: Any, clock: str) -> None:
    reading = receive({"temperature": 20, "timestamp": timestamp})
    assert reading.at == NOW
    assert str(reading.clock).startswith(clock)


def test_a_reading_without_a_time_is_as_new_as_its_receipt() -> None:
    assert receive({"temperature": 20}).at == NOW
    assert receive({"temperature": 20}, received_at=None).at is None


def test_a_topic_names_type_and_device() -> None:
    assert topics.source("farm/sensor/temperature/hall-3", "farm") == SOURCE
    assert topics.source("farm/device/status/hall-3", "farm") == Source("status", "hall-3")


@pytest.mark.parametrize(
    "topic",
    [
        *("orchard/sensor/temperature/hall-3", "farm/sensor/hall-3", "farm/sensor/temperature/hall 3", None, 5),
        *("farm/sensor/status/hall-3", "farm/device/config/hall-3", "farm/sensor//hall-3", "farm/sensor/t/a/b"),
        *("farm/record/temperature/hall-3", "farm/device/rejected/hall-3"),
    ],
)
def test_no_other_topic_is_one_of_readings(topic: Any) -> None:
    assert topics.source(topic, "farm") is None


def test_the_topics_that_are_built_are_those_that_are_read() -> None:
    assert topics.source(topics.sensor("farm", "temperature", "hall-3"), "farm") == SOURCE
    assert topics.source(topics.status("farm", "hall-3"), "farm") == Source("status", "hall-3")


def test_times_are_written_so_that_they_sort() -> None:
    assert rfc3339(NOW + 5) == "2026-01-01T00:00:00.005Z"
    assert rfc3339(NOW + 999) < rfc3339(NOW + 1000)
