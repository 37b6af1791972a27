"""The attributes of a thing: what they define about its end device."""

import pytest

from thingbridge.errors import BadInput
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import attributes
from thingbridge.registry.attributes import DeviceReference

APP_KEY = "0123456789abcdef0123456789ABCDEF"
COMPLETE = {
    "devEUI": "a81758fffe0312ab",
    "stackName": "farm",
    "joinEUI": "A81758FFFE000001",
    "lorawanVersion": "1.0.3",
    "regionalParametersVersion": "1.0.3-a",
    "appKey": APP_KEY,
}


def without(name: str, **more: str) -> dict[str, str]:
    return {key: value for key, value in {**COMPLETE, **more}.items() if key != name}


def test_a_complete_thing_describes_its_device_with_the_documented_defaults() -> None:
    assert attributes.new_device(COMPLETE, "EU_863_870_TTN") == attributes.NewDevice(
        device_id="eui-a81758fffe0312ab",
        dev_eui="A81758FFFE0312AB",
        join_eui="A81758FFFE000001",
        mac_version="MAC_V1_0_3",
        phy_version="PHY_V1_0_3_REV_A",
        frequency_plan_id="EU_863_870_TTN",
        app_key=APP_KEY.upper(),
        nwk_key=None,
    )


def test_a_thing_can_choose_the_device_id_and_the_frequency_plan() -> None:
    device = attributes.new_device({**COMPLETE, "deviceID": "tank-7", "frequencyPlanID": "EU_868_1"}, "EU_863_870_TTN")
    assert (device.device_id, device.frequency_plan_id) == ("tank-7", "EU_868_1")


def test_the_regional_parameters_can_have_the_name_of_their_specification() -> None:
    for spelling in ("RP001_V1_0_3_REV_A", "RP001-1.0.3-RevA"):
        thing = {**COMPLETE, "regionalParametersVersion": spelling}
        assert attributes.new_device(thing, "X").phy_version == "PHY_V1_0_3_REV_A"
        assert attributes.network_settings(thing)["lorawan_phy_version"] == "PHY_V1_0_3_REV_A"


def test_the_old_name_of_the_join_eui_is_accepted() -> None:
    assert attributes.new_device(without("joinEUI", appEUI="A81758FFFE000002"), "X").join_eui == "A81758FFFE000002"


def test_a_network_key_is_required_from_lorawan_1_1_on_and_ignored_before() -> None:
    assert attributes.new_device({**COMPLETE, "nwkKey": APP_KEY}, "X").nwk_key is None
    newer = {**COMPLETE, "lorawanVersion": "1.1", "regionalParametersVersion": "1.1-b"}
    assert attributes.new_device({**newer, "nwkKey": APP_KEY}, "X").nwk_key == APP_KEY.upper()
    with pytest.raises(BadInput, match="nwkKey"):
        attributes.new_device(newer, "X")


@pytest.mark.parametrize("name", ["devEUI", "joinEUI", "lorawanVersion", "regionalParametersVersion", "appKey"])
def test_a_missing_attribute_is_named(name: str) -> None:
    with pytest.raises(BadInput, match=f"{name}.*missing"):
        attributes.new_device(without(name), "X")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("devEUI", "12"),
        ("appKey", "12"),
        ("lorawanVersion", "2"),
        ("deviceID", "A"),
        ("supportsClassC", "yes"),
        ("supports32BitFCnt", "2"),
        ("rx1Delay", "16"),
    ],
)
def test_a_wrong_attribute_is_named(name: str, value: str) -> None:
    with pytest.raises(BadInput) as caught:
        attributes.new_device({**COMPLETE, name: value}, "X")
    assert caught.value.field == name


def test_a_claim_needs_neither_keys_nor_versions_and_takes_precedence_over_keys() -> None:
    code = {"devEUI": COMPLETE["devEUI"], "joinEUI": COMPLETE["joinEUI"], "claimAuthenticationCode": "c0de"}
    for given in (code, {**COMPLETE, **code}):
        device = attributes.new_device(given, "EU_863_870_TTN")
        assert (device.claim_authentication_code, device.app_key, device.nwk_key) == ("C0DE", None, None)
        assert (device.mac_version, device.phy_version) == ("MAC_V1_0_3", "PHY_V1_0_3_REV_A")


def test_a_bad_claim_code_is_rejected_without_being_shown() -> None:
    with pytest.raises(BadInput) as caught:
        attributes.new_device({**COMPLETE, "claimAuthenticationCode": "no-code"}, "X")
    assert caught.value.field == "claimAuthenticationCode"
    assert "no-code" not in str(caught.value)


def test_a_join_eui_that_differs_from_the_devices_is_rejected() -> None:
    device = EndDeviceIdentifiers("tank-7", "A81758FFFE0312AB", "A81758FFFE000001")
    attributes.check_unchangeable(COMPLETE, device)
    attributes.check_unchangeable({}, device)
    with pytest.raises(BadInput, match="joinEUI: can't be changed: the end device has A81758FFFE000001"):
        attributes.check_unchangeable({**COMPLETE, "joinEUI": "A81758FFFE000009"}, device)


def test_the_network_settings_are_those_that_the_thing_has() -> None:
    assert attributes.network_settings({"devEUI": "A81758FFFE0312AB"}) == {}
    assert attributes.network_settings({**COMPLETE, "frequencyPlanID": "EU_868_1"}) == {
        "lorawan_version": "MAC_V1_0_3",
        "lorawan_phy_version": "PHY_V1_0_3_REV_A",
        "frequency_plan_id": "EU_868_1",
    }


def test_only_a_thing_that_describes_a_device_requests_one() -> None:
    assert attributes.requests_creation(COMPLETE)
    assert attributes.requests_creation({"devEUI": "A81758FFFE0312AB", "lorawanVersion": "1.0.3"})
    assert not attributes.requests_creation({"devEUI": "A81758FFFE0312AB", "stackName": "farm", "joinEUI": "1"})


def test_a_thing_stands_for_the_device_that_it_names_or_for_the_default_one() -> None:
    named = attributes.reference({"devEUI": "A81758FFFE0312AB", "deviceID": "tank-7"})
    assert named == DeviceReference("tank-7", "A81758FFFE0312AB", named=True)
    default = attributes.reference({"devEUI": "A81758FFFE0312AB"})
    assert default == DeviceReference("eui-a81758fffe0312ab", "A81758FFFE0312AB", named=False)
    assert attributes.reference({"deviceID": "abp-1"}) == DeviceReference("abp-1", None, named=True)
    with pytest.raises(BadInput, match="devEUI"):
        attributes.reference({"stackName": "farm"})
