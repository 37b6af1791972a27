"""Levels with hysteresis: the level after any order of readings is that of the readings in order."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.telemetry.sensors import HISTORIES, TEMPERATURE
from thingbridge.telemetry import levels
from thingbridge.telemetry.levels import Mark
from thingbridge.telemetry.schema import Field, Level


def marks_of(readings: Iterable[tuple[int, float]]) -> Mapping[str, Mark]:
    marks: Mapping[str, Mark] = {}
    for at, value in readings:
        marks = levels.marked(marks, TEMPERATURE, value, at)
    return marks


def levels_of(*values: float) -> list[str]:
    """The level after each of these readings."""
    readings = list(enumerate(values, 1))
    return [levels.level(marks_of(readings[:number]), TEMPERATURE) for number in range(1, len(readings) + 1)]


@pytest.mark.parametrize(
    ("value", "level"),
    [(80.5, "HIGH"), (80, "MEDIUM"), (60.5, "MEDIUM"), (60, "NORMAL"), (-10, "NORMAL"), (-10.5, "LOW")],
)
def test_a_level_begins_beyond_its_limit(value: float, level: str) -> None:
    assert levels_of(value) == [level]
    assert levels.level_of(TEMPERATURE, value) == level


def test_a_level_is_kept_until_the_value_is_back_by_the_hysteresis() -> None:
    assert levels_of(81, 79, 80, 78, 59, 58) == ["HIGH", "HIGH", "HIGH", "MEDIUM", "MEDIUM", "NORMAL"]
    assert levels_of(-11, -9, -8) == ["LOW", "LOW", "NORMAL"]


def test_a_value_within_the_hysteresis_begins_no_level() -> None:
    assert levels_of(50, 79, 81) == ["NORMAL", "MEDIUM", "HIGH"]


def test_from_high_to_low_in_one_step() -> None:
    assert levels_of(95, -30, 95) == ["HIGH", "LOW", "HIGH"]


def in_order(readings: Iterable[tuple[int, float]]) -> str:
    """The level by a state machine that sees the readings in the order of their times: the plain way."""
    raised = dict.fromkeys(("HIGH", "MEDIUM", "LOW"), False)
    for _, value in sorted(readings):
        for name, limit in (("HIGH", 80), ("MEDIUM", 60)):
            raised[name] = value > limit or (raised[name] and value > limit - 2)
        raised["LOW"] = value < -10 or (raised["LOW"] and value < -8)
    return next((name for name, is_raised in raised.items() if is_raised), "NORMAL")


@given(
    readings=st.lists(st.tuples(st.integers(1, 99), st.integers(-30, 95)), max_size=12, unique_by=lambda each: each[0]),
    data=st.data(),
)
def test_readings_in_any_order_with_repeats_end_at_the_level_of_the_ordered_ones(
    readings: list[tuple[int, float]], data: Any
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(readings), max_size=5)) if readings else []
    arriving = data.draw(st.permutations(readings + repeated))
    assert levels.level(marks_of(arriving), TEMPERATURE) == in_order(readings)


@given(readings=HISTORIES, data=st.data())
def test_two_readings_of_the_same_second_have_the_same_outcome_in_any_order(
    readings: list[tuple[int, float]], data: Any
) -> None:
    assert marks_of(data.draw(st.permutations(readings))) == marks_of(readings)


def test_the_threshold_of_a_device_is_the_limit_of_the_highest_level() -> None:
    own = levels.with_threshold(TEMPERATURE, 75)
    assert [(each.name, each.above, each.below) for each in own.levels] == [
        ("HIGH", 75, None),
        ("MEDIUM", 60, None),
        ("LOW", None, -10),
    ]


def test_a_threshold_below_a_lower_level_leaves_that_out() -> None:
    own = levels.with_threshold(TEMPERATURE, 55)
    assert [each.name for each in own.levels] == ["HIGH", "LOW"]
    assert levels.level_of(own, 59) == "HIGH"


def test_a_field_without_high_values_keeps_its_levels() -> None:
    field = Field(levels=[Level("LOW", below=20)])
    assert levels.with_threshold(field, 10) is field
