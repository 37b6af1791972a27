"""docs/aws.md: what is said to be seen was seen, by a probe or a test that exists, and no probe is left out."""

import functools
import re
from collections.abc import Iterator

import pytest

from local.emulator.probes import PROBES
from tests import documents
from tests.documents import ROOT

PAGE = documents.read("docs/aws.md")
HEADER = "What the product relies on"
AWS = "https://docs.aws.amazon.com/"


def facts() -> Iterator[list[str]]:
    """The rows of all tables of facts."""
    for heading in re.findall(r"^## (.*)$", PAGE, re.MULTILINE):
        part = documents.section(PAGE, heading)
        if f"| {HEADER} |" in part:
            yield from documents.table(part, HEADER)


FACTS = list(facts())


@functools.cache
def names_below(folder: str) -> frozenset[str]:
    """The names of the tests below a folder."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / folder).rglob("test_*.py"))
    return frozenset(name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE))


def named(cell: str) -> list[str]:
    """The tests and probes that a cell names: what else is code there has other characters."""
    return [each for each in documents.code(cell) if re.fullmatch(r"test_\w+|[a-z]+(?:_[a-z]+)*", each)]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact[0][:60])
def test_a_fact_names_what_shows_it(fact: list[str]) -> None:
    _, seen, documented, on_account = fact
    probes = {probe.name for probe in PROBES}
    assert set(named(seen)) <= probes | names_below("tests")
    assert named(seen) or seen.startswith("no")
    assert f"]({AWS}" in documented or documented.startswith("not said")
    assert {each for each in named(on_account) if each.startswith("test_")} <= names_below("tests/contract")
    assert on_account


def test_every_probe_is_a_fact_that_the_page_has() -> None:
    assert {probe.name for probe in PROBES} <= {name for fact in FACTS for name in named(fact[1])}


def test_every_test_that_is_for_an_account_alone_shows_a_fact() -> None:
    path = ROOT / "tests/contract/test_account.py"
    of_accounts = set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert of_accounts <= {name for fact in FACTS for name in named(fact[3])}
