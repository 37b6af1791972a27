"""Which thing stands for an end device."""

import pytest

from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import attributes, identity
from thingbridge.registry.identity import ThingNameScheme

DEVICE = EndDeviceIdentifiers("tank-7", "A81758FFFE0312AB", "A81758FFFE000001")
WITHOUT_EUI = EndDeviceIdentifiers("abp-1", None, None)


def test_the_name_of_a_thing_follows_the_scheme() -> None:
    assert identity.thing_name(DEVICE, ThingNameScheme.DEV_EUI, "farm") == "A81758FFFE0312AB"
    assert identity.thing_name(DEVICE, ThingNameScheme.DEVICE_ID, "farm") == "farm_tank-7"


def test_a_device_without_a_dev_eui_is_named_by_its_device_id() -> None:
    assert identity.thing_name(WITHOUT_EUI, ThingNameScheme.DEV_EUI, "farm") == "farm_abp-1"


def test_a_thing_created_for_a_device_is_that_devices_thing_and_requests_no_device() -> None:
    for device in (DEVICE, WITHOUT_EUI):
        created = identity.thing_attributes(device, "farm")
        assert identity.is_thing_of(device, "any name", created, "farm")
        assert not attributes.requests_creation(created)


def test_a_dev_eui_matches_in_upper_and_lower_case_and_with_any_device_id() -> None:
    written = {"devEUI": "a81758fffe0312ab", "stackName": "farm", "deviceID": "renamed"}
    assert identity.is_thing_of(DEVICE, "any name", written, "farm")


def test_another_dev_eui_is_another_device() -> None:
    assert not identity.is_thing_of(DEVICE, "name", {"devEUI": "A81758FFFE0312AC", "stackName": "other"}, "farm")


def test_without_a_dev_eui_on_either_side_the_device_id_decides_within_the_stack() -> None:
    by_id = {"deviceID": "tank-7", "stackName": "farm"}
    assert identity.is_thing_of(DEVICE, "name", by_id, "farm")
    assert identity.is_thing_of(EndDeviceIdentifiers("tank-7", None, None), "name", by_id, "farm")
    assert identity.is_thing_of(
        EndDeviceIdentifiers("tank-7", None, None), "name", {**by_id, "devEUI": "A81758FFFE0312AB"}, "farm"
    )
    assert not identity.is_thing_of(WITHOUT_EUI, "name", by_id, "farm")


@pytest.mark.parametrize("stack", [{"stackName": "other"}, {}])
def test_a_device_id_of_another_stack_is_another_devices(stack: dict[str, str]) -> None:
    assert not identity.is_thing_of(WITHOUT_EUI, "name", {"deviceID": "abp-1", **stack}, "farm")


def test_a_thing_without_a_dev_eui_gains_the_identifiers_of_its_device() -> None:
    assert identity.gained_attributes(DEVICE, {"deviceID": "tank-7"}) == {
        "devEUI": "A81758FFFE0312AB",
        "joinEUI": "A81758FFFE000001",
    }
    assert identity.gained_attributes(DEVICE, {"appEUI": "A81758FFFE000001"}) == {"devEUI": "A81758FFFE0312AB"}
    assert identity.gained_attributes(DEVICE, {"devEUI": "A81758FFFE0312AC"}) == {}
    assert identity.gained_attributes(WITHOUT_EUI, {"deviceID": "abp-1"}) == {}


@pytest.mark.parametrize("stack", [{"stackName": "other"}, {}])
def test_another_stacks_thing_is_a_mismatch_with_the_documented_message(stack: dict[str, str]) -> None:
    with pytest.raises(identity.MismatchingStack) as caught:
        identity.is_thing_of(DEVICE, "barn", {"devEUI": "A81758FFFE0312AB", **stack}, "farm")
    assert str(caught.value) == "DevEUI A81758FFFE0312AB is registered for mismatching stack"
    assert caught.value.thing_name == "barn"
