"""`thingbridge cost`: the bill of a fleet, for people and for programs."""

import json
from typing import Any

import pytest

from cli.costs.uplinks import WayIn
from tests.unit.cli.conftest import Run
from thingbridge.aws.clients import Clients

FLEET = ("cost", "--devices", 10_000, "--uplinks-per-day", 96)


def bills(run: Run, *options: object, mode: str = "function") -> dict[tuple[str, str], dict[str, Any]]:
    """The bills of one uplink_mode."""
    result = run(*FLEET, "--json", *options)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["bills"]
    return {(each["way_in"], each["shadow"]): each for each in found if each["uplink_mode"] == mode}


def test_every_mode_stands_beside_the_closed_integration(run: Run, clients: Clients) -> None:
    found = bills(run)
    assert {way for way, _ in found} == {
        *map(str, WayIn),
        "closed integration, searches each time",
        "closed integration, remembers things",
    }
    assert {shadow for _, shadow in found} == {"shadow with each message", "shadow every 600 s", "no shadow"}
    closed = found["closed integration, searches each time", "shadow with each message"]
    assert closed["usd_per_million_uplinks"] == pytest.approx(6.38, abs=0.01)
    assert clients.take_calls() == {}


def test_the_parts_of_a_bill_add_up(run: Run) -> None:
    for bill in bills(run).values():
        per_million = sum(bill["parts_per_million_uplinks"].values())
        assert per_million == pytest.approx(bill["usd_per_million_uplinks"], abs=0.001)
        total = per_million * 28.8 + sum(bill["fixed_per_month"].values())
        assert total == pytest.approx(bill["usd_per_month"], abs=0.02)


def test_a_choice_leaves_out_the_others(run: Run) -> None:
    assert {way for way, _ in bills(run, "--mode", "mqtt")} & {"webhook", "pubsub, package, mqtt"} == {
        "pubsub, package, mqtt"
    }
    assert {shadow for _, shadow in bills(run, "--no-shadow")} == {"no shadow"}
    assert "no shadow" not in {shadow for _, shadow in bills(run, "--shadow", "--interval", 300)}


def test_batches_cost_the_requests_to_their_queue_and_save_invocations(run: Run) -> None:
    key = ("webhook", "no shadow")
    function, batched = bills(run)[key], bills(run, mode="batched")[key]
    assert batched["parts_per_million_uplinks"]["queue upstream"] > 0
    assert batched["fixed_per_month"]["waiting at queues"] > function["fixed_per_month"]["waiting at queues"]
    fuller = bills(run, "--batch-window", 3, "--batch-size", 100, mode="batched")[key]
    assert fuller["usd_per_million_uplinks"] < batched["usd_per_million_uplinks"]
    assert not bills(run, "--uplink-mode", "function", mode="batched")


def test_rules_cost_no_function_and_have_no_paced_shadow(run: Run) -> None:
    found = bills(run, mode="rules")
    assert {shadow for _, shadow in found} >= {"shadow with each message", "no shadow"}
    assert "shadow every 600 s" not in {shadow for _, shadow in found}
    role = found["pubsub, package, mqtt", "no shadow"]["parts_per_million_uplinks"]
    assert set(role) == {"message in", "rule and action", "message out"}


def test_larger_messages_slower_functions_and_another_region_cost_more(run: Run) -> None:
    key = ("webhook", "shadow every 600 s")
    usual = bills(run)[key]["usd_per_million_uplinks"]
    for options in (("--payload-bytes", 6000), ("--duration-ms", 60), ("--region", "eu-west-1")):
        assert bills(run, *options)[key]["usd_per_million_uplinks"] > usual


def test_a_person_sees_a_table_with_date_and_region(run: Run) -> None:
    result = run(*FLEET)
    assert "10,000 devices × 96 uplinks a day = 28,800,000 a month, 1,840 bytes each, us-east-1" in result.stdout
    assert "closed integration, searches each time" in result.stdout
    assert "AWS's lists of 2026-09" in result.stderr


def test_an_interval_that_no_device_sends_within_is_pointed_out(run: Run) -> None:
    hint = "With 900 s between two uplinks, an interval of 600 s delays no write"
    assert hint in run(*FLEET).stderr
    assert hint not in run("cost", "--devices", 1, "--uplinks-per-day", 1440).stderr


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (("--region", "mars-1"), "--region must be one of those with prices, eu-west-1 or us-east-1; got 'mars-1'."),
        (("--mode", "carrier-pigeon"), "carrier-pigeon"),
        (("--interval", 901), "--interval"),
        (("--batch-size", 101), "--batch-size"),
        (("--uplink-mode", "pigeon"), "pigeon"),
        (("--devices", 0), "--devices"),
    ],
)
def test_what_has_no_price_is_wrong_usage(run: Run, options: tuple[object, ...], answer: str) -> None:
    result = run(*FLEET, *options)
    assert result.exit_code == 2
    assert answer in result.stderr
