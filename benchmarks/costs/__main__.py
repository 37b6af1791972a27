"""`python -m benchmarks.costs [UPLINKS]`: applies a stack in each mode, sends uplinks, prices what the meter counts.

What is counted does not depend on the machine; how long a function runs does, so its processor time is measured and the
duration on AWS is derived from it (docs/costs.md). It takes some minutes: each mode is an apply.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import budgets, results
from benchmarks.costs import intervals
from benchmarks.costs.intervals import Cost
from benchmarks.costs.one_stack import STACK, OneStack
from cli.costs import uplinks
from cli.costs.prices import Item, Prices
from cli.costs.uplinks import LOGS, MESSAGE_IN, MESSAGE_OUT, RULE
from cli.costs.usage import Usage, total
from local import metering

MILLION = 1_000_000
PUBSUB = {"mode": "pubsub", "pubsub": {"has_aws_iot_provider": True}}

BASIC_INGEST = "_basic_ingest"

PACED_INTERVAL, PACED_PAUSE = 4, 0.4
"""Seconds: ten uplinks for each write, as with one uplink a minute and `min_interval_seconds = 600`."""

MODES: dict[str, tuple[dict[str, Any], float]] = {
    "default": ({"ingest": PUBSUB, "shadow": {}}, 0.0),
    "no_shadow": ({"ingest": PUBSUB, "shadow": {"metrics": False}}, 0.0),
    "paced": ({"ingest": PUBSUB, "shadow": {"min_interval_seconds": PACED_INTERVAL}}, PACED_PAUSE),
    "webhook": ({"ingest": {"mode": "webhook"}, "shadow": {}}, 0.0),
}
"""Inputs of each mode, and seconds between two uplinks. `default` comes in without a function, as in the budgets."""


def per_million(
    console: Console, uplinks_sent: int, prices: Prices
) -> tuple[dict[str, dict[str, float]], dict[str, Cost]]:
    """USD per million uplinks by part, in each mode; and what the shadow costs by the uplinks in an interval."""
    parts: dict[str, dict[str, float]] = {}
    by_interval: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory() as directory, OneStack.running(Path(directory)) as one:
        for name, (choices, pause) in MODES.items():
            console.print(f"{name}: apply …")
            one.apply(choices)
            events = one.send(uplinks_sent, pause)
            metered = metering.usage(events, STACK)
            parts[name] = (metered * (MILLION / uplinks_sent)).usd(prices)
            durations = {
                each: round(metering.duration(events, STACK, each), 1) for each in metering.by_function(events, STACK)
            }
            console.print(f"{name}: {uplinks_sent} uplinks, derived milliseconds of functions on AWS: {durations}")
            console.print(_counted(metered, uplinks_sent))
            if name == "paced":
                by_interval = intervals.measured(one, PACED_INTERVAL, prices)
    return parts, by_interval


def computed(measured: Mapping[str, Mapping[str, float]], prices: Prices) -> dict[str, dict[str, float]]:
    """Modes that are calculated from the parts of those that were measured, and from the price table.

    With Basic Ingest, the message into the rule costs nothing. With rules alone, one rule publishes the message again.
    """
    basic = {
        f"{name}{BASIC_INGEST}": {part: usd for part, usd in measured[name].items() if part != MESSAGE_IN}
        for name in ("default", "no_shadow", "paced")
    }
    rules = Usage.of([(RULE, Item.IOT_RULE, 1), (RULE, Item.IOT_ACTION, 1), (MESSAGE_OUT, Item.IOT_MESSAGE, 1)])
    return {**basic, f"rules{BASIC_INGEST}": (rules * MILLION).usd(prices)}


def _counted(metered: Usage, uplinks_sent: int) -> str:
    return ", ".join(f"{part}: {units / uplinks_sent:.3g} {item}" for part, item, units in metered)


def closed(prices: Prices) -> dict[str, dict[str, float]]:
    """The closed integration, as the rights of its functions imply."""
    return {
        f"closed, {words}": (uplinks.closed(remembers=remembers) * MILLION).usd(prices)
        for remembers, words in ((False, "searches"), (True, "remembers"))
    }


def table(parts: Mapping[str, Mapping[str, float]], origins: Mapping[str, str]) -> Table:
    """All modes side by side, with the source of each figure."""
    shown = Table("mode", "USD per million", "without logs", "budget", "", "made of")
    for name, each in parts.items():
        budget = budgets.USD_PER_MILLION.get(name)
        made_of = " + ".join(f"{part} {usd:.2f}" for part, usd in each.items() if usd >= 0.005)
        without = total(each) - each.get(LOGS, 0.0)
        usd = (f"{total(each):.2f}", f"{without:.2f}", f"{budget:.2f}" if budget else "")
        shown.add_row(name, *usd, origins[name], made_of)
    return shown


def main() -> None:
    uplinks_sent = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    prices = Prices.of("us-east-1")
    measured, by_interval = per_million(Console(stderr=True), uplinks_sent, prices)
    others = {**computed(measured, prices), **closed(prices)}
    parts = {**measured, **others}
    origins = {**dict.fromkeys(measured, "measured"), **dict.fromkeys(others, "computed")}
    Console().print(table(parts, origins))
    Console().print(intervals.table(by_interval))
    for what, how in metering.DERIVED.items():
        Console().print(f"derived, not counted: {what}: {how}")
    results.record("usd_per_million", {name: round(total(each), 4) for name, each in parts.items()})
    results.record("parts", {name: {part: round(usd, 4) for part, usd in each.items()} for name, each in parts.items()})
    results.record("origins", origins)
    results.record("intervals", by_interval)
    missed = [each for each in budgets.verdicts(results.load()) if each.section == "usd_per_million" and not each.holds]
    if missed:
        sys.exit("\n".join(each.sentence for each in missed))


if __name__ == "__main__":
    main()
