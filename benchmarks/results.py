"""results/bench.json: what the benchmarks measured on this machine. Each writes its own part; budgets.py judges it.

    {"ratios": {"two_calls": 0.28, …}, "usd_per_million": {"default": 3.9, …}, "parts": {…}, "measured": {…}}

The folder is not in the repository: figures mean something on the machine that they were measured on.
"""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

FILE = Path(__file__).with_name("results") / "bench.json"


class Spread(TypedDict):
    """The median of several runs, and the quarters around it."""

    median: float
    low: float
    high: float


def record(section: str, values: Mapping[str, Any], file: Path = FILE) -> None:
    """Add values to a section; what other benchmarks have recorded stays."""
    results = load(file)
    results[section] = {**results.get(section, {}), **values}
    results["measured"] = {
        **results.get("measured", {}),
        section: datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    fresh.replace(file)


def load(file: Path = FILE) -> dict[str, Any]:
    """Everything that was recorded; empty before the first benchmark."""
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def spread(values: Sequence[float]) -> Spread:
    """Median, and the quarters around it, of several runs of one figure."""
    if len(values) == 1:
        return {"median": values[0], "low": values[0], "high": values[0]}
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "low": low, "high": high}
