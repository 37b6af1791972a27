"""What a paced shadow costs by the number of uplinks within the minimum interval, beside what is calculated.

It depends on that number alone: an uplink a minute with 600 s costs what one every 0.4 s costs with 4 s. More uplinks
in an interval than these can't be sent so evenly on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypedDict

from rich.table import Table

from benchmarks.costs.one_stack import STACK, OneStack
from cli.costs import uplinks
from cli.costs.prices import Prices
from cli.costs.uplinks import Functions, Shadow
from cli.costs.usage import total
from local import metering

MILLION: Final = 1_000_000

UPLINKS: Final[Mapping[float, int]] = {0.5: 10, 5: 40, 10: 60, 15: 90}
"""Uplinks that are sent, by their number within an interval: whole intervals."""

PARTS: Final = (uplinks.SHADOW, "function shadow")


class Cost(TypedDict):
    """USD per million uplinks for the shadow."""

    measured: float
    calculated: float


def measured(one: OneStack, interval: int, prices: Prices) -> dict[str, Cost]:
    """The cost with a stack that has this `min_interval_seconds`, by the number of uplinks within an interval."""
    found: dict[str, Cost] = {}
    for within, count in UPLINKS.items():
        gap = interval / within
        metered = metering.usage(one.send(count, gap), STACK)
        parts = (metered * (MILLION / count)).usd(prices)
        recipe = uplinks.writes(Shadow(interval=interval), Functions(), gap) * MILLION
        found[f"{within:g}"] = {
            "measured": round(sum(parts.get(part, 0.0) for part in PARTS), 3),
            "calculated": round(total(recipe.usd(prices)), 3),
        }
    return found


def table(found: Mapping[str, Cost]) -> Table:
    """The cost by the number of uplinks in an interval."""
    shown = Table("uplinks per interval", "measured", "calculated", title="the shadow, USD per million uplinks")
    for within, cost in found.items():
        shown.add_row(within, f"{cost['measured']:.2f}", f"{cost['calculated']:.2f}")
    return shown
