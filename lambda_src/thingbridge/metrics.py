"""Metrics without a call: lines in CloudWatch's Embedded Metric Format on standard output.

Format: Amazon CloudWatch User Guide, "Embedded metric format specification". The callers choose what is measured.
"""

import json
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NAMESPACE: Final = "Thingbridge"
STACK_DIMENSION: Final = "StackName"


def emit(
    stack_name: str,
    values: Mapping[str, float],
    at: float,
    *,
    dimensions: Mapping[str, str] = MappingProxyType({}),
    unit: str = "Count",
) -> None:
    """Print values as metrics of the stack. `at`: seconds since 1970; `dimensions`: others than the stack."""
    named = {STACK_DIMENSION: stack_name, **dimensions}
    line = {
        "_aws": {
            "Timestamp": int(at * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [list(named)],
                    "Metrics": [{"Name": name, "Unit": unit} for name in values],
                }
            ],
        },
        **named,
        **values,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
