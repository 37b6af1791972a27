"""Generated examples are the same in each run of `make test`, and others in each run of `make soak`.

The profile in tests/conftest.py decides that for all tests.
"""

from pathlib import Path

import hypothesis
from hypothesis import strategies as st

from tests.sizes import SOAK

TESTS = Path(__file__).parents[1]


def generated() -> list[int]:
    found: list[int] = []

    @hypothesis.settings(max_examples=20)
    @hypothesis.given(st.integers())
    def test(number: int) -> None:
        found.append(number)

    test()
    return found


def test_the_examples_of_make_test_are_the_same_each_time_and_those_of_make_soak_are_not_kept() -> None:
    assert hypothesis.settings().derandomize is not SOAK
    if not SOAK:
        assert generated() == generated()


def test_no_test_chooses_its_own_seed() -> None:
    own = [
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("*.py")
        if path.name not in ("conftest.py", Path(__file__).name)
        if any(each in path.read_text() for each in ("derandomize", "@seed(", "register_profile", "load_profile"))
    ]
    assert own == []
