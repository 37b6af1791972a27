"""docs/attacks.md: each row names the tests that try it, and each test of an attack has its row."""

import re
from typing import Final

import pytest

from tests import documents
from tests.documents import ROOT

ROWS: Final = documents.table(documents.read("docs/attacks.md"), "Somebody")
_NAMED: Final = re.compile(r"`(tests/[\w/]+\.py)`(?:: ((?:`test_\w+`(?:, )?)+))?")

ATTACKS: Final = {
    "tests/e2e/test_device_secrets.py",
    "tests/e2e/test_foreign_stack.py",
    "tests/e2e/test_malformed.py",
    "tests/e2e/test_planted_secrets.py",
    "tests/terraform/test_hostile_values.py",
    *(f"tests/unit/malformed/{path.name}" for path in (ROOT / "tests/unit/malformed").glob("test_*.py")),
}
"""Files in which every test is an attack."""


def named(cell: str) -> list[tuple[str, list[str]]]:
    """The files of a cell, each with the tests in it that are meant; none: all of them."""
    return [(path, re.findall(r"test_\w+", tests)) for path, tests in _NAMED.findall(cell)]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_row_names_tests_that_exist(row: list[str]) -> None:
    _, _, tested = row
    assert _NAMED.sub("", tested).strip(", ") == ""
    assert named(tested)
    for path, tests in named(tested):
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(r"^def test_", text, re.MULTILINE), path
        for test in tests:
            assert re.search(rf"^def {test}\(", text, re.MULTILINE), f"{path}: {test}"


def test_every_file_of_attacks_is_in_a_row() -> None:
    assert {path for row in ROWS for path, _ in named(row[2])} >= ATTACKS
