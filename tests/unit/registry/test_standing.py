"""Whether a thing stands for a device, and the fate of a marked device without one."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import standing
from thingbridge.registry.identity import StackOfThings, ThingNameScheme
from thingbridge.registry.standing import Fate

EUI, OTHER = "A81758FFFE0312AB", "A81758FFFE0312AC"
DEVICE = EndDeviceIdentifiers("tank-7", EUI, "A81758FFFE000001")
WITHOUT_EUI = EndDeviceIdentifiers("tank-7", None, None)
STACK = StackOfThings("farm", "lorawan", ThingNameScheme.DEV_EUI)


@pytest.mark.parametrize(
    ("attributes", "stands"),
    [
        ({"devEUI": EUI}, True),
        ({"devEUI": EUI.lower(), "deviceID": "other"}, True),
        ({"deviceID": "tank-7"}, True),
        ({"devEUI": "no EUI", "deviceID": "tank-7"}, True),
        ({"devEUI": OTHER, "deviceID": "tank-7"}, False),
        ({"devEUI": OTHER}, False),
        ({"deviceID": "tank-8"}, False),
        ({"room": "12"}, False),
    ],
)
def test_a_dev_eui_in_any_spelling_decides_or_else_the_device_id(attributes: dict[str, str], stands: bool) -> None:
    for stack_name in ("farm", "orchard"):
        assert standing.stands_for(DEVICE, {**attributes, "stackName": stack_name}) is stands


def test_the_device_id_decides_for_a_device_without_dev_eui() -> None:
    assert standing.stands_for(WITHOUT_EUI, {"deviceID": "tank-7", "devEUI": EUI})
    assert not standing.stands_for(WITHOUT_EUI, {"deviceID": "tank-8"})


@dataclass(frozen=True)
class Seen:
    """A thing as it was read."""

    name: str
    attributes: Mapping[str, str]
    type_name: str | None = "lorawan"


def thing(name: str, **attributes: str) -> Seen:
    return Seen(name, attributes)


OURS = thing("ours", devEUI=EUI, stackName="farm")
THEIRS = thing("theirs", devEUI=EUI.lower(), stackName="orchard")
THEIRS_BY_ID = thing("theirs", deviceID="tank-7", stackName="orchard")
NOBODYS = thing("nobodys", devEUI=EUI)
POINTED_ELSEWHERE = thing("barn", devEUI=OTHER, stackName="farm")
OVERWRITTEN = thing("barn", room="12")
GIVEN = thing("barn", stackName="orchard")


@pytest.mark.parametrize(
    ("stands", "marked", "fate", "reason"),
    [
        (None, None, Fate.FOLLOW_THING, "gone"),
        (OURS, None, Fate.MOVE_MARK, "ours"),
        (OURS, OVERWRITTEN, Fate.MOVE_MARK, "ours"),
        (OURS, GIVEN, Fate.MOVE_MARK, "ours"),
        (THEIRS, None, Fate.RELEASE, "belongs to the stack orchard"),
        (THEIRS, THEIRS, Fate.RELEASE, "belongs to the stack orchard"),
        (THEIRS, POINTED_ELSEWHERE, Fate.RELEASE, "belongs to the stack orchard"),
        (THEIRS_BY_ID, THEIRS_BY_ID, Fate.RELEASE, "belongs to the stack orchard"),
        (THEIRS_BY_ID, None, Fate.KEEP, "delete tank-7 in The Things Stack if that thing stands for"),
        (None, GIVEN, Fate.RELEASE, "belongs to the stack orchard"),
        (None, OVERWRITTEN, Fate.RESTORE_THING, "overwritten"),
        (None, thing("barn", stackName="farm"), Fate.RESTORE_THING, "overwritten"),
        (None, POINTED_ELSEWHERE, Fate.KEEP, "delete tank-7 in The Things Stack, or create a thing for it"),
        (None, thing("barn", devEUI=OTHER), Fate.KEEP, "barn no longer stands for it"),
        (NOBODYS, NOBODYS, Fate.KEEP, "set it to farm"),
        (NOBODYS, None, Fate.KEEP, "set it to farm"),
    ],
)
def test_a_marked_device_is_deleted_only_if_its_thing_is_gone_and_none_stands_for_it(
    stands: Seen | None, marked: Seen | None, fate: Fate, reason: str
) -> None:
    verdict = standing.verdict(DEVICE, STACK, stands, marked, same=True)
    assert verdict.fate is fate
    assert reason in verdict.reason


@pytest.mark.parametrize("type_name", [None, "other"])
def test_a_thing_of_another_type_is_not_given_the_attributes_of_the_one_it_replaced(type_name: str | None) -> None:
    overwritten = Seen("barn", {"room": "12"}, type_name)
    assert standing.verdict(DEVICE, STACK, None, overwritten, same=True).fate is Fate.KEEP


def test_a_thing_that_was_created_again_is_not_given_the_attributes_of_the_one_it_replaced() -> None:
    verdict = standing.verdict(DEVICE, STACK, None, OVERWRITTEN, same=False)
    assert verdict.fate is Fate.KEEP
    assert f"give it stackName farm, devEUI {DEVICE.dev_eui}, deviceID tank-7" in verdict.reason
    assert "delete tank-7 in The Things Stack" in verdict.reason
