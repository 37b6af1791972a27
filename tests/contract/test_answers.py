"""Layer (a): every request that the product sends or could send is answered as by the real The Things Stack."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.exchanges import Exchange, difference, expected_of, recorded

pytestmark = pytest.mark.xdist_group("contract")  # one subject for all


def _parameter(exchange: Exchange) -> Any:
    known = [pytest.mark.xfail(reason=exchange["exception"], strict=True)] if "exception" in exchange else []
    return pytest.param(exchange, id=exchange["name"], marks=known)


def test_every_exchange_has_a_name_of_its_own() -> None:
    names = [exchange["name"] for exchange in recorded()]
    assert len(set(names)) == len(names) == 164


@pytest.mark.parametrize("exchange", map(_parameter, recorded()))
def test_a_request_is_answered_as_by_the_real_things_stack(
    exchange: Exchange, answers: dict[str, dict[str, Any]]
) -> None:
    got, expected = answers[exchange["name"]], expected_of(exchange)
    assert got == expected, difference(got, expected)
