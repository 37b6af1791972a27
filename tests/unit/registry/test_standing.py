"""Whether a thing stands for a device, and the fate of a marked device without one."""

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


OURS = {"devEUI": EUI, "stackName": "farm"}
THEIRS = {"devEUI": EUI, "stackName": "orchard"}
NOBODYS = {"devEUI": EUI}
POINTED_ELSEWHERE = {"devEUI": OTHER, "stackName": "farm"}


@pytest.mark.parametrize(
    ("stands", "marked", "fate"),
    [
        (None, None, Fate.FOLLOW_THING),
        (OURS, None, Fate.MOVE_MARK),
        (OURS, {"room": "12"}, Fate.MOVE_MARK),
        (THEIRS, None, Fate.RELEASE),
        (THEIRS, THEIRS, Fate.RELEASE),
        (THEIRS, POINTED_ELSEWHERE, Fate.RELEASE),
        (None, {"stackName": "orchard"}, Fate.RELEASE),
        (None, {"room": "12"}, Fate.RESTORE_THING),
        (None, {"stackName": "farm"}, Fate.RESTORE_THING),
        (None, POINTED_ELSEWHERE, Fate.KEEP),
        (None, {"devEUI": OTHER}, Fate.KEEP),
        (NOBODYS, NOBODYS, Fate.KEEP),
        (NOBODYS, None, Fate.KEEP),
    ],
)
def test_a_marked_device_is_deleted_only_if_its_thing_is_gone_and_none_stands_for_it(
    stands: dict[str, str] | None, marked: dict[str, str] | None, fate: Fate
) -> None:
    assert standing.fate(STACK, stands, marked, "lorawan") is fate


@pytest.mark.parametrize("type_name", [None, "other"])
def test_a_thing_of_another_type_is_not_given_the_attributes_of_the_one_it_replaced(type_name: str | None) -> None:
    assert standing.fate(STACK, None, {"room": "12"}, type_name) is Fate.KEEP
