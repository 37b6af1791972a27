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
_ABBREVIATIONS = {"c", "kek", "mac"}
LAYERS = {"test_answers": "requests", "test_radio": "radio"}


class Outcome(StrEnum):
    KEPT = "✓"
    BROKEN = "✗"
    BY_DEPLOYMENT = "≈"


@dataclass(frozen=True)
class Line:
    """One request or test. `reason`: why it is not kept, or why it may differ; `detail`: the whole comparison."""

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
        if report.when == "call" or report.failed:
            self.add(report.nodeid, report.passed, _crash(report), report.longreprtext)

    def add(self, node: str, passed: bool, reason: str, detail: str) -> None:
        """An outcome, by the id that pytest gives the test."""
        found = _NODE.search(node)
        assert found is not None, node
        layer, name = LAYERS[found["file"]], found["parameter"] or _sentence(found["test"])
        if layer == "requests" and not found["parameter"]:
            return  # a test of the exchanges themselves
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
        console.print(f"{counts[Outcome.KEPT]} as in the contract, {counts[Outcome.BY_DEPLOYMENT]} differ as "
                      f"deployments may, {counts[Outcome.BROKEN]} broken")  # fmt: skip


def _crash(report: pytest.TestReport) -> str:
    """The first line of what went wrong."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return report.longreprtext.strip().rpartition("\n")[2]
    return str(crash.message).splitlines()[0].removeprefix("AssertionError: ")


def _sentence(test: str) -> str:
    words = test.removeprefix("test_").split("_")
    return " ".join(each.upper() if each in _ABBREVIATIONS else each for each in words)
