"""Decisions about a pair, a thing without a device and a device without a thing."""

import pytest

from thingbridge.registry import reconcile
from thingbridge.registry.reconcile import Decision, OnThingDeleted

COMPLETE = {
    "devEUI": "A81758FFFE0312AB",
    "stackName": "farm",
    "joinEUI": "A81758FFFE000001",
    "lorawanVersion": "1.0.3",
    "regionalParametersVersion": "1.0.3-a",
    "appKey": "01" * 16,
}


@pytest.mark.parametrize(
    ("pair", "decision"),
    [
        ({"marked": True, "same": True}, Decision.IN_STEP),
        ({"marked": True}, Decision.DIFFERING),
        ({}, Decision.MARK_DEVICE),
        ({"foreign": True}, Decision.IN_STEP),
        ({"seen": True, "marked": True}, Decision.DUPLICATE),
        ({"seen": True}, Decision.DUPLICATE),
    ],
)
def test_a_pair_is_marked_compared_or_reported_as_a_duplicate(pair: dict[str, bool], decision: Decision) -> None:
    given = {"marked": False, "foreign": False, "same": False, "seen": False, **pair}
    assert reconcile.for_pair(**given) is decision


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({}, Decision.CREATE_DEVICE),
        ({"appKey": ""}, Decision.LEAVE_THING),
        ({"appKey": "", "claimAuthenticationCode": "C0DE"}, Decision.CREATE_DEVICE),
        ({"lorawanVersion": "9"}, Decision.INCOMPLETE),
        ({"joinEUI": ""}, Decision.INCOMPLETE),
        ({"appKey": "", "lorawanVersion": "", "regionalParametersVersion": ""}, Decision.LEAVE_THING),
    ],
)
def test_a_thing_without_a_device_gets_one_if_it_has_keys_and_a_complete_description(
    changes: dict[str, str], decision: Decision
) -> None:
    assert reconcile.for_thing_alone({**COMPLETE, **changes}) is decision


def test_a_device_without_a_thing_is_new_unless_it_is_marked() -> None:
    for choice in OnThingDeleted:
        assert reconcile.for_device_alone(False, choice) is Decision.CREATE_THING
    assert reconcile.for_device_alone(True, OnThingDeleted.DELETE) is Decision.DELETE_DEVICE
    assert reconcile.for_device_alone(True, OnThingDeleted.RETAIN) is Decision.RETAIN_DEVICE


@pytest.mark.parametrize(
    ("deletions", "marked", "refused"),
    [(10, 10, False), (11, 11, True), (11, 110, False), (11, 109, True), (50, 1000, False), (101, 1000, True)],
)
def test_deletions_are_refused_if_they_are_many_both_in_number_and_in_share(
    deletions: int, marked: int, refused: bool
) -> None:
    assert reconcile.too_many_deletions(deletions, marked) is refused
