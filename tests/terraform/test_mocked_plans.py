"""The *.tftest.hcl files of this folder, run by `terraform test` with a mocked provider: no account, no emulator."""

from collections.abc import Callable
from pathlib import Path

import pytest

# One worker: what the tests share takes longer than all of them.
pytestmark = pytest.mark.xdist_group("mocked")

FILES = sorted(path.name for path in Path(__file__).parent.glob("*.tftest.hcl"))


@pytest.fixture(scope="session")
def initialised(tree: Path, terraform: Callable[..., object]) -> Path:
    terraform(tree, "init", "-no-color", "-test-directory=tests/terraform")
    return tree


@pytest.mark.parametrize("file", FILES)
def test_mocked_plans_hold(file: str, initialised: Path, terraform: Callable[..., object]) -> None:
    folder = "tests/terraform"
    terraform(initialised, "test", "-no-color", f"-test-directory={folder}", f"-filter={folder}/{file}")
