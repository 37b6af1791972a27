"""The settings of a device in its shadow."""

from typing import Any

import pytest

from tests.unit.telemetry.sensors import FIELDS, TYPES
from thingbridge.telemetry import device_settings, levels
from thingbridge.telemetry.device_settings import DeviceSettings


def read(desired: Any = None, reported: Any = None) -> DeviceSettings:
    document = {"state": {"desired": desired, "reported": reported}, "version": 7}
    return device_settings.read(document, TYPES["temperature"])


def test_the_shadow_of_the_recipe_has_its_own_threshold() -> None:
    settings = read({"temperature_threshold": 75, "reporting_interval": 60, "active": True, "alert_enabled": False})
    assert settings == DeviceSettings({"temperature": 75}, alert_enabled=False, reporting_interval=60, version=7)
    assert levels.level_of(settings.applied_to(FIELDS)["temperature"], 76) == "HIGH"


def test_desired_wins_over_reported() -> None:
    settings = read({"temperature_threshold": 75}, {"temperature_threshold": 90, "active": False})
    assert (settings.thresholds, settings.active) == ({"temperature": 75}, False)


@pytest.mark.parametrize(
    ("desired", "fault"),
    [
        ({"temperature_threshold": "hot"}, "temperature_threshold must be a number"),
        ({"temperature_threshold": 200}, "temperature_threshold must be at most 150 °C; got 200"),
        ({"active": "yes"}, "active must be true or false"),
        ({"alert_enabled": 0}, "alert_enabled must be true or false"),
        ({"reporting_interval": 0}, "reporting_interval must be a number of seconds above 0"),
    ],
)
def test_a_setting_that_can_not_be_used_is_named_and_has_no_effect(desired: Any, fault: str) -> None:
    assert read(desired) == DeviceSettings(faults=(fault,), version=7)


@pytest.mark.parametrize("document", [None, {}, {"state": {}}, {"state": []}, {"state": {"desired": 5}}])
def test_without_settings_those_of_the_type_are_used(document: Any) -> None:
    assert device_settings.read(document, TYPES["temperature"]) == DeviceSettings()


def test_null_is_no_setting() -> None:
    assert read({"temperature_threshold": None, "active": None}) == DeviceSettings(version=7)
