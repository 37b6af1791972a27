"""`make bench`: runs every benchmark, then shows what they recorded beside the budgets. Fails when a budget is missed.

A benchmark that fails leaves the others' figures; what it did not record is shown as missing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import budgets, results

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = (
    ("benchmarks.uplink",),
    ("benchmarks.path",),
    ("benchmarks.costs",),
    ("benchmarks.sync", "10000", "100000"),
    ("benchmarks.fleet", "--sizes", "1000", "10000", "--rates", "10", "100"),
)
"""What is run, with arguments; `python -m benchmarks.sync` and `python -m benchmarks.fleet` alone go up to a million
devices."""


def shown(measured: dict[str, Any]) -> Table:
    """Every budget with its figure, and whether it holds."""
    table = Table("figure", "measured", "budget", "")
    for each in budgets.verdicts(measured):
        value = "missing" if each.value is None else f"{each.value:.2f}"
        low_to_high = _spread(measured.get(each.section, {}).get(each.name))
        table.add_row(
            f"{each.section}: {each.name}", value + low_to_high, f"≤ {each.budget:.2f}", "✓" if each.holds else "✗"
        )
    return table


def _spread(value: Any) -> str:
    return f" ({value['low']:.2f}–{value['high']:.2f})" if isinstance(value, dict) else ""


def main() -> None:
    results.FILE.unlink(missing_ok=True)
    failed = []
    for name, *arguments in BENCHMARKS:
        Console().rule(name)
        command = [sys.executable, "-m", name, *arguments]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    measured = results.load()
    Console().print(shown(measured))
    Console().print(f"All figures: {results.FILE.relative_to(ROOT)}", soft_wrap=True)
    plots = ROOT / ".venv-plots" / "bin" / "python"
    if plots.exists():
        subprocess.run([str(plots), "-m", "benchmarks.plots"], cwd=ROOT, check=True)
    else:
        Console().print("No plots: `make bench` makes the environment in which they are drawn.")
    if failed or not all(each.holds for each in budgets.verdicts(measured)):
        missed = [each.sentence for each in budgets.verdicts(measured) if not each.holds]
        sys.exit("\n".join([*missed, *(f"✗ {name} failed or missed a budget." for name in failed)]))


if __name__ == "__main__":
    main()
