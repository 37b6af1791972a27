"""A type of readings as in the documentation, and readings for it in any order."""

import json
from typing import Final

from hypothesis import strategies as st

from thingbridge.telemetry import schema

TYPES_TEXT: Final = json.dumps(
    {
        "temperature": {
            "fields": {
                "temperature": {
                    "unit": "°C",
                    "minimum": -50,
                    "maximum": 150,
                    "required": True,
                    "hysteresis": 2,
                    "levels": [
                        {"name": "HIGH", "above": 80, "below": None},
                        {"name": "MEDIUM", "above": 60, "below": None},
                        {"name": "LOW", "above": None, "below": -10},
                    ],
                },
                "humidity": {"unit": "%", "minimum": 0, "maximum": 100},
            },
            "metrics": "none",
        },
        "status": {"fields": {"battery_level": {"minimum": 0, "maximum": 100}}},
    }
)
"""What Terraform writes."""

TYPES: Final = schema.read(TYPES_TEXT)
TEMPERATURE: Final = TYPES["temperature"].fields["temperature"]
FIELDS: Final = {"temperature": TEMPERATURE}

NOW: Final = 1_767_225_600_000
"""2026-01-01T00:00:00Z, in Unix milliseconds."""

VALUES: Final = st.sampled_from([-30, -11, -10, -9, -8, 20, 57, 58, 59, 60, 61, 77, 78, 79, 80, 81, 95])
"""Around every limit and the end of its hysteresis."""

HISTORIES: Final = st.lists(st.tuples(st.integers(0, 9), VALUES), max_size=12)
"""Readings as (second, value); several may have the same second."""
