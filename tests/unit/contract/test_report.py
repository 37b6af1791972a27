"""The table and the file that `make contract` reports."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from tests.contract.exchanges import BY_DEPLOYMENT, difference, recorded
from tests.contract.report import Outcome, Report
from tests.contract.subject import Subject

ANSWER = "tests/contract/test_answers.py::test_a_request_is_answered_as_by_the_real_things_stack"


@pytest.fixture
def report() -> Report:
    report = Report(cast(Subject, None))
    report.add(f"{ANSWER}[JS: short key]", True, "", "")
    report.add(f"{ANSWER}[update: name]", False, "assert 200 == 400", "the whole")
    report.add(f"{ANSWER}[claim: QR code]", False, "assert 200 == 409", "the whole")
    report.add("tests/contract/test_radio.py::test_a_downlink_to_class_c_is_sent_at_once", True, "", "")
    report.add("tests/contract/test_answers.py::test_every_exchange_has_a_name_of_its_own", True, "", "")
    return report


def test_each_request_and_test_is_one_line_with_its_outcome(report: Report) -> None:
    console = Console(file=io.StringIO(), width=100)
    report.show(console)
    lines = cast(io.StringIO, console.file).getvalue().splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["✓", "✗", "≈", "✓"]
    assert "update: name" in lines[1]
    assert "assert 200 == 400" in lines[1]
    assert "which Join Servers claim is configured" in lines[2]
    assert "radio     a downlink to class C is sent at once" in lines[3]
    assert lines[4] == "2 as in the contract, 1 differ as deployments may, 1 broken"
    assert report.broken == 1


def test_a_test_that_can_not_be_played_is_a_line_with_its_reason_and_breaks_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_whole.py").write_text(
        "import pytest\n"
        "@pytest.fixture(params=['webhook', 'mqtt'])\n"
        "def way(request):\n"
        "    if request.param == 'mqtt': pytest.skip('not reached')\n"
        "    raise AssertionError('TTS refuses it')\n"
        "def test_uplinks_reach_aws(way): pass\n"
    )
    report = Report(cast(Subject, None))
    pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)], plugins=[report])
    assert [(each.outcome, each.layer, each.name, each.reason) for each in report.lines] == [
        (Outcome.BROKEN, "whole", "webhook: uplinks reach AWS", "TTS refuses it"),
        (Outcome.NOT_PLAYED, "whole", "mqtt: uplinks reach AWS", "not reached"),
    ]
    assert report.broken == 1


def test_the_file_has_the_whole_comparison(report: Report, tmp_path: Path) -> None:
    report.write(tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text())
    assert written[1] == {"layer": "requests", "name": "update: name", "outcome": Outcome.BROKEN.value,
                          "reason": "assert 200 == 400", "detail": "the whole"}  # fmt: skip


@pytest.mark.parametrize(
    ("got", "expected", "words"),
    [
        ({"status": 200}, {"status": 200}, ""),
        ({"status": 200}, {"status": 404, "errors": [{"error": "a:outer"}, {"error": "pkg/redis:not_found"}]},
         "200; expected 404 pkg/redis:not_found"),
        ({"status": 200, "shape": {"a": None}, "total": 1}, {"status": 200, "shape": {}, "total": 2},
         "200, with other shape and total"),
    ],
)  # fmt: skip
def test_a_difference_is_named_in_a_few_words(got: dict[str, Any], expected: dict[str, Any], words: str) -> None:
    assert difference(got, expected) == words


def test_what_may_differ_is_named_by_an_exchange() -> None:
    assert set(BY_DEPLOYMENT) <= {exchange["name"] for exchange in recorded()}
