"""What the benchmarks must reach: ratios, ours over the plain way beside it, and USD per million uplinks.

Ratios of one run mean the same on any machine; milliseconds do not, so there is no budget for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

RATIOS: Final = {"two_calls": 0.3, "handler": 0.25, "own_work": 2.5, "cold_start": 0.35}
"""At most: processor time of the two calls of an uplink over plain boto3's two; of the whole handler over the plain
way (search, read, write, publish); of what the function does beside its calls over reading and writing the message as
JSON once; of the cold start of `upstream` over `import boto3` and its first client."""

USD_PER_MILLION: Final = {
    "default": 3.80,
    "default_basic_ingest": 2.85,
    "no_shadow": 2.65,
    "no_shadow_basic_ingest": 1.65,
    "paced": 2.70,
    "paced_basic_ingest": 1.75,
    "rules_basic_ingest": 1.35,
}
"""At most, us-east-1, without what functions log: AWS's own entries depend on a setting (docs/costs.md)."""

GROWTH: Final = {"path": 1.3}
"""At most: latency of the whole local path with the most things over that with the fewest, of the fastest tenth."""


@dataclass(frozen=True)
class Verdict:
    """A figure beside its budget; `value` None: no benchmark has measured it."""

    section: str
    name: str
    value: float | None
    budget: float

    @property
    def holds(self) -> bool:
        """Whether the figure was measured and is within its budget."""
        return self.value is not None and self.value <= self.budget

    @property
    def sentence(self) -> str:
        """The figure and its budget, for a person."""
        if self.value is None:
            return f"{self.section}: {self.name} was not measured."
        return f"{self.section}: {self.name} is {self.value:.3f}, the budget is {self.budget:.2f}."


def verdicts(results: Mapping[str, Any]) -> Iterator[Verdict]:
    """Every budget with what was measured, as in results/bench.json. Costs are compared without logs."""
    for name, budget in RATIOS.items():
        yield Verdict("ratios", name, _number(results.get("ratios", {}).get(name)), budget)
    for name, budget in GROWTH.items():
        yield Verdict("growth", name, _number(results.get("growth", {}).get(name)), budget)
    for name, budget in USD_PER_MILLION.items():
        value = _number(results.get("usd_per_million", {}).get(name))
        logs = results.get("parts", {}).get(name, {}).get("logs", 0.0)
        yield Verdict("usd_per_million", name, value if value is None else value - logs, budget)


def _number(value: Any) -> float | None:
    """A figure; with its spread, it is an object with the median."""
    return value["median"] if isinstance(value, dict) else value
