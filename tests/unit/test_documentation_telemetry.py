"""docs/telemetry.md: what it says about readings is what the code and the module do."""

import json
import re
from math import isclose

import pytest

from tests import documents, events
from tests.unit.telemetry.sensors import TYPES
from thingbridge.devices import topics
from thingbridge.devices.topics import Source
from thingbridge.errors import BadInput
from thingbridge.flows import telemetry
from thingbridge.telemetry import alerts, device_settings, readings, reports
from thingbridge.telemetry.levels import Mark

PAGE = documents.read("docs/telemetry.md")
TEXT = " ".join(PAGE.split())
SOURCE = Source("temperature", "hall-3")
EVENT = {**events.rule_output(documents.blocks(PAGE, "json")[0].encode(), "unused"), "aws_timestamp": 1_767_323_046_000}


def first_codes(section: str, heading: str) -> set[str]:
    """The names in the first cells of a table."""
    rows = documents.table(documents.section(PAGE, section), heading)
    return {re.sub(r"<\w+>", "<>", code) for row in rows for code in documents.code(row[0])}


def test_the_topics_are_those_of_the_code() -> None:
    shown = {"sensor": topics.sensor("farm", "<>", "<>"), "status": topics.status("farm", "<>")}
    answers = {"record": topics.record("farm", Source("<>", "<>")), "rejected": topics.rejected("farm", "<>")}
    assert first_codes("Topics", "Topic") == {*shown.values(), *answers.values()}


def test_the_reading_is_accepted_and_its_record_has_the_documented_fields() -> None:
    reading = readings.receive(EVENT, SOURCE, TYPES)
    record = json.loads(reports.record(reading, "HIGH", 0))
    assert set(record) - set(reading.body) | {"device"} == first_codes("Topics", "Field")


def test_the_settings_and_the_reported_fields_are_those_of_the_code() -> None:
    settings = {"<>_threshold", "temperature_threshold"}
    settings |= {device_settings.ALERT_ENABLED, device_settings.ACTIVE, device_settings.REPORTING_INTERVAL}
    assert first_codes("Settings of a device", "Field") == settings
    state = alerts.FieldState({"HIGH": Mark(1, raised=True)}, "HIGH", 1, 1, 1, 85)
    reported = set(reports.shadow_state(alerts.Row({"temperature": state}, decided=1)))
    assert first_codes("Alerts", "Field") - {"alert_<>"} == reported


@pytest.mark.parametrize("body", [b"?", b"[]", b'{"a": NaN}', b"{}", b'{"device": "x"}', b'{"temperature": 999}'])
def test_a_reason_of_a_refusal_is_documented(body: bytes) -> None:
    with pytest.raises(BadInput) as refused:
        readings.receive(events.rule_output(body, "unused"), SOURCE, TYPES)
    rows = documents.table(documents.section(PAGE, "Refusals"), "`field`")
    reasons = [reason for row in rows for reason in row[1].split("; ")]
    assert any(re.fullmatch(re.escape(each).replace("…", ".*"), refused.value.reason) for each in reasons)


def test_the_figures_are_those_of_the_code() -> None:
    assert f"more than {readings.AHEAD_MS // 1000} seconds ahead" in TEXT
    assert f"does after {alerts.CLAIMED_FOR_MS // 1000} seconds" in TEXT
    assert f"nested deeper than {readings.MAX_LEVELS} levels" in TEXT
    assert telemetry.SILENT_INTERVALS == 3
    assert "for more than three intervals" in TEXT
    settings = re.search(
        r"settings_seconds += optional\(number, (\d+)\)", documents.read("modules/devices/telemetry_variables.tf")
    )
    assert settings
    assert f"`telemetry.settings_seconds` ({settings[1]})" in TEXT


def test_the_default_type_is_that_of_the_module() -> None:
    module = documents.read("modules/devices/telemetry_variables.tf")
    (block,) = documents.blocks(PAGE, "hcl")
    level = r'\{ name = "\w+", (?:above|below) = -?\d+ \}'
    assert re.findall(level, block) == re.findall(level, module)
    for setting in ("minimum    = -50", "maximum    = 150", "required   = true", "hysteresis = 1"):
        assert setting in block
        assert re.sub(" +", " ", setting) in re.sub(" +", " ", module)


def test_the_sum_of_the_costs_is_the_sum() -> None:
    rows = documents.table(documents.section(PAGE, "What a reading costs"), "")
    *parts, total = [[float(number) for number in re.findall(r"\d+\.\d+", row[2])] for row in rows]
    assert isclose(sum(map(sum, parts)), total[0])
