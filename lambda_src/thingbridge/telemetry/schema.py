"""Types of readings, as the Terraform variable `telemetry` describes them: fields, units, ranges, levels of alert."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from thingbridge.errors import BadInput

NORMAL: Final = "NORMAL"
"""The level of a field that is at none of its levels of alert."""

MAX_WHOLE_NUMBER: Final = 2**53
"""The largest whole number that every reader of JSON understands."""


class Metrics(StrEnum):
    """Which metrics a type has."""

    NONE = "none"
    TYPE = "type"
    DEVICE = "device"


@dataclass(frozen=True)
class Level:
    """A level of alert: of values above a limit, or of values below one."""

    name: str
    above: float | None = None
    below: float | None = None


@dataclass(frozen=True)
class Field:
    """A number in a reading. `levels`: the most severe first. `hysteresis`: how far a value must be back to clear one.

    `minimum` and `maximum`: the range of the sensor, None for no limit; `unit` is for messages alone.
    """

    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False
    hysteresis: float = 0
    levels: Sequence[Level] = ()

    def fault(self, value: object) -> str | None:
        """Why this can't be a value of the field; None if it can."""
        if not is_number(value):
            return "must be a number"
        assert isinstance(value, int | float)
        unit = f" {self.unit}" if self.unit else ""
        if self.minimum is not None and value < self.minimum:
            return f"must be at least {self.minimum:g}{unit}; got {value:g}"
        if self.maximum is not None and value > self.maximum:
            return f"must be at most {self.maximum:g}{unit}; got {value:g}"
        return None


@dataclass(frozen=True)
class ReadingType:
    """A type of readings. Fields that are not listed are neither checked nor removed."""

    fields: Mapping[str, Field] = field(default_factory=dict)
    metrics: Metrics = Metrics.NONE

    @property
    def alerting(self) -> Mapping[str, Field]:
        """The fields that have levels of alert."""
        return {name: each for name, each in self.fields.items() if each.levels}

    def check(self, body: Mapping[str, Any]) -> dict[str, float]:
        """The values of the type's fields in a reading. Raises BadInput for the first that is missing or wrong."""
        values: dict[str, float] = {}
        for name, each in self.fields.items():
            value = body.get(name)
            if value is None:
                if each.required:
                    raise BadInput(name, "is missing")
                continue
            if reason := each.fault(value):
                raise BadInput(name, reason)
            values[name] = value
        return values


def read(text: str) -> dict[str, ReadingType]:
    """Name → type, of the setting that Terraform writes. Raises ValueError, KeyError or TypeError for other texts."""
    return {
        name: ReadingType(
            {field_name: _field(each) for field_name, each in (described.get("fields") or {}).items()},
            Metrics(described.get("metrics") or Metrics.NONE),
        )
        for name, described in json.loads(text).items()
    }


def _field(described: Mapping[str, Any]) -> Field:
    levels = [Level(**each) for each in described.get("levels") or ()]
    return Field(**{**{name: value for name, value in described.items() if value is not None}, "levels": levels})


def is_number(value: object) -> bool:
    """Whether a JSON value is a number that every reader understands."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= MAX_WHOLE_NUMBER if isinstance(value, int) else math.isfinite(value)
