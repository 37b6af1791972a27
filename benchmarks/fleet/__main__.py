"""`python -m benchmarks.fleet [--sizes …] [--rates …] [--hours …] [--json] [--write]`: simulates fleets, prints tables.

It fails when a message is lost or a fleet does not reach what `page` says it must. --write updates docs/fleet-size.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import results
from benchmarks.fleet import onboarding, page, steady
from benchmarks.fleet.onboarding import Source

SIZES = (1_000, 10_000, 100_000, 1_000_000)

LARGEST_WHOLE = 50_000
SCALE = 100
"""A larger fleet of devices sends too many messages: a part of it is simulated, on the same part of each quota."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="numbers of new devices")
    parser.add_argument("--rates", type=int, nargs="*", default=list(steady.RATES), help="uplinks per second")
    parser.add_argument("--hours", type=float, default=24.0, help="simulated hours after which an onboarding ends")
    parser.add_argument("--json", action="store_true", help="print every figure as JSON")
    parser.add_argument("--write", action="store_true", help="update docs/fleet-size.md")
    return parser.parse_args()


def simulated(sizes: list[int], rates: list[int], hours: float) -> dict[str, list[dict[str, Any]]]:
    """Every fleet, one after the other, with a progress bar on standard error."""
    found: dict[str, list[dict[str, Any]]] = {"onboarding": [], "steady": []}
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for source in Source:
            for size in sizes:
                task = progress.add_task(f"{size:,} new devices, {source} first", total=size, at="")

                def known(seconds: float, count: int, _size: int, task: Any = task) -> None:
                    progress.update(task, completed=count, at=f"{page.span(seconds)} simulated")

                scale = SCALE if size > LARGEST_WHOLE and source is Source.DEVICES else 1
                one = onboarding.run(size, source, hours=hours, scale=scale, report=known)
                if scale > 1 and found["onboarding"]:
                    # One function marks, whatever the fleet: its rate is that of the last fleet that kept it busy.
                    one["marks_per_second"] = found["onboarding"][-1]["marks_per_second"]
                found["onboarding"].append(one)
                progress.update(task, completed=size)
        for rate in rates:
            task = progress.add_task(f"{rate:,} uplinks per second", total=steady.WARM_UP + steady.MEASURED, at="")

            def passed(seconds: float, task: Any = task) -> None:
                progress.update(task, completed=seconds, at=f"{page.span(seconds)} simulated")

            found["steady"].append(steady.run(rate, report=passed))
    return found


def shown(lines: list[str]) -> Table:
    """A table of the page, for the terminal."""
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    return table


def main() -> None:
    given = arguments()
    # What the functions log for each device is theirs, not this benchmark's.
    os.environ["LOG_LEVEL"] = "ERROR"
    found = simulated(given.sizes, given.rates, given.hours)
    results.record("fleet", found)
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        Console().print(shown(page.onboarding(found["onboarding"])), shown(page.steady(found["steady"])))
    if given.write:
        page.write(found)
    missed = list(page.misses(found))
    if missed:
        sys.exit("\n".join(f"✗ {each}" for each in missed))


if __name__ == "__main__":
    main()
