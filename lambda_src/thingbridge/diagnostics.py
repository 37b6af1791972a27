"""The functions' own log: one JSON line per event on standard output.

Standard output reaches CloudWatch on every runtime and needs no import; structured lines can be searched with Logs
Insights. Never log a key, a claim code or a payload: callers pass names, sizes and reasons.
"""

import json
import os
from typing import Final

_SEVERITY: Final = {"DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40}
"""Levels by the names that Lambda uses in its own JSON logs."""


def emit(level: str, event: str, **fields: object) -> None:
    """Print `{"level", "event", ...fields}`, unless `level` is below the environment's LOG_LEVEL."""
    threshold = _SEVERITY.get(os.environ.get("LOG_LEVEL", "INFO").upper(), 20)
    if _SEVERITY[level] >= threshold:
        print(json.dumps({"level": level, "event": event, **fields}, default=str), flush=True)
