"""The time on air of an uplink."""

from __future__ import annotations

import pytest

from local.things_stack.network.reception import airtime


def test_airtime_follows_the_formula_of_the_modem() -> None:
    assert airtime(0) == "0.046336s"
    assert float(airtime(51, 12)[:-1]) == pytest.approx(2.793, abs=0.01)
