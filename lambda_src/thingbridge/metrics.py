"""Metrics without a call: lines in CloudWatch's Embedded Metric Format on standard output.

Format: Amazon CloudWatch User Guide, "Embedded metric format specification". The callers choose what is counted.
"""

import json
import sys
from collections.abc import Mapping
from typing import Final

NAMESPACE: Final = "Thingbridge"
STACK_DIMENSION: Final = "StackName"


def emit(stack_name: str, counts: Mapping[str, int], at: float) -> None:
    """Print the counts as metrics of the stack. `at`: seconds since 1970."""
    line = {
        "_aws": {
            "Timestamp": int(at * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [[STACK_DIMENSION]],
                    "Metrics": [{"Name": name, "Unit": "Count"} for name in counts],
                }
            ],
        },
        STACK_DIMENSION: stack_name,
        **counts,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
