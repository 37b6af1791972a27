"""The picture of the dashboard in the documentation: that of an example, with values that are made up.

`python tests/terraform/dashboard.py` draws it anew; a test holds both together.
"""

import json
import math
import random
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).parent / "inventories" / "dashboard.json"
PICTURE = Path(__file__).resolve().parents[2] / "docs" / "images" / "dashboard.svg"
COLUMN, ROW, GAP = 50, 26, 4
COLOURS = ("#1f77b4", "#d62728", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b")
POINTS = 36
MOST_LABELS = 3


def draw(body: dict[str, Any]) -> str:
    """A dashboard's body as SVG."""
    widgets = body["widgets"]
    bottom = max(widget["y"] + widget["height"] for widget in widgets)
    size = f'width="{24 * COLUMN}" height="{ROW * bottom}"'
    parts = [part for widget in widgets for part in _widget(widget)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">',
            f'<rect {size} fill="#f2f3f3"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _widget(widget: dict[str, Any]) -> Iterator[str]:
    x, y = widget["x"] * COLUMN + GAP, widget["y"] * ROW + GAP
    width, height = widget["width"] * COLUMN - 2 * GAP, widget["height"] * ROW - 2 * GAP
    properties = widget["properties"]
    if widget["type"] == "text":
        yield _text(x, y + 16, properties["markdown"].removeprefix("## "), size=15, weight="bold")
        return
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="#fff" stroke="#d5dbdb"/>'
    yield _text(x + 8, y + 16, properties["title"], size=12, weight="bold")
    yield from (_alarms if widget["type"] == "alarm" else _graph)(properties, x + 8, y + 24, width - 16, height - 32)


def _alarms(properties: dict[str, Any], x: float, y: float, width: float, height: float) -> Iterator[str]:
    """A small box for each alarm. The first one fires."""
    columns = 6
    names = [arn.rpartition(":")[2] for arn in properties["alarms"]]
    step = height / math.ceil(len(names) / columns)
    for number, name in enumerate(names):
        left, top = x + number % columns * width / columns, y + number // columns * step
        colour = "#d13212" if number == 0 else "#1d8102"
        yield f'<rect x="{left:.0f}" y="{top:.1f}" width="8" height="{step - 3:.1f}" fill="{colour}"/>'
        yield _text(left + 12, top + step - 4, name, size=min(9, step - 2))


def _graph(properties: dict[str, Any], x: float, y: float, width: float, height: float) -> Iterator[str]:
    """A line for each metric: much, or, if it counts what should not be, hardly anything."""
    metrics = properties["metrics"]
    labels = min(MOST_LABELS, len(metrics)) + (len(metrics) > MOST_LABELS)
    bottom = y + height - 11 * labels - 4
    yield f'<line x1="{x}" y1="{bottom:.0f}" x2="{x + width}" y2="{bottom:.0f}" stroke="#aab7b8"/>'
    for number, metric in enumerate(metrics):
        label = _label(metric)
        values = _values(
            label, quiet=any(word in label for word in ("Err", "Fail", "Thrott", "Refused", "fail", "dead"))
        )
        points = " ".join(
            f"{x + width * place / (POINTS - 1):.0f},{bottom - value * (bottom - y - 4):.1f}"
            for place, value in enumerate(values)
        )
        colour = COLOURS[number % len(COLOURS)]
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'
        if number < MOST_LABELS:
            yield f'<rect x="{x}" y="{bottom + 6 + 11 * number:.0f}" width="7" height="7" fill="{colour}"/>'
            yield _text(x + 11, bottom + 13 + 11 * number, label, size=9)
    if len(metrics) > MOST_LABELS:
        yield _text(x + 11, bottom + 13 + 11 * MOST_LABELS, f"and {len(metrics) - MOST_LABELS} more", size=9)


def _label(metric: list[Any]) -> str:
    if isinstance(metric[0], dict):
        name = metric[0]["expression"].partition('MetricName="')[2].partition('"')[0]
        return f"{name} by type" if "DeviceType" in metric[0]["expression"] else f"{name} of a rule"
    return f"{metric[3]} {metric[1]}"


def _values(label: str, *, quiet: bool) -> list[float]:
    """Made up, and the same for the same label."""
    draws = random.Random(label)
    if quiet:
        return [draws.choice([0.0] * 20 + [0.3]) for _ in range(POINTS)]
    middle, phase = draws.uniform(0.3, 0.6), draws.uniform(0, math.tau)
    return [middle + 0.25 * math.sin(phase + place / 6) + draws.uniform(-0.05, 0.05) for place in range(POINTS)]


def _text(x: float, y: float, text: str, *, size: float, weight: str = "normal") -> str:
    font = f'font-size="{size:.1f}" font-weight="{weight}"'
    return f'<text x="{x:.0f}" y="{y:.1f}" {font} fill="#16191f">{escape(text)}</text>'


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw(json.loads(DASHBOARD.read_text(encoding="utf-8"))), encoding="utf-8")
    sys.stdout.write(f"{PICTURE}\n")
