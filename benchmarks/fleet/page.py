"""The tables of docs/fleet-size.md, from what the simulations return, and what a fleet must reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.fleet.account import QUOTAS

FILE: Final = Path(__file__).resolve().parents[2] / "docs" / "fleet-size.md"

ONBOARDING: Final = (
    *("new devices", "first", "messages that waited", "lost", "in failure queues", "known after", "marked after"),
    *("CreateThing used while some wait", "breaks first", "moved by"),
)
STEADY: Final = (
    *("uplinks per second", "devices", "registry calls per uplink", "instances in use", "failed attempts"),
    *("Publish", "shadow", "reads of tables", "reads of tables per uplink", "breaks", "moved by"),
)

MOVED_BY: Final[Mapping[str, str]] = {
    "CreateThing": "the quota, then `limits.create_thing_per_second`",
    "DescribeThing": "the quota",
    "ListThings": "the quota, then `limits.list_things_per_second`",
    "CreateLogStream": "the quota",
    "UpdateThingShadow": "the quota, or `shadow.min_interval_seconds`",
}
"""What raises each limit that a fleet meets."""

LEAST_SHARE: Final = 0.8
MOST_REGISTRY_CALLS: Final = 0.001
NO_WALL_UP_TO: Final = 2_000
"""Of CreateThing's quota while devices wait for their thing; of the registry per uplink of a known device; uplinks per
second of which no attempt fails."""


def onboarding(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines of the table."""
    return [*_head(ONBOARDING), *(_onboarding_row(each) for each in results)]


def _onboarding_row(each: Mapping[str, Any]) -> str:
    share, scale = each["create_thing_share"], each["scale"]
    breaks, moved_by = _breaks(each)
    return _row(
        f"{each['devices'] * scale:,}" + (f" (1:{scale})" if scale > 1 else ""),
        each["source"],
        f"{each['most_waiting'] * scale:,}",
        f"{each['lost'] * scale:,}",
        f"{(each['failure_queue'] + each['dead_letters']) * scale:,}",
        _known_after(each),
        _marked_after(each),
        "–" if share is None else f"{share:.0%}",
        breaks,
        moved_by,
    )


def _known_after(each: Mapping[str, Any]) -> str:
    if each["known"] == each["devices"] and not each["waiting"]:
        return span(each["known_after"])
    if each["source"] == "things":
        return _marked_after(each)
    return f"not within {span(each['simulated_seconds'])}"


def _marked_after(each: Mapping[str, Any]) -> str:
    """The marks are not scaled: there is one function `registry`, whatever the fleet."""
    left = each["devices"] * each["scale"] - each["marked"]
    if not left:
        return span(each["simulated_seconds"])
    return f"about {span(each['devices'] * each['scale'] / each['marks_per_second'])}"


def _breaks(each: Mapping[str, Any]) -> tuple[str, str]:
    if name := each["breaks_first"]:
        return f"{name} ({QUOTAS[name]:,}/s) after {span(each['breaks_at'])}", MOVED_BY.get(name, "the quota")
    if each["marks_most_waiting"] > 1_000:
        return (
            f"function `registry`: {each['marks_per_second']:.1f} devices/s",
            "The Things Stack, then `limits.registry_concurrency`",
        )
    return "nothing", "–"


def steady(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines of the table."""
    return [*_head(STEADY), *(_steady_row(each) for each in results)]


def _steady_row(each: Mapping[str, Any]) -> str:
    shares = each["shares"]
    return _row(
        f"{each['rate']:,}",
        f"{each['devices']:,}",
        f"{each['registry_calls_per_uplink']:.4f}",
        f"{each['rate'] * each['milliseconds'] / 1000:,.1f}",
        f"{each['failed']:,}",
        *(f"{shares.get(name, 0.0):.1%}" for name in ("Publish", "UpdateThingShadow", "GetItem")),
        f"{each['calls_per_uplink']['GetItem']:.2f}",
        ", ".join(f"{name} ({QUOTAS[name]:,}/s)" for name in each["refused"]) or "nothing",
        "; ".join(MOVED_BY.get(name, "the quota") for name in each["refused"]) or "–",
    )


def misses(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """What a fleet must reach and does not, as sentences."""
    for each in results["onboarding"]:
        who = f"{each['devices'] * each['scale']:,} new devices ({each['source']} first)"
        failed = each["failure_queue"] + each["dead_letters"]
        if each["lost"] or failed:
            yield f"{who}: {each['lost']:,} messages are lost, and {failed:,} end in a failure queue"
        if each["source"] == "devices" and each["known"] < each["devices"]:
            yield f"{who}: only {each['known']:,} are known after {span(each['simulated_seconds'])}"
        share = each["create_thing_share"]
        if share is not None and share < LEAST_SHARE:
            yield f"{who}: {share:.0%} of CreateThing's quota is used while devices wait, less than {LEAST_SHARE:.0%}"
    for each in results["steady"]:
        who = f"{each['rate']:,} uplinks per second"
        if each["registry_calls_per_uplink"] > MOST_REGISTRY_CALLS:
            calls = each["registry_calls_per_uplink"]
            yield f"{who}: {calls:.4f} registry calls per uplink, more than {MOST_REGISTRY_CALLS}"
        if each["failed"] and each["rate"] <= NO_WALL_UP_TO:
            yield f"{who}: {each['failed']:,} attempts fail"


def write(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Replace the tables of the page."""
    text = FILE.read_text(encoding="utf-8")
    for name, lines in (("onboarding", onboarding(results["onboarding"])), ("steady", steady(results["steady"]))):
        begin, end = f"<!-- benchmarks/fleet: {name} -->", f"<!-- /benchmarks/fleet: {name} -->"
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        table = "\n".join(lines)
        text = f"{before}{begin}\n{table}\n{end}{after}"
    FILE.write_text(text, encoding="utf-8")


def span(seconds: float) -> str:
    """A time as a person says it: `47 s`, `1 h 09 min`, `4 d 3 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 2880:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def _head(headings: Sequence[str]) -> tuple[str, str]:
    return _row(*headings), "|" + "---:|" * len(headings)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
