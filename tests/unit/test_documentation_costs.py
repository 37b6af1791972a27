"""docs/costs.md shows what `thingbridge cost` calculates, and names what is counted as it is."""

import json
import re

import pytest

from cli.costs import downlinks, fleet, metering, prices, uplinks
from cli.costs.fleet import Bill, Fleet
from cli.costs.prices import Item, Prices
from cli.costs.uplinks import QUEUE, Batches, Functions, Shadow, UplinkMode, WayIn
from cli.costs.usage import total
from tests import documents
from thingbridge.registry.sync import Count

COSTS = documents.read("docs/costs.md")
VIRGINIA = Prices.of("us-east-1")
TABLE = json.loads(prices.FILE.read_text())
FLEET = Fleet(devices=1, uplinks_per_day=96)
SHADOWS = {"with each message": Shadow(), "none": Shadow(written=False)}


def bill(way_in: str, mode: str, shadow: Shadow) -> Bill:
    """The bill of a row; of batches, how full they are."""
    if way_in.startswith(fleet.CLOSED):
        remembers = "remembers" in way_in
        return fleet.closed(FLEET, VIRGINIA, remembers=remembers, shadow=shadow.written)
    way = WayIn(way_in.replace("`", ""))
    full = int(mode.partition(", ")[2].partition(" ")[0] or 1)
    # So many devices that each poller finds a full batch.
    many = Fleet(devices=FLEET.devices * 1_000_000, uplinks_per_day=FLEET.uplinks_per_day)
    name = UplinkMode(documents.code(mode)[0])
    return fleet.ours(many, way, shadow, Functions(), VIRGINIA, name, Batches(size=full))


@pytest.mark.parametrize("row", documents.table(COSTS, "Way in"), ids=lambda row: " ".join(row[:3]))
def test_the_price_of_a_million_uplinks_is_the_calculated_one(row: list[str]) -> None:
    way_in, mode, shadow, usd = row
    assert f"{bill(way_in, mode, SHADOWS[shadow]).usd_per_million:.2f}" == usd


def test_every_part_of_an_uplink_and_every_fixed_part_is_explained() -> None:
    usage = uplinks.ours(WayIn.WEBHOOK, Shadow(), Functions(), mode=UplinkMode.BATCHED)
    explained = {row[0].replace("`", "") for row in documents.table(COSTS, "Part")}
    assert set((usage * 1).usd(VIRGINIA)) == explained
    fixed = {
        row[0] for row in documents.table(documents.section(COSTS, "What a stack costs without an uplink"), "Part")
    }
    assert {part for way in WayIn for part in fleet.fixed_costs(1, way, Shadow(), Functions()).usd(VIRGINIA)} == fixed


def test_the_figures_in_the_text_are_those_of_the_calculation() -> None:
    text = re.sub(r"\s+", " ", COSTS)
    assert f"({metering.FULL_PROCESSOR_MB:,} MB are one), and {metering.ROUND_TRIP_MS:g} ms for each call" in text
    assert f"{uplinks.USUAL_PROCESSOR_MS:g} ms of processor time" in text
    once, twice = (metering.duration_on_aws(uplinks.USUAL_PROCESSOR_MS, waits, uplinks.MESSAGES_MB) for waits in (1, 2))
    assert f"{once:.0f} ms, or {twice:.0f} if" in text
    gb_second = VIRGINIA.usd[Item.LAMBDA_ARM64] * 1_000_000
    assert f"Each wait of 10 ms is {metering.gb_seconds(10, uplinks.MESSAGES_MB) * gb_second:.3f} USD" in text
    assert f"those that messages pass have {uplinks.MESSAGES_MB} MB" in text
    assert f"the others {uplinks.OTHERS_MB}" in text
    logged = metering.platform_log_gb("INFO") * 1_000_000 * VIRGINIA.usd[Item.LOG_GB]
    assert f"are {logged:.2f} USD per million, as much as the invocations" in text
    assert f"| metrics | {len(Count)} counts of the comparison at {VIRGINIA.usd[Item.METRIC]:.2f} USD" in text
    polls = fleet.fixed_costs(1, WayIn.ROLE, Shadow(), Functions())
    standard = polls.units(Item.SQS_REQUEST) * VIRGINIA.usd[Item.SQS_REQUEST]
    assert f"about {standard / 3:.2f} USD each for the queues of `directory`, `downlink` and `registry`" in text
    fifo = polls.quantities["waiting at queues", Item.SQS_FIFO_REQUEST] * VIRGINIA.usd[Item.SQS_FIFO_REQUEST]
    assert f"{fifo / 3:.2f} USD each for `sync`, `sending` and `waiting` (FIFO)" in text
    assert f"{fleet.RUNS:,} runs" in text


def per_million(batch: float) -> tuple[float, float]:
    """USD per million uplinks for requests to the queue, and for the function that reads the directory first."""
    parts = (uplinks.batched(Functions(), uplinks.USUAL_BYTES, batch, waits=2) * 1_000_000).usd(VIRGINIA)
    return parts.pop(QUEUE), total(parts)


def test_what_batches_cost_and_save_is_the_calculated_one() -> None:
    text = re.sub(r"\s+", " ", COSTS)
    (ten, with_ten), (one, with_one) = per_million(10), per_million(1)
    assert f"{ten:.2f} USD per million in batches of ten or more, {one:.2f} if each is a batch of its own" in text
    assert f"What a batch saves is {with_one - with_ten:.2f} USD" in text
    assert Batches().filled(50) == Batches.size
    assert "full from about 50 messages a second on" in text


def test_what_rules_cost_with_basic_ingest_is_the_calculated_one() -> None:
    rules = uplinks.ours(WayIn.ROLE, Shadow(written=False), Functions(), mode=UplinkMode.RULES) * 1_000_000
    without_message_in = total(rules.usd(VIRGINIA)) - rules.usd(VIRGINIA)[uplinks.MESSAGE_IN]
    assert f"that is {without_message_in:.2f} USD per million without a shadow" in re.sub(r"\s+", " ", COSTS)


def test_the_prices_that_were_read_are_the_named_ones() -> None:
    read = {name for name, each in TABLE["items"].items() if each["read"] == ["us-east-1"]}
    assert {name.partition("_")[0] for name in read} == {"iot", "lambda", "sqs", "free"}
    assert "sqs_fifo_request" not in read
    assert {region for each in TABLE["items"].values() for region in each["read"]} == {"us-east-1"}
    assert "everything but AWS IoT Core, Lambda and standard queues in us-east-1" in re.sub(r"\s+", " ", COSTS)


def paced(interval: int, gap: int) -> str:
    """USD per million messages for a paced shadow."""
    parts = (uplinks.writes(Shadow(interval=interval), Functions(), gap) * 1_000_000).usd(VIRGINIA)
    return f"{total(parts):.2f}"


def test_the_cost_of_a_minimum_interval_is_the_calculated_one() -> None:
    page = documents.section(documents.read("docs/shadow.md"), "Minimum interval")
    seconds = {"every 10 minutes": 600, "every minute": 60, "every 10 seconds": 10}
    rows = documents.table(page, "A device sends")
    assert len(rows) > 3
    for sends, interval, unpaced, scheduled in rows:
        assert scheduled == paced(int(interval), seconds[sends])
        assert float(unpaced) == pytest.approx(VIRGINIA.usd[Item.IOT_OPERATION] * 1_000_000)
    parts = (uplinks.scheduled_write(Functions()) * 1_000_000).usd(VIRGINIA)
    assert f"| each scheduled write: SQS, function, table, shadow | {total(parts):.2f} USD |" in page


def test_the_price_of_a_downlink_is_that_of_the_calculation() -> None:
    page = re.sub(r"\s+", " ", documents.read("docs/downlink.md"))
    named, unnamed = (
        total((downlinks.request(Functions(), names_thing_in_topic=each) * 1_000_000).usd(VIRGINIA))
        for each in (True, False)
    )
    assert f"A request costs {named:.2f} USD per million beside its message" in page
    assert f"On `lorawan/downlink` it is {unnamed - named:.2f} USD more" in page
    assert f"A downlink: [{named:.2f} USD per million]" in COSTS
    polls = fleet.POLLERS * fleet.DAYS * fleet.DAY / fleet.LONG_POLL_SECONDS
    waiting = polls * (VIRGINIA.usd[Item.SQS_REQUEST] + VIRGINIA.usd[Item.SQS_FIFO_REQUEST])
    assert f"while they are empty are {waiting:.2f} USD a month" in page
