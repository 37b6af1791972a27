"""What checkov says against a plan, and the reasons beside the resources that it is not followed.

A reason is a comment in the resource, `# checkov:skip=<check>: <why>`. checkov has an environment of its own,
.venv-audit (`make audit` and `make soak` make it); `make test` reads the comments alone.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tftest

from local.bootstrap import AUDIT

pytestmark = pytest.mark.xdist_group("plans")

Check = tuple[str, str]
"""File of the resource and ID of the check."""
SKIPPED = re.compile(r"checkov:skip=(\w+)(.*)")
PLANS = ("examples", "longest")


def reasons(repository: Path) -> dict[Check, str]:
    """Every check that a comment skips, and why."""
    return {
        (str(file.relative_to(repository)), check): reason
        for file in sorted(repository.glob("modules/*/*.tf")) + sorted(repository.glob("*.tf"))
        for check, reason in SKIPPED.findall(file.read_text())
    }


@pytest.fixture(scope="module")
def findings(
    plan: Callable[[str], tftest.TerraformPlanOutput], tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, Any]]]:
    """What checkov reports on the examples and on a stack in each mode, by outcome (`failed_checks`, …)."""
    folder = tmp_path_factory.mktemp("checkov")
    command = [str(AUDIT.python.parent / "checkov"), "--framework", "terraform_plan", "--output", "json"]
    # The plan holds values and no comments: these are read in the sources. Nothing is asked of checkov's vendor.
    command += ["--repo-root-for-plan-enrichment", str(tree), "--skip-download", "--soft-fail"]
    for name in PLANS:
        file = folder / f"{name}.json"
        # tftest has no public name for the document as a whole.
        file.write_text(json.dumps(plan(name)._raw))
        command += ["--file", str(file)]
    environment = {**os.environ, "LOG_LEVEL": "ERROR"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)["results"]
    return results


def test_each_check_that_is_skipped_has_a_reason(repository: Path) -> None:
    found = reasons(repository)
    assert found
    assert [check for check, reason in found.items() if not re.match(r": \w+( \S+){4,}$", reason)] == []


@pytest.mark.soak
def test_checkov_finds_nothing_on_a_plan_without_a_reason_beside_the_resource(
    findings: dict[str, list[dict[str, Any]]],
) -> None:
    assert len(findings["passed_checks"]) > 1000
    failed = [f"{each['check_id']} {each['check_name']}: {each['resource']}" for each in findings["failed_checks"]]
    assert failed == []


@pytest.mark.soak
def test_no_reason_is_left_where_checkov_has_nothing_to_say(
    findings: dict[str, list[dict[str, Any]]], repository: Path
) -> None:
    skipped = {(each["file_path"].lstrip("/"), each["check_id"]) for each in findings["skipped_checks"]}
    assert skipped == set(reasons(repository))
