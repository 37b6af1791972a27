"""What checkov says against a plan, and the reasons beside the resources that it is not followed.

A reason is a comment in the resource, `# checkov:skip=<check>: <why>`. checkov has an environment of its own,
.venv-audit (`make audit` and `make soak` make it); `make test` reads the comments alone.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tftest

from local.bootstrap import AUDIT

pytestmark = pytest.mark.xdist_group("plans")

# Plan -> whether it creates the key of a stack. What only the apply makes known, as the ARN of the key, then counts as
# given, not as absent; that the resources have the key, test_security.py checks.
PLANS = {"examples": True, "longest": False}
_RESOURCE = re.compile(r'^resource "(\w+)" "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_SKIPPED = re.compile(r"^  # checkov:skip=(\w+)(.*)$", re.MULTILINE)


class Finding(NamedTuple):
    """A check that a resource of a module fails, in whatever stack the module is part of."""

    module: str
    resource: str
    check: str


def reasons(repository: Path) -> dict[Finding, str]:
    """Every check that a comment skips, and why."""
    return {
        Finding(file.parent.name, f"{kind}.{name}", check): reason
        for file in sorted(repository.glob("modules/*/*.tf"))
        for kind, name, body in _RESOURCE.findall(file.read_text())
        for check, reason in _SKIPPED.findall(body)
    }


def findings(reported: Mapping[str, Any], planned: Mapping[str, Any]) -> Iterator[Finding]:
    """What checkov reports on a plan, without the comments, which a plan does not hold.

    checkov can read them in the sources, but takes those of all resources of one type and name as one's.
    """
    for each in reported["results"]["failed_checks"]:
        *modules, kind, name = re.sub(r"\[[^]]*\]", "", each["resource"]).split(".")
        called = planned["configuration"]["root_module"]
        source = ""
        for module in modules[1::2]:
            source = called["module_calls"][module]["source"]
            called = called["module_calls"][module]["module"]
        yield Finding(Path(source).name, f"{kind}.{name}", each["check_id"])


@pytest.fixture(scope="module")
def found(plan: Callable[[str], tftest.TerraformPlanOutput], tmp_path_factory: pytest.TempPathFactory) -> set[Finding]:
    """What checkov finds in the examples and in a stack of each mode."""
    folder = tmp_path_factory.mktemp("checkov")
    found: set[Finding] = set()
    for name, creates_key in PLANS.items():
        # tftest has no public name for the document as a whole.
        planned = plan(name)._raw
        file = folder / f"{name}.json"
        file.write_text(json.dumps(planned))
        command = [str(AUDIT.python.parent / "checkov"), "--file", str(file), "--framework", "terraform_plan"]
        # Nothing is asked of checkov's vendor.
        command += ["--output", "json", "--skip-download", "--soft-fail"]
        environment = {**os.environ, "LOG_LEVEL": "ERROR", "EVAL_TF_PLAN_AFTER_UNKNOWN": "1" if creates_key else ""}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        reported = json.loads(done.stdout)
        assert reported["summary"]["passed"] > 100
        found |= set(findings(reported, planned))
    return found


def test_each_check_that_is_skipped_has_a_reason(repository: Path) -> None:
    stated = reasons(repository)
    comments = sum(
        file.read_text().count("checkov:skip") for pattern in ("*.tf", "*/*/*.tf") for file in repository.glob(pattern)
    )
    assert len(stated) == comments > 0
    assert [check for check, reason in stated.items() if not re.match(r": \S+( \S+){4,}$", reason)] == []


@pytest.mark.soak
def test_checkov_finds_nothing_on_a_plan_without_a_reason_beside_the_resource(
    found: set[Finding], repository: Path
) -> None:
    assert sorted(found - reasons(repository).keys()) == []


@pytest.mark.soak
def test_no_reason_is_left_where_checkov_finds_nothing(found: set[Finding], repository: Path) -> None:
    assert sorted(reasons(repository).keys() - found) == []
