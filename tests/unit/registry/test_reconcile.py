"""Decisions about a pair, a thing without a device and a device without a thing."""

import pytest

from thingbridge.registry import reconcile
from thingbridge.registry.marks import Mark, Owner
from thingbridge.registry.reconcile import Decision, MarkedBy, OnThingDeleted

COMPLETE = {
    "devEUI": "A81758FFFE0312AB",
    "stackName": "farm",
    "joinEUI": "A81758FFFE000001",
    "lorawanVersion": "1.0.3",
    "regionalParametersVersion": "1.0.3-a",
    "appKey": "01" * 16,
}


@pytest.mark.parametrize(
    ("by", "pair", "decision"),
    [
        (MarkedBy.THIS_STACK, {"same": True}, Decision.IN_STEP),
        (MarkedBy.THIS_STACK, {}, Decision.DIFFERING),
        (MarkedBy.THIS_STACK, {"room": False}, Decision.DIFFERING),
        (MarkedBy.NOBODY, {}, Decision.MARK_DEVICE),
        (MarkedBy.NOBODY, {"room": False}, Decision.UNMARKABLE),
        (MarkedBy.NEIGHBOUR, {}, Decision.IN_STEP),
        (MarkedBy.NEIGHBOUR, {"handed_over": True}, Decision.DIFFERING),
        (MarkedBy.STRANGER, {}, Decision.IN_STEP),
        (MarkedBy.THIS_STACK, {"seen": True}, Decision.DUPLICATE),
        (MarkedBy.NOBODY, {"seen": True}, Decision.DUPLICATE),
    ],
)
def test_a_pair_is_marked_compared_or_reported_as_a_duplicate(
    by: MarkedBy, pair: dict[str, bool], decision: Decision
) -> None:
    assert (
        reconcile.for_pair(by, **{"same": False, "handed_over": False, "seen": False, "room": True, **pair}) is decision
    )


@pytest.mark.parametrize(
    ("region", "account", "stack", "by"),
    [
        ("eu-west-1", "123456789012", "farm", MarkedBy.THIS_STACK),
        ("eu-west-1", "123456789012", "orchard", MarkedBy.NEIGHBOUR),
        ("us-east-1", "123456789012", "farm", MarkedBy.STRANGER),
        ("eu-west-1", "999999999999", "farm", MarkedBy.STRANGER),
    ],
)
def test_a_mark_is_of_this_stack_only_in_its_account_and_region(
    region: str, account: str, stack: str, by: MarkedBy
) -> None:
    farm = Owner("eu-west-1", "123456789012", "farm")
    assert reconcile.marked_by(Mark("barn", Owner(region, account, stack)), farm) is by
    assert reconcile.marked_by(None, farm) is MarkedBy.NOBODY


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


def test_a_device_without_a_thing_is_new_unless_a_stack_has_marked_it_or_none_can() -> None:
    for choice in OnThingDeleted:
        assert reconcile.for_device_alone(MarkedBy.NOBODY, choice) is Decision.CREATE_THING
        assert reconcile.for_device_alone(MarkedBy.NOBODY, choice, room=False) is Decision.UNMARKABLE
        assert reconcile.for_device_alone(MarkedBy.STRANGER, choice) is Decision.LEAVE_DEVICE
        assert reconcile.for_device_alone(MarkedBy.NEIGHBOUR, choice) is Decision.LEAVE_DEVICE
        assert reconcile.for_device_alone(MarkedBy.THIS_STACK, choice, kept=True) is Decision.KEEP_DEVICE
    assert reconcile.for_device_alone(MarkedBy.THIS_STACK, OnThingDeleted.DELETE) is Decision.DELETE_DEVICE
    assert reconcile.for_device_alone(MarkedBy.THIS_STACK, OnThingDeleted.RETAIN) is Decision.RETAIN_DEVICE


@pytest.mark.parametrize(
    ("deletions", "marked", "refused"),
    [
        *((10, 100, False), (11, 100, True), (11, 110, False), (11, 109, True), (50, 1000, False), (101, 1000, True)),
        *((8, 8, True), (3, 6, True), (3, 7, False), (2, 2, False), (1, 1, False), (10, 20, True), (10, 21, False)),
    ],
)
def test_deletions_are_refused_if_they_are_many_or_most_of_a_small_fleet(
    deletions: int, marked: int, refused: bool
) -> None:
    assert reconcile.too_many_deletions(deletions, marked) is refused
