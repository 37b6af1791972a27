"""One JSON line per event on standard output: the functions' own log.

Standard output reaches CloudWatch on every runtime and costs no import; a structured line can be searched
with Logs Insights. Never pass a key, a claim code or a payload: callers give names, sizes and reasons.
"""

import json
import os
from typing import Final

_SEVERITY: Final = {"DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40}
"""Levels by the names that Lambda itself uses for its JSON logs."""


def emit(level: str, event: str, **fields: object) -> None:
    """Print `{"level", "event", ...fields}`, unless `level` is below the environment's LOG_LEVEL."""
    threshold = _SEVERITY.get(os.environ.get("LOG_LEVEL", "INFO").upper(), 20)
    if _SEVERITY[level] >= threshold:
        print(json.dumps({"level": level, "event": event, **fields}, default=str), flush=True)
