"""`python -m benchmarks.plots`: draws what results/bench.json has, as PNG files beside it.

It runs in an environment of its own (`.venv-plots`, requirements-plots.txt): nothing else needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks import budgets, results

Measured = Mapping[str, Any]

OURS, BUDGET = "#1f6feb", "black"
WIDTH: Final = 0.6


def ratios(axes: Axes, measured: Measured) -> None:
    """Our processor time over that of the plain way, with its quarters and budgets."""
    names = list(measured["spread"])
    middle = [measured["spread"][name]["median"] for name in names]
    low = [value - measured["spread"][name]["low"] for name, value in zip(names, middle, strict=True)]
    high = [measured["spread"][name]["high"] - value for name, value in zip(names, middle, strict=True)]
    axes.bar(names, middle, WIDTH, yerr=[low, high], color=OURS, capsize=4)
    _budgets(axes, [budgets.RATIOS.get(name) for name in names])
    axes.set_ylabel("ratio of processor time")
    axes.set_title("Ours over the plain way: median and quarters; black: budget")


def costs(axes: Axes, measured: Measured) -> None:
    """USD per million uplinks of each mode, by part, beside the closed integration."""
    modes = sorted(measured["parts"], key=lambda name: sum(measured["parts"][name].values()))
    parts = list(dict.fromkeys(part for name in modes for part in measured["parts"][name]))
    below = [0.0] * len(modes)
    for part in parts:
        usd = [measured["parts"][name].get(part, 0.0) for name in modes]
        axes.bar(modes, usd, WIDTH, bottom=below, label=part)
        below = [one + other for one, other in zip(below, usd, strict=True)]
    _budgets(axes, [budgets.USD_PER_MILLION.get(name) for name in modes])
    origins = measured.get("origins", {})
    axes.set_xticks(range(len(modes)), [f"{name}\n({origins.get(name, 'measured')})" for name in modes])
    axes.set_ylabel("USD per million uplinks")
    axes.set_title("An uplink's price by part, us-east-1; black: budget, without logs")
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))


def path(axes: Axes, measured: Measured) -> None:
    """From the device to the public topic: what each part of the local path takes, by things in the registry."""
    sizes = list(measured["path"])
    for place, quantile in enumerate(("p50", "p95", "p99")):
        left = [index + (place - 1) * WIDTH / 3 for index in range(len(sizes))]
        axes.bar(left, [measured["path"][size]["whole"][quantile] for size in sizes], WIDTH / 3, label=quantile)
    axes.set_xticks(range(len(sizes)), [f"{int(size):,} things" for size in sizes])
    axes.set_ylabel("milliseconds")
    axes.set_title("From The Things Stack to the public topic, on this machine")
    axes.legend()


PLOTS: Final[Mapping[str, tuple[str, Callable[[Axes, Measured], None]]]] = {
    "ratios": ("spread", ratios),
    "costs": ("parts", costs),
    "path": ("path", path),
}
"""Files, the section of the results that each needs, and what draws it."""


def draw(measured: Measured, directory: Path) -> list[Path]:
    """Draw what was measured; returns the files."""
    files = []
    for name, (section, plot) in PLOTS.items():
        if section not in measured:
            continue
        figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
        plot(axes, measured)
        plt.setp(axes.get_xticklabels(), rotation=25, ha="right", rotation_mode="anchor")
        file = directory / f"{name}.png"
        figure.savefig(file, dpi=120)
        plt.close(figure)
        files.append(file)
    return files


def _budgets(axes: Axes, limits: list[float | None]) -> None:
    for index, limit in enumerate(limits):
        if limit is not None:
            axes.hlines(limit, index - WIDTH / 2, index + WIDTH / 2, color=BUDGET, linewidth=2)


if __name__ == "__main__":
    for drawn in draw(results.load(), results.FILE.parent):
        print(drawn)
