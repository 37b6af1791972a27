"""The monthly bill of a fleet: what its uplinks cause, and what a stack costs however much is sent.

A month has 30 days. Prices are those of the first tier, so a bill of more than a few hundred million uplinks is lower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from cli.costs import metering, uplinks
from cli.costs.prices import Item, Prices
from cli.costs.uplinks import Functions, Shadow, WayIn
from cli.costs.usage import Usage, total
from thingbridge.aws.things import THINGS_PER_PAGE
from thingbridge.registry.sync import Count

DAYS: Final = 30
DAY: Final = 86_400
MILLION: Final = 1_000_000

POLLERS: Final = 5
LONG_POLL_SECONDS: Final = 20
"""Of Lambda, on each queue that it works on: its requests are charged when the queue is empty, too."""

RUNS: Final = DAYS * 24 * 6
"""Comparisons of both registries, every ten minutes."""

COMPARISON_MB: Final = 512
"""Memory of the function `sync`."""

SECRET_CACHE_SECONDS: Final = 300
"""How long a function remembers a secret."""

CLOSED: Final = "closed integration"


@dataclass(frozen=True)
class Fleet:
    """Devices, and the uplinks of each per day; `size`: bytes of a message of The Things Stack."""

    devices: int
    uplinks_per_day: float
    size: int = uplinks.USUAL_BYTES

    @property
    def uplinks(self) -> float:
        """Uplinks per month."""
        return self.devices * self.uplinks_per_day * DAYS

    @property
    def gap(self) -> float:
        """Seconds between two uplinks of a device."""
        return DAY / self.uplinks_per_day


@dataclass(frozen=True)
class Bill:
    """What a choice costs. `per_million`: parts in USD per million uplinks; `fixed`: parts in USD a month."""

    name: str
    shadow: str
    uplinks: float
    per_million: dict[str, float]
    fixed: dict[str, float]

    @property
    def usd_per_million(self) -> float:
        """USD per million uplinks, without the fixed costs."""
        return total(self.per_million)

    @property
    def usd(self) -> float:
        """USD a month."""
        return self.usd_per_million * self.uplinks / MILLION + total(self.fixed)


def ours(fleet: Fleet, way_in: WayIn, shadow: Shadow, functions: Functions, prices: Prices) -> Bill:
    """The bill of a stack of this project with its other defaults."""
    usage = uplinks.ours(way_in, shadow, functions, fleet.size, fleet.gap)
    fixed = fixed_costs(fleet.devices, way_in, shadow, functions)
    return Bill(str(way_in), str(shadow), fleet.uplinks, (usage * MILLION).usd(prices), fixed.usd(prices))


def closed(fleet: Fleet, prices: Prices, *, remembers: bool, shadow: bool = True) -> Bill:
    """The bill of the closed integration; its fixed costs are not known."""
    usage = uplinks.closed(remembers=remembers, shadow=shadow, size=fleet.size)
    name = f"{CLOSED}, {'remembers things' if remembers else 'searches each time'}"
    words = str(Shadow(written=shadow))
    return Bill(name, words, fleet.uplinks, (usage * MILLION).usd(prices), {})


def fixed_costs(devices: int, way_in: WayIn, shadow: Shadow, functions: Functions) -> Usage:
    """What a stack uses in a month without a single uplink."""
    usage, webhook = Usage(), way_in is WayIn.WEBHOOK
    usage.add("secrets", Item.SECRET, secrets(way_in))
    usage.add("secrets", Item.SECRET_CALL, (1 + webhook) * DAYS * DAY / SECRET_CACHE_SECONDS)
    polls = POLLERS * DAYS * DAY / LONG_POLL_SECONDS
    # The queues of directory, downlink and registry, and of the shadow; of sync, of downlinks
    # to be sent, and of messages that wait.
    usage.add("waiting at queues", Item.SQS_REQUEST, polls * (3 + bool(shadow.written and shadow.interval)))
    usage.add("waiting at queues", Item.SQS_FIFO_REQUEST, polls * 3)
    usage.add("metrics", Item.METRIC, len(Count))
    usage += comparison(devices, functions) * RUNS
    if not webhook:
        # mqtt; the connections of pubsub and package are AWS's to meter in the same way.
        usage.add("connection", Item.IOT_CONNECTED_MINUTE, DAYS * DAY / 60)
    return usage


def secrets(way_in: WayIn) -> int:
    """Secrets of a stack: the API key, and with a webhook what its callers show."""
    return 1 + (way_in is WayIn.WEBHOOK)


def comparison(devices: int, functions: Functions) -> Usage:
    """One comparison of a fleet that is in step, without devices that are out of step (docs/sync.md has those)."""
    part = "comparison"
    pages = max(1, math.ceil(devices / THINGS_PER_PAGE))
    # Half a second of processor time with 10,000 devices; pages are read at 8 per second (docs/sync.md).
    milliseconds = 1000 + 150 * pages
    return Usage.of(
        [
            (part, Item.SCHEDULE_INVOCATION, 1),
            (part, Item.SQS_FIFO_REQUEST, 3),
            (part, Item.LAMBDA_REQUEST, 1),
            (
                part,
                metering.gb_second_item(functions.architecture),
                metering.gb_seconds(milliseconds, COMPARISON_MB),
            ),
            (part, Item.IOT_OPERATION, pages),
            # The whole directory, about 100 bytes for each device, in eventually consistent reads of 8 KB a unit.
            (part, Item.DYNAMODB_READ, devices * 100 / 8192),
            (part, Item.LOG_GB, metering.log_gb(3 * 400, 3)),
        ]
    )
