"""The price table, how AWS counts, and what an uplink costs: figures that are known from elsewhere come out."""

import json
import re
from typing import Any

import pytest

from cli.costs import fleet, metering, prices, uplinks
from cli.costs.fleet import Fleet
from cli.costs.prices import Item, Prices, UnknownRegion
from cli.costs.uplinks import Batches, Functions, Shadow, UplinkMode, WayIn
from cli.costs.usage import Usage, total

VIRGINIA, IRELAND = Prices.of("us-east-1"), Prices.of("eu-west-1")
MILLION = 1_000_000
TABLE: dict[str, Any] = json.loads(prices.FILE.read_text())


def per_million(usage: Usage) -> float:
    return total((usage * MILLION).usd(VIRGINIA))


def test_every_item_has_a_price_in_every_region_with_its_source_and_date() -> None:
    assert set(TABLE["items"]) == set(Item)
    assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", TABLE["as_of"])
    for name, each in TABLE["items"].items():
        assert set(each["usd"]) == {"us-east-1", "eu-west-1"}, name
        assert TABLE["sources"][each["source"]].startswith("https://aws.amazon.com/"), name
        assert set(each["read"]) <= set(each["usd"]), name


def test_a_price_is_that_of_one_unit() -> None:
    assert VIRGINIA.usd[Item.IOT_MESSAGE] == pytest.approx(1e-6)
    assert VIRGINIA.usd[Item.SECRET_CALL] == pytest.approx(0.05 / 10_000)
    assert IRELAND.usd[Item.LOG_GB] == 0.57
    assert Item.IOT_MESSAGE in IRELAND.unread
    assert Item.IOT_MESSAGE not in VIRGINIA.unread


def test_a_region_without_prices_is_refused_with_those_that_have_some() -> None:
    with pytest.raises(UnknownRegion, match=r"eu-west-1 or us-east-1; got 'mars-1'"):
        Prices.of("mars-1")


@pytest.mark.parametrize(
    ("count", "step"),
    [(metering.messages, 5 * 1024), (metering.operations, 1024), (metering.queue_requests, 64 * 1024)],
)
def test_what_is_begun_is_charged_as_a_whole(count: Any, step: int) -> None:
    assert [count(size) for size in (0, 1, step, step + 1, 2 * step + 1)] == [1, 1, 1, 2, 3]


def test_a_duration_is_rounded_up_to_the_millisecond() -> None:
    assert metering.gb_seconds(19.2, 512) == pytest.approx(0.010)
    assert metering.gb_seconds(20, 1024) == pytest.approx(0.020)


def test_less_memory_takes_longer_but_more_than_a_processor_is_no_faster() -> None:
    assert metering.duration_on_aws(4, 2, 1769) == 4 + 2 * metering.ROUND_TRIP_MS
    assert metering.duration_on_aws(4, 0, 3538) == 4
    assert metering.duration_on_aws(4, 0, 884.5) == 8  # type: ignore[arg-type]


def test_log_events_are_charged_with_their_overhead() -> None:
    assert metering.log_gb(1000, 2) * 1024**3 == 1052
    start, report = json.loads(metering.PLATFORM_START), json.loads(metering.PLATFORM_REPORT)
    assert (start["type"], report["type"]) == ("platform.start", "platform.report")


def test_the_closed_integration_costs_what_its_rights_imply() -> None:
    assert per_million(uplinks.closed(remembers=False)) == pytest.approx(6.38, abs=0.01)
    assert per_million(uplinks.closed(remembers=True)) == pytest.approx(5.13, abs=0.01)
    assert per_million(uplinks.closed(remembers=False, shadow=False)) == pytest.approx(3.88, abs=0.01)


def test_an_uplink_costs_its_two_calls_and_the_way_to_them() -> None:
    # Processor time, and waiting for both calls at once: 27 ms with 128 MB.
    usage = uplinks.ours(WayIn.ROLE, Shadow(), Functions(), gap=0)
    assert per_million(usage) == pytest.approx(1.00 + 0.30 + 0.20 + 0.045 + 1.25 + 1.00, abs=0.001)
    # The directory is read, and waited for.
    usage = uplinks.ours(WayIn.ROLE, Shadow(), Functions())
    assert per_million(usage) == pytest.approx(1.00 + 0.30 + 0.20 + 0.062 + 0.0625 + 1.25 + 1.00, abs=0.001)
    assert usage.units(Item.IOT_MESSAGE) == 2
    webhook = uplinks.ours(WayIn.WEBHOOK, Shadow(), Functions())
    assert webhook.units(Item.LAMBDA_REQUEST) == 2
    assert per_million(webhook) - per_million(usage) == pytest.approx(0.20 + 0.045, abs=0.001)


def test_a_batch_shares_its_invocation_and_its_requests_to_the_queue() -> None:
    alone, ten = (
        uplinks.ours(WayIn.ROLE, Shadow(), Functions(), mode=UplinkMode.BATCHED, batch=batch) for batch in (1, 10)
    )
    assert (alone.units(Item.SQS_REQUEST), alone.units(Item.LAMBDA_REQUEST)) == (3, 1)
    assert (ten.units(Item.SQS_REQUEST), ten.units(Item.LAMBDA_REQUEST)) == (pytest.approx(1.2), pytest.approx(0.1))
    # A duration is rounded up to a millisecond, of ten messages once.
    assert ten.units(Item.LAMBDA_ARM64) == pytest.approx(alone.units(Item.LAMBDA_ARM64), rel=0.02)


def test_rules_cost_a_second_one_for_the_shadow_and_with_basic_ingest_no_message_in() -> None:
    with_shadow, without = (
        uplinks.ours(WayIn.ROLE, Shadow(written=written), Functions(), mode=UplinkMode.RULES)
        for written in (True, False)
    )
    assert per_million(with_shadow) - per_million(without) == pytest.approx(0.15 + 0.15 + 1.25)
    basic_ingest = Usage.of((part, item, units) for part, item, units in without if part != uplinks.MESSAGE_IN)
    assert per_million(basic_ingest) == pytest.approx(1.30)
    assert per_million(basic_ingest) <= 1.35


@pytest.mark.parametrize(("per_second", "expected"), [(0.1, 1), (11, 2.2), (50, 10), (5000, 10)])
def test_a_batch_fills_with_what_comes_within_its_window(per_second: float, expected: float) -> None:
    assert Batches(size=10, window_seconds=1).filled(per_second) == pytest.approx(expected)
    assert Batches(size=10, window_seconds=0).filled(per_second) == 1


@pytest.mark.parametrize(
    ("plain", "basic"),
    [
        (WayIn.ROLE, WayIn.MQTT_BASIC),
        (WayIn.WEBHOOK, WayIn.WEBHOOK_BASIC),
        (WayIn.IOT_CORE, WayIn.IOT_CORE_BASIC),
    ],
)
def test_basic_ingest_saves_the_message_in_and_nothing_else(plain: WayIn, basic: WayIn) -> None:
    charged, saved = (uplinks.ours(way, Shadow(), Functions()).quantities for way in (plain, basic))
    assert charged[uplinks.MESSAGE_IN, Item.IOT_MESSAGE] == 1
    assert saved == {key: units for key, units in charged.items() if key[0] != uplinks.MESSAGE_IN}


def test_aws_iot_core_receives_for_what_it_costs_without_a_function_and_keeps_no_connection() -> None:
    role, iot_core = (uplinks.ours(way, Shadow(), Functions()) for way in (WayIn.ROLE, WayIn.IOT_CORE))
    assert iot_core.quantities == role.quantities
    fixed = fleet.fixed_costs(1, WayIn.IOT_CORE, Shadow(), Functions()).usd(VIRGINIA)
    assert "connection" not in fixed
    assert fixed["secrets"] == fleet.fixed_costs(1, WayIn.ROLE, Shadow(), Functions()).usd(VIRGINIA)["secrets"]


def test_a_message_that_is_too_large_for_a_unit_costs_twice_as_much_where_it_is_metered() -> None:
    small, large = (uplinks.ours(WayIn.ROLE, Shadow(written=False), Functions(), size) for size in (5120, 5121))
    assert {item: large.units(item) / small.units(item) for item in (Item.IOT_MESSAGE, Item.IOT_RULE)} == {
        Item.IOT_MESSAGE: 2,
        Item.IOT_RULE: 2,
    }
    assert large.units(Item.LAMBDA_REQUEST) == small.units(Item.LAMBDA_REQUEST)


def shadow_cost(interval: int, gap: float) -> float:
    """USD per million messages for the shadow."""
    return per_million(uplinks.writes(Shadow(interval=interval), Functions(), gap))


@pytest.mark.parametrize(
    ("gap", "interval", "expected"), [(600, 300, 2.50), (60, 300, 1.48), (60, 900, 0.91), (10, 900, 0.67)]
)
def test_a_paced_shadow_costs_its_row_and_fewer_writes(gap: int, interval: int, expected: float) -> None:
    assert shadow_cost(interval, gap) == pytest.approx(expected, abs=0.006)


def test_the_bill_of_a_fleet_is_its_uplinks_and_what_is_fixed() -> None:
    described = Fleet(devices=10_000, uplinks_per_day=96)
    assert described.uplinks == 28_800_000
    assert fleet.closed(described, VIRGINIA, remembers=False).usd == pytest.approx(184, abs=0.5)
    bill = fleet.ours(described, WayIn.WEBHOOK, Shadow(), Functions(), VIRGINIA)
    assert bill.usd == pytest.approx(bill.usd_per_million * 28.8 + total(bill.fixed))
    assert bill.fixed["secrets"] == pytest.approx(2 * 0.40, abs=0.1)


def test_a_larger_fleet_costs_more_to_compare_and_nothing_else_that_is_fixed() -> None:
    small, large = (
        fleet.ours(Fleet(devices, 96), WayIn.ROLE, Shadow(), Functions(), VIRGINIA).fixed for devices in (100, 100_000)
    )
    assert {part for part in small if small[part] != large[part]} == {"comparison"}
    # docs/sync.md: 40 calls of ListThings for 10,000 devices, every ten minutes.
    usage = fleet.comparison(10_000, Functions()) * fleet.RUNS
    assert usage.units(Item.IOT_OPERATION) * VIRGINIA.usd[Item.IOT_OPERATION] == pytest.approx(0.22, abs=0.01)


def test_the_fixed_costs_are_those_of_the_resources_that_an_apply_makes() -> None:
    inventory = json.loads((prices.FILE.parents[2] / "tests/terraform/inventories/minimal.json").read_text())
    counts = inventory["counts"]
    assert fleet.secrets(WayIn.WEBHOOK) == counts["aws_secretsmanager_secret"]
    # Three queues, and three FIFO queues. The table of waiting downlinks has a stream, which Lambda reads for nothing;
    # tables cost what is read and written.
    assert counts["aws_lambda_event_source_mapping"] == 3 + 3 + 1
    assert counts["aws_dynamodb_table"] == 3
    assert counts["aws_scheduler_schedule"] == 1
    unpriced = {"aws_cloudwatch_metric_alarm", "aws_cloudwatch_dashboard", "aws_kms_key"}
    assert not unpriced & set(counts)
