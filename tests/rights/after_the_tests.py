"""The comparison after the end-to-end tests: what all of their local AWS recorded beside what their stacks grant.

It is made by the process that ran all of them, or that started those that did, when the whole suite has passed: a part
of it does not use all rights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests import applier
from tests.rights.accepted import ACCEPTED, Accepted, Found, Right
from tests.rights.comparison import Finding, Principal, findings, principals, stack_names
from tests.sizes import SOAK

ROOT = Path(__file__).resolve().parents[2]
END_TO_END = ROOT / "tests" / "e2e"
KINDS = tuple(f'{{"kind": "{kind}"' for kind in ("call", "policy", "role", "unchecked"))
CHOOSING = ("deselect", "failedfirst", "ignore", "ignore_glob", "keyword", "lf", "markexpr")
"""Options that leave out tests."""

OF_WORKERS = ("", "popen-*/")
"""Where the temporary files are in those of a run: its own, and those of the workers of pytest-xdist."""

OF_RESOURCES = ("key", "mqtt", "provisioning_trust", "topic", "trust")
"""Policy documents in the modules that are not of a role: trust, and policies of resources and of certificates."""

NOT_GRANTED = "is granted by no stack of the tests"
_DOCUMENT = re.compile(r'^data "aws_iam_policy_document" "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)


def register(config: pytest.Config) -> None:
    """Have the rights compared at the end of this run, if it is one of the whole suite, and not one of its workers."""
    if not hasattr(config, "workerinput") and whole_suite(config):
        config.pluginmanager.register(AfterTheTests(config))


def whole_suite(config: pytest.Config) -> bool:
    """Whether every end-to-end test is part of this run."""
    chosen = [Path(argument).resolve() for argument in config.args if "::" not in argument]
    everything = any(END_TO_END.is_relative_to(each) for each in chosen)
    return everything and not any(getattr(config.option, name, None) for name in CHOOSING)


class AfterTheTests:
    """Compares, and fails a run that passed otherwise."""

    def __init__(self, config: pytest.Config) -> None:
        self._config, self._lines = config, list[str]()

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus != pytest.ExitCode.OK or self._config.option.collectonly:
            return
        directory: Path = self._config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        seen = recorded(directory)
        if not seen:
            self._lines = ["not compared: the AWS of these tests was not started by them, and records nothing"]
            return
        self._lines = faults(findings(seen) | ungranted(seen), ACCEPTED, soak=SOAK)
        if self._lines:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._lines:
            terminalreporter.section("rights: granted and used (docs/permissions.md)", red=True)
            for line in self._lines:
                terminalreporter.write_line(line)


def recorded(directory: Path) -> list[Principal]:
    """The roles and appliers of all stacks, from the records below the directory of a run's temporary files."""
    found: list[Principal] = []
    files = {file.resolve() for each in OF_WORKERS for file in directory.glob(f"{each}aws*/records.jsonl")}
    for file in sorted(files):
        seen = list(events(file))
        found += principals(seen, {name: applier.policies(name) for name in stack_names(seen)})
    return found


def events(file: Path) -> Iterator[dict[str, Any]]:
    """What one local AWS recorded of roles, policies and calls."""
    with file.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.startswith(KINDS))


def ungranted(seen: Iterable[Principal]) -> set[Finding]:
    """The statements in the modules that no stack has."""
    granted = {statement.sid for principal in seen for statement in principal.statements}
    texts = [file.read_text(encoding="utf-8") for file in sorted(ROOT.glob("modules/*/*.tf"))]
    documents = [(name, body) for text in texts for name, body in _DOCUMENT.findall(text)]
    named = [re.findall(r"\bsid\s*=\s*(.+)", body) for name, body in documents if name not in OF_RESOURCES]
    sids = {sid for written in named for each in written for sid in re.findall(r'"(\w+)"', each)}
    return {Finding("no role", sid, "-", NOT_GRANTED) for sid in sids - granted}


def faults(found: Iterable[Finding], accepted: Mapping[Right, Accepted], *, soak: bool) -> list[str]:
    """What is wrong, a line each: findings without a reason, and reasons without a finding."""
    expected = {Found.ALWAYS} if soak else {Found.ALWAYS, Found.WITHOUT_SOAK}
    excusing = {right for right, each in accepted.items() if each.found in expected | {Found.SOMETIMES}}
    found, needed = sorted(found), set[Right]()
    lines = []
    for finding in found:
        reasons = {right for right in excusing if covers(right, finding)}
        needed |= reasons
        if not reasons:
            lines.append(str(finding))
    stale = [right for right, each in accepted.items() if each.found in expected and right not in needed]
    return lines + [f"{', '.join(right)}: nothing is found, take it out of accepted.py" for right in sorted(stale)]


def covers(right: Right, finding: Finding) -> bool:
    """Whether an accepted right, whose parts may hold *, is that of a finding."""
    seen = (finding.role, finding.statement, finding.right)
    # Square brackets are no wildcards here.
    return all(fnmatchcase(part, pattern.replace("[", "[[]")) for part, pattern in zip(seen, right, strict=True))
