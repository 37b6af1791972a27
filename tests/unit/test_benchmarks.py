"""results/bench.json and the budgets: each benchmark adds its part, and a figure above its budget is seen."""

import json
from pathlib import Path

import pytest

from benchmarks import budgets, results


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


def test_costs_are_compared_without_logs() -> None:
    measured = {"usd_per_million": {"default": 3.99}, "parts": {"default": {"logs": 0.2, "shadow": 1.25}}}
    (verdict,) = [each for each in budgets.verdicts(measured) if each.name == "default"]
    assert verdict.value == pytest.approx(3.79)
    assert verdict.holds
