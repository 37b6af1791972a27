"""A device as a row and as attributes: what is accepted, how it is spelled, when two are the same."""

from datetime import UTC, datetime

import pytest

from cli.device_record import Columns, canonical, differences, from_json, record, to_json
from thingbridge.errors import BadInput

NOW = datetime(2026, 11, 27, tzinfo=UTC)
KEY = "0123456789ABCDEF0123456789ABCDEF"
DEVICE = {
    "devEUI": "a81758fffe000001",
    "joinEUI": "a81758fffe00000f",
    "lorawanVersion": "MAC_V1_0_3",
    "regionalParametersVersion": "PHY_V1_0_3_REV_A",
    "appKey": KEY.lower(),
}


def test_a_thing_has_the_documented_spelling_and_the_dev_eui_as_its_name() -> None:
    made = record(DEVICE)
    assert (made.thing_name, made.named) == ("A81758FFFE000001", False)
    assert made.attributes == {
        "devEUI": "A81758FFFE000001",
        "joinEUI": "A81758FFFE00000F",
        "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a",
        "appKey": KEY,
    }


@pytest.mark.parametrize(
    ("enumeration", "documented"),
    [
        ("PHY_V1_0", "1.0"),
        ("PHY_V1_0_2_REV_A", "1.0.2-a"),
        ("PHY_V1_1_REV_B", "1.1-b"),
        ("RP002_V1_0_4", "RP002-1.0.4"),
        ("rp002-1.0.3", "RP002-1.0.3"),
    ],
)
def test_regional_parameters_are_spelled_as_documented(enumeration: str, documented: str) -> None:
    assert record({**DEVICE, "regionalParametersVersion": enumeration}).attributes["regionalParametersVersion"] == (
        documented
    )


def test_a_network_key_is_left_out_for_a_version_without_one() -> None:
    assert "nwkKey" not in record({**DEVICE, "nwkKey": KEY}).attributes
    newer = {**DEVICE, "nwkKey": KEY, "lorawanVersion": "1.1", "regionalParametersVersion": "1.1-b"}
    assert record(newer).attributes["nwkKey"] == KEY


def test_a_claim_needs_no_versions_and_no_keys() -> None:
    made = record({"devEUI": DEVICE["devEUI"], "joinEUI": DEVICE["joinEUI"], "claimAuthenticationCode": "be12"})
    assert made.attributes["claimAuthenticationCode"] == "BE12"
    assert "lorawanVersion" not in made.attributes


def test_defaults_apply_to_devices_without_a_value() -> None:
    defaults = {"frequencyPlanID": "EU_863_870_TTN", "lorawanVersion": "1.1"}
    made = record(DEVICE, defaults=defaults).attributes
    assert (made["frequencyPlanID"], made["lorawanVersion"]) == ("EU_863_870_TTN", "1.0.3")


@pytest.mark.parametrize(
    ("changes", "name", "field"),
    [
        ({"devEUI": "1.11111E+15"}, None, "devEUI"),
        ({"appKey": ""}, None, "appKey"),
        ({"joinEUI": ""}, None, "joinEUI"),
        ({"lorawanVersion": "9"}, None, "lorawanVersion"),
        ({"deviceID": "Upper"}, None, "deviceID"),
        ({"frequencyPlanID": "EU 868"}, None, "frequencyPlanID"),
        ({"appKey": 7}, None, "appKey"),
        ({}, "a/b", "thingName"),
    ],
)
def test_an_invalid_value_is_rejected_by_attribute(changes: dict[str, str], name: str | None, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        record({**DEVICE, **changes}, name)
    assert caught.value.field.startswith(field)
    assert KEY not in str(caught.value)


def test_an_end_device_of_the_things_stack_is_read_and_its_other_fields_are_named() -> None:
    described = from_json(
        {
            "ids": {"device_id": "tank-7", "dev_eui": DEVICE["devEUI"], "join_eui": DEVICE["joinEUI"]},
            "name": "Tank",
            "mac_settings": {"use_adr": {"value": True}},
            "supports_join": True,
            "lorawan_version": "MAC_V1_1",
            "lorawan_phy_version": "PHY_V1_1_REV_B",
            "root_keys": {"app_key": {"key": KEY}, "nwk_key": {"key": KEY}},
        },
        NOW,
    )
    assert (described.thing_name, described.ignored) == (None, {"name", "mac_settings.use_adr"})
    assert record(described.values).attributes["deviceID"] == "tank-7"
    assert record(described.values).attributes["nwkKey"] == KEY


def test_a_device_activated_by_personalization_is_rejected() -> None:
    with pytest.raises(BadInput, match="joins over the air"):
        from_json({"ids": {"dev_eui": DEVICE["devEUI"]}, "supports_join": False}, NOW)


@pytest.mark.parametrize(
    ("existing", "names"),
    [
        ({**DEVICE, "lorawanVersion": "1.0.3"}, []),
        ({**DEVICE, "devEUI": DEVICE["devEUI"].upper(), "room": "12"}, []),
        ({**{k: v for k, v in DEVICE.items() if k != "joinEUI"}, "appEUI": DEVICE["joinEUI"]}, []),
        ({k: v for k, v in DEVICE.items() if k != "appKey"}, []),
        ({**DEVICE, "appKey": KEY[::-1]}, ["appKey"]),
        ({k: v for k, v in DEVICE.items() if k != "lorawanVersion"}, ["lorawanVersion"]),
        ({**DEVICE, "deviceID": "other"}, ["deviceID"]),
        ({**DEVICE, "deviceID": "eui-a81758fffe000001"}, []),
    ],
    ids=["spelling", "case", "app EUI", "key removed", "key", "missing", "device id", "default device id"],
)
def test_things_are_compared_by_what_they_mean(existing: dict[str, str], names: list[str]) -> None:
    wanted = {**DEVICE, "deviceID": "eui-a81758fffe000001"}
    assert differences(canonical(wanted), canonical(existing)) == names


def test_keys_are_written_only_when_requested() -> None:
    for keys in (True, False):
        columns = Columns(keys)
        columns.add(DEVICE)
        assert ("app_key" in columns.header(), KEY in columns.row("a", DEVICE).values()) == (keys, keys)
    assert to_json("a", DEVICE, keys=True)["appKey"] == DEVICE["appKey"]
    assert "appKey" not in to_json("a", DEVICE, keys=False)
