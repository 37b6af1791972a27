"""Which thing an end device is."""

import pytest

from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import attributes, identity
from thingbridge.registry.identity import ThingNameScheme

DEVICE = EndDeviceIdentifiers("tank-7", "A81758FFFE0312AB", "A81758FFFE000001")
WITHOUT_EUI = EndDeviceIdentifiers("abp-1", None, None)


def test_names_follow_the_scheme() -> None:
    assert identity.thing_name(DEVICE, ThingNameScheme.DEV_EUI, "farm") == "A81758FFFE0312AB"
    assert identity.thing_name(DEVICE, ThingNameScheme.DEVICE_ID, "farm") == "farm_tank-7"


def test_a_device_without_a_dev_eui_is_named_by_its_device_id() -> None:
    assert identity.thing_name(WITHOUT_EUI, ThingNameScheme.DEV_EUI, "farm") == "farm_abp-1"


def test_a_thing_made_for_a_device_is_that_devices_thing_and_asks_for_nothing() -> None:
    for device in (DEVICE, WITHOUT_EUI):
        made = identity.thing_attributes(device, "farm")
        assert identity.is_thing_of(device, "any name", made, "farm")
        assert not attributes.asks_for_creation(made)


def test_a_dev_eui_is_the_same_however_it_is_spelled_and_whatever_the_device_id_is() -> None:
    written = {"devEUI": "a81758fffe0312ab", "stackName": "farm", "deviceID": "renamed"}
    assert identity.is_thing_of(DEVICE, "any name", written, "farm")


def test_another_dev_eui_is_another_device() -> None:
    assert not identity.is_thing_of(DEVICE, "name", {"devEUI": "A81758FFFE0312AC", "stackName": "other"}, "farm")


@pytest.mark.parametrize("stack", [{"stackName": "other"}, {}])
def test_another_stacks_thing_is_a_mismatch_in_the_documented_words(stack: dict[str, str]) -> None:
    with pytest.raises(identity.MismatchingStack) as caught:
        identity.is_thing_of(DEVICE, "barn", {"devEUI": "A81758FFFE0312AB", **stack}, "farm")
    assert str(caught.value) == "DevEUI A81758FFFE0312AB is registered for mismatching stack"
    assert caught.value.thing_name == "barn"
