"""What `make contract` reports: one line for each request and each test on the air, ✓ or ✗, and the reasons.

A plugin of pytest, which also hands the subject to the tests.
"""

from __future__ import annotations

import contextlib
import json
import re
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import pytest
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.contract.exchanges import BY_DEPLOYMENT
from tests.contract.subject import Subject

_NODE = re.compile(r"(?P<file>test_\w+)\.py::(?P<test>\w+)(?:\[(?P<parameter>.*)\])?$")
_ABBREVIATIONS = {"aws", "c", "kek", "mac"}
FILES = {
    "requests": "test_answers.py",
    "radio": "test_radio.py",
    "account": "test_account.py",
    "whole": "test_whole.py",
}
"""Layer → its tests."""
_LAYERS = {Path(file).stem: layer for layer, file in FILES.items()}


class Outcome(StrEnum):
    KEPT = "✓"
    BROKEN = "✗"
    BY_DEPLOYMENT = "≈"
    NOT_PLAYED = "–"


@dataclass(frozen=True)
class Line:
    """One request or test. `reason`: why it is not kept or not played, or why it may differ; `detail`: the whole
    comparison."""

    layer: str
    name: str
    outcome: Outcome
    reason: str = ""
    detail: str = ""


class Report:
    """Collects the outcomes of a run against `subject`."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.lines: list[Line] = []

    def open_subject(self) -> AbstractContextManager[Subject]:
        """The subject, which is closed by whoever made it."""
        return contextlib.nullcontext(self._subject)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            layer, name = _named(report.nodeid)
            self.lines.append(Line(layer, name, Outcome.NOT_PLAYED, _skipped_because(report)))
        elif report.when == "call" or report.failed:
            self.add(report.nodeid, report.passed, _crash(report), report.longreprtext)

    def add(self, node: str, passed: bool, reason: str, detail: str) -> None:
        """An outcome, by the id that pytest gives the test."""
        layer, name = _named(node)
        if not name:
            return
        if passed:
            self.lines.append(Line(layer, name, Outcome.KEPT))
        elif name in BY_DEPLOYMENT:
            self.lines.append(Line(layer, name, Outcome.BY_DEPLOYMENT, BY_DEPLOYMENT[name], detail))
        else:
            self.lines.append(Line(layer, name, Outcome.BROKEN, reason, detail))

    @property
    def broken(self) -> int:
        return sum(line.outcome is Outcome.BROKEN for line in self.lines)

    def write(self, path: Path) -> None:
        """Everything as JSON."""
        path.write_text(json.dumps([asdict(line) for line in self.lines], indent=1, ensure_ascii=False) + "\n")

    def show(self, console: Console) -> None:
        table = Table(box=None, pad_edge=False, show_header=False)
        for line in self.lines:
            table.add_row(line.outcome, line.layer, escape(line.name), escape(line.reason))
        console.print(table)
        counts = {each: sum(line.outcome is each for line in self.lines) for each in Outcome}
        missing = f", {counts[Outcome.NOT_PLAYED]} not played" if counts[Outcome.NOT_PLAYED] else ""
        console.print(f"{counts[Outcome.KEPT]} as in the contract, {counts[Outcome.BY_DEPLOYMENT]} differ as "
                      f"deployments may, {counts[Outcome.BROKEN]} broken{missing}", soft_wrap=True)  # fmt: skip


def _crash(report: pytest.TestReport) -> str:
    """The first line of what went wrong."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return report.longreprtext.strip().rpartition("\n")[2]
    return str(crash.message).splitlines()[0].removeprefix("AssertionError: ")


def _named(node: str) -> tuple[str, str]:
    """The layer and the name of a line, by the id that pytest gives the test; no name for a test of the exchanges
    themselves."""
    found = _NODE.search(node)
    assert found is not None, node
    layer, parameter = _LAYERS[found["file"]], found["parameter"] or ""
    if layer == "requests":
        return layer, parameter
    return layer, f"{parameter}: {_sentence(found['test'])}" if parameter else _sentence(found["test"])


def _skipped_because(report: pytest.TestReport) -> str:
    """The words of `pytest.skip`."""
    *_, words = report.longrepr if isinstance(report.longrepr, tuple) else (report.longreprtext,)
    return str(words).removeprefix("Skipped: ")


def _sentence(test: str) -> str:
    words = test.removeprefix("test_").split("_")
    return " ".join(each.upper() if each in _ABBREVIATIONS else each for each in words)
