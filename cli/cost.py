"""`thingbridge cost`: what a fleet costs per month, in each mode, beside the closed integration. It calls nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from cli.costs import fleet, uplinks
from cli.costs.fleet import Bill, Fleet
from cli.costs.prices import Prices, UnknownRegion
from cli.costs.uplinks import Batches, Functions, Shadow, UplinkMode, WayIn
from cli.costs.usage import total
from cli.errors import WrongUsage
from cli.options import AsJson
from cli.output import fitted, out, print_json, say

COLUMNS: Final = ("way in", "uplink mode", "shadow", "USD a month", "fixed", "USD per million uplinks", "made of")
LONGEST_INTERVAL: Final = 900
LARGEST_BATCH: Final = 100
LONGEST_WINDOW: Final = 3


class Mode(StrEnum):
    """Values of `ingest.mode` that have a price of their own."""

    WEBHOOK = "webhook"
    PACKAGE = "package"
    MQTT = "mqtt"
    PUBSUB = "pubsub"


def cost(
    devices: Annotated[int, typer.Option(min=1, help="Devices of the fleet.", show_default=False)],
    uplinks_per_day: Annotated[
        float, typer.Option(min=0.01, help="Uplinks that each device sends per day.", show_default=False)
    ],
    payload_bytes: Annotated[
        int, typer.Option(min=1, max=128 * 1024, help="Size of a message of The Things Stack as it is published.")
    ] = uplinks.USUAL_BYTES,
    mode: Annotated[
        Mode | None, typer.Option(help="Only this ingest.mode; all without it.", show_default=False)
    ] = None,
    uplink_mode: Annotated[
        UplinkMode | None, typer.Option(help="Only this uplink_mode; all without it.", show_default=False)
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, max=LARGEST_BATCH, help="uplink_batches.size of the mode batched.")
    ] = Batches.size,
    batch_window: Annotated[
        int, typer.Option(min=0, max=LONGEST_WINDOW, help="uplink_batches.window_seconds of the mode batched.")
    ] = Batches.window_seconds,
    shadow: Annotated[
        bool | None,
        typer.Option("--shadow/--no-shadow", help="Only with, or only without a shadow.", show_default=False),
    ] = None,
    interval: Annotated[
        int, typer.Option(min=1, max=LONGEST_INTERVAL, help="shadow.min_interval_seconds of the paced shadow.")
    ] = 600,
    duration_ms: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Billed duration of an invocation, from your functions' metric Duration; estimated without it.",
            show_default=False,
        ),
    ] = None,
    region: Annotated[str, typer.Option("--region", help="AWS region whose prices apply.")] = "us-east-1",
    as_json: AsJson = False,
) -> None:
    """Show what a fleet costs on AWS per month, by mode and part. Calls nothing."""
    try:
        prices = Prices.of(region)
    except UnknownRegion as error:
        raise WrongUsage(f"--{error}") from error
    described = Fleet(devices, uplinks_per_day, payload_bytes)
    functions = Functions(milliseconds=duration_ms)
    bills = [
        *(
            fleet.ours(described, way, each, functions, prices, handled, Batches(batch_size, batch_window))
            for way in WAYS[mode]
            for handled in ([uplink_mode] if uplink_mode else UplinkMode)
            for each in _shadows(shadow, interval)
            if not (handled is UplinkMode.RULES and each.interval)  # A rule can't wait.
        ),
        *(
            fleet.closed(described, prices, remembers=remembers, shadow=with_shadow)
            for with_shadow in (True, False)
            if shadow in (None, with_shadow)
            for remembers in (False, True)
        ),
    ]
    if as_json:
        print_json(_as_json(described, prices, bills))
    else:
        _show(described, prices, bills, interval)


WAYS: Final = {
    None: list(WayIn),
    Mode.WEBHOOK: [WayIn.WEBHOOK, WayIn.WEBHOOK_BASIC, WayIn.IOT_CORE, WayIn.IOT_CORE_BASIC],
    Mode.PACKAGE: [WayIn.ROLE],
    Mode.MQTT: [WayIn.ROLE, WayIn.MQTT_BASIC],
    Mode.PUBSUB: [WayIn.ROLE],
}
"""A value of `ingest.mode`, None for all → ways in that it can have."""


def _shadows(shadow: bool | None, interval: int) -> list[Shadow]:
    written = [Shadow(), Shadow(interval=interval)]
    return [*(written if shadow is not False else []), *([Shadow(written=False)] if shadow is not True else [])]


def _show(described: Fleet, prices: Prices, bills: list[Bill], interval: int) -> None:
    rows = [
        (
            bill.name,
            bill.mode,
            bill.shadow,
            f"{bill.usd:,.2f}",
            f"{total(bill.fixed):.2f}" if bill.fixed else "?",
            f"{bill.usd_per_million:.2f}",
            " + ".join(f"{part} {usd:.2f}" for part, usd in bill.per_million.items() if usd >= 0.005),
        )
        for bill in bills
    ]
    console = out()
    console.print(
        Text(
            f"{described.devices:,} devices × {described.uplinks_per_day:g} uplinks a day "
            f"= {described.uplinks:,.0f} a month, {described.size:,} bytes each, {prices.region}"
        ),
        soft_wrap=True,
    )
    table, left_out = fitted(console, COLUMNS, rows, optional=["fixed", "made of"])
    console.print(table)
    if fixed := bills[0].fixed:
        console.print(
            Text("fixed, first row: " + " + ".join(f"{part} {usd:.2f}" for part, usd in fixed.items())), soft_wrap=True
        )
    if left_out:
        say(f"left out for the width of the terminal: {', '.join(left_out)}")
    paced = [bill for bill in bills if bill.shadow.startswith("shadow every")]
    if paced and described.gap >= interval:
        say(
            f"With {described.gap:.0f} s between two uplinks, an interval of {interval} s delays no write: "
            "each uplink then costs the row of a table besides."
        )
    say(
        f"AWS's lists of {prices.as_of}, first tier, without the free tier, discounts, and deliveries to your "
        "subscribers (docs/costs.md)"
    )


def _as_json(described: Fleet, prices: Prices, bills: list[Bill]) -> dict[str, Any]:
    return {
        "devices": described.devices,
        "uplinks_per_month": described.uplinks,
        "payload_bytes": described.size,
        "prices": {"region": prices.region, "as_of": prices.as_of, "currency": "USD"},
        "bills": [
            {
                "way_in": bill.name,
                "uplink_mode": bill.mode,
                "shadow": bill.shadow,
                "usd_per_month": round(bill.usd, 2),
                "usd_per_million_uplinks": round(bill.usd_per_million, 4),
                "parts_per_million_uplinks": _rounded(bill.per_million),
                "fixed_per_month": _rounded(bill.fixed),
            }
            for bill in bills
        ],
    }


def _rounded(parts: dict[str, float]) -> dict[str, float]:
    return {part: round(usd, 4) for part, usd in parts.items()}
