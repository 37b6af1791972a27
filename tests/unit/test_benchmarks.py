"""results/bench.json and the budgets: each benchmark adds its part, and a figure above its budget is seen."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import budgets, results
from benchmarks.costs import __main__ as costs
from benchmarks.path import __main__ as path
from benchmarks.uplink import own_work
from benchmarks.uplink.messages import Message
from cli.costs import uplinks
from cli.costs.prices import Prices
from cli.costs.usage import total
from tests import documents


def test_each_benchmark_adds_its_part_and_keeps_that_of_others(tmp_path: Path) -> None:
    file = tmp_path / "results" / "bench.json"
    results.record("ratios", {"two_calls": 0.28, "handler": 0.2}, file)
    results.record("usd_per_million", {"default": 3.7}, file)
    results.record("ratios", {"handler": 0.22}, file)
    found = json.loads(file.read_text())
    assert found["ratios"] == {"two_calls": 0.28, "handler": 0.22}
    assert found["usd_per_million"] == {"default": 3.7}
    assert set(found["measured"]) == {"ratios", "usd_per_million", "machine"}


def test_a_spread_is_the_median_and_the_quarters_around_it() -> None:
    assert results.spread([5, 1, 2, 4, 3]) == {"median": 3, "low": 2, "high": 4}
    assert results.spread([7]) == {"median": 7, "low": 7, "high": 7}


def test_a_figure_holds_up_to_its_budget_and_one_that_is_missing_does_not() -> None:
    measured = {"ratios": {"two_calls": 0.3, "handler": {"median": 0.26, "low": 0.2, "high": 0.3}}}
    found = {each.name: each.holds for each in budgets.verdicts(measured)}
    assert (found["two_calls"], found["handler"], found["cold_start"]) == (True, False, False)


def test_a_missed_budget_is_a_sentence_with_figure_and_budget() -> None:
    found = {each.name: each.sentence for each in budgets.verdicts({"ratios": {"handler": 0.31}})}
    assert found["handler"] == "ratios: handler is 0.310, the budget is 0.25."
    assert found["two_calls"] == "ratios: two_calls was not measured."


def test_the_uplink_that_is_measured_is_as_long_as_one_of_the_price_table() -> None:
    assert len(Message.numbered(1).raw) == pytest.approx(uplinks.USUAL_BYTES, rel=0.05)


def test_own_work_is_what_a_function_does_beside_its_calls() -> None:
    clients = own_work.TimedClients(lambda service: SimpleNamespace(publish=lambda **_: sum(range(300_000))))
    began = time.process_time()
    clients("iot-data").publish(topic="a/b")
    assert 0 < clients.seconds <= time.process_time() - began


def test_what_basic_ingest_and_rules_cost_follows_from_the_measured_parts() -> None:
    parts = {"message in": 1.0, "rule and action": 0.3, "message out": 1.0}
    measured = dict.fromkeys(("default", "no_shadow", "paced"), parts)
    found = {name: total(each) for name, each in costs.computed(measured, Prices.of("us-east-1")).items()}
    assert found.keys() <= budgets.USD_PER_MILLION.keys()
    assert found["default_basic_ingest"] == pytest.approx(1.30)
    assert found["rules_basic_ingest"] == pytest.approx(1.30)


def test_the_parts_of_the_path_are_the_times_between_what_an_uplink_caused() -> None:
    def caused(at: float) -> list[dict[str, Any]]:
        ended = {"function": "bench-upstream", "at": at + 0.030, "milliseconds": 20.0}
        return [
            {"kind": "mqtt", "at": at + 0.002},
            {"kind": "action", "at": at + 0.005},
            {"kind": "invocation", **ended},
        ]

    sent = [(100.0, 100.025), (100.026, 100.051)]
    events = [event for began, _ in sent for event in caused(began)]
    for found in path.parts(sent, events, "bench"):
        assert found == pytest.approx([2, 3, 5, 15], abs=0.01)


def test_every_budget_is_explained() -> None:
    page = documents.read("docs/benchmarks.md")
    shown = {row[0]: float(row[3]) for row in documents.table(page, "Ratio")}
    assert shown == {f"`{name}`": budget for name, budget in budgets.RATIOS.items()}
    rows = documents.table(page, "Mode")
    modes = [pair for row in rows for pair in zip(documents.code(row[0]), row[1].split(", "), strict=True)]
    assert {name: float(budget) for name, budget in modes} == budgets.USD_PER_MILLION


def test_costs_are_compared_without_logs() -> None:
    measured = {"usd_per_million": {"default": 3.99}, "parts": {"default": {"logs": 0.2, "shadow": 1.25}}}
    (verdict,) = [each for each in budgets.verdicts(measured) if each.name == "default"]
    assert verdict.value == pytest.approx(3.79)
    assert verdict.holds
