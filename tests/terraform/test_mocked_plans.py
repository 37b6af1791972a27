"""The runs of the *.tftest.hcl files of this folder, with a mocked provider: no account, no emulator."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.terraform.conftest import LEFT_TO_SOAK, MOCKED, MockedRun

# One worker: what the tests share takes longer than all of them.
pytestmark = pytest.mark.xdist_group("mocked")

RUNS = [
    (path.name, run)
    for path in sorted(Path(__file__).parent.glob("*.tftest.hcl"))
    if path.name not in LEFT_TO_SOAK
    for run in re.findall(r'^run "(\w+)"', path.read_text(), re.MULTILINE)
]


@pytest.mark.parametrize(("file", "run"), RUNS)
def test_a_mocked_run_passes(file: str, run: str, mocked_runs: Mapping[tuple[str, str], MockedRun]) -> None:
    outcome = mocked_runs[f"{MOCKED}/{file}", run]
    assert outcome.status == "pass", outcome.messages
