"""Every block of HCL in the documentation is planned, with a mocked provider: what a reader copies, works."""

from collections.abc import Mapping

import pytest

from tests.terraform import documentation
from tests.terraform.conftest import MOCKED, MockedRun


def test_every_module_shows_how_it_is_used() -> None:
    shown = {name.split("/")[1] for name, _ in documentation.blocks() if name.startswith("modules/")}
    assert shown == documentation.MODULES


# One worker, with the other mocked runs: what they share takes longer than all of them.
@pytest.mark.xdist_group("mocked")
def test_every_block_of_the_documentation_is_planned(mocked_runs: Mapping[tuple[str, str], MockedRun]) -> None:
    assert documentation.blocks()
    outcome = mocked_runs[f"{MOCKED}/{documentation.FILE}", documentation.RUN]
    assert outcome.status == "pass", outcome.messages
