"""The status of a device in the shadow of its thing, and how long a refusal holds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from thingbridge.errors import Busy, Refused
from thingbridge.registry import status

THEN = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
REFUSAL = status.failed(Refused("no"), again=False, digest="d1", at=THEN)


def test_a_refusal_holds_for_a_day_while_the_thing_stays_as_it_is() -> None:
    assert status.is_refused(REFUSAL, "d1", THEN + timedelta(hours=23))
    assert not status.is_refused(REFUSAL, "d1", THEN + timedelta(hours=24))
    assert not status.is_refused(REFUSAL, "d2", THEN)


def test_neither_a_success_nor_a_failure_that_is_retried_is_a_refusal() -> None:
    assert not status.is_refused(status.succeeded("created", THEN), "d1", THEN)
    assert not status.is_refused(status.failed(Busy("later"), again=True, digest="d1", at=THEN), "d1", THEN)


@pytest.mark.parametrize(
    "reported",
    [
        {},
        {"provisioning": "failed"},
        {"provisioning": {"state": "failed", "digest": "d1"}},
        {"provisioning": {"state": "failed", "digest": "d1", "at": "yesterday"}},
        {"provisioning": {"state": "failed", "digest": "d1", "at": "2025-01-02T03:04:05"}},
        {"provisioning": {"state": "failed", "digest": "d1", "at": 7}},
    ],
)
def test_a_status_that_was_not_written_by_the_product_is_not_a_refusal(reported: dict[str, Any]) -> None:
    assert not status.is_refused(reported, "d1", THEN)


def test_a_success_removes_the_details_of_a_failure_from_the_shadow() -> None:
    provisioning = status.succeeded("created", THEN)["provisioning"]
    assert {name for name, value in provisioning.items() if value is None} == set(REFUSAL["provisioning"]) - {
        "state",
        "at",
    }
