"""Versions: every documented spelling is accepted, and nothing else."""

import pytest

from thingbridge.errors import BadInput
from thingbridge.lorawan import versions


@pytest.mark.parametrize(
    ("spelling", "enumeration"),
    [
        ("1.0", "MAC_V1_0"),
        ("1.0.1", "MAC_V1_0_1"),
        ("1.0.2", "MAC_V1_0_2"),
        ("1.0.3", "MAC_V1_0_3"),
        ("1.0.4", "MAC_V1_0_4"),
        ("1.1", "MAC_V1_1"),
        ("MAC_V1_0_3", "MAC_V1_0_3"),
    ],
)
def test_every_spelling_of_a_lorawan_version_is_accepted(spelling: str, enumeration: str) -> None:
    assert versions.mac_version("lorawanVersion", spelling) == enumeration


@pytest.mark.parametrize(
    ("spelling", "enumeration"),
    [
        ("1.0", "PHY_V1_0"),
        ("1.0.1", "PHY_V1_0_1"),
        ("1.0.2", "PHY_V1_0_2_REV_A"),
        ("1.0.2-a", "PHY_V1_0_2_REV_A"),
        ("1.0.2-b", "PHY_V1_0_2_REV_B"),
        ("1.0.3-a", "PHY_V1_0_3_REV_A"),
        ("1.1-a", "PHY_V1_1_REV_A"),
        ("1.1-B", "PHY_V1_1_REV_B"),
        ("RP002-1.0.4", "RP002_V1_0_4"),
        ("RP002_V1_0_1", "RP002_V1_0_1"),
        ("TS001_V1_0", "PHY_V1_0"),
        ("TS001-1.0.1", "PHY_V1_0_1"),
        ("RP001_V1_0_2", "PHY_V1_0_2_REV_A"),
        ("RP001-1.0.2", "PHY_V1_0_2_REV_A"),
        ("RP001_V1_0_2_REV_B", "PHY_V1_0_2_REV_B"),
        ("RP001-1.0.3-RevA", "PHY_V1_0_3_REV_A"),
        ("rp001_v1_0_3_rev_a", "PHY_V1_0_3_REV_A"),
        ("RP001_V1_1_REV_A", "PHY_V1_1_REV_A"),
        ("RP001-1.1-RevB", "PHY_V1_1_REV_B"),
    ],
)
def test_every_spelling_of_a_regional_parameters_version_is_accepted(spelling: str, enumeration: str) -> None:
    assert versions.phy_version("regionalParametersVersion", spelling) == enumeration


def test_the_error_for_an_unknown_version_lists_the_known_spellings() -> None:
    with pytest.raises(BadInput, match=r"lorawanVersion: '1\.2' is not one of 1\.0,.*1\.1") as caught:
        versions.mac_version("lorawanVersion", "1.2")
    assert caught.value.field == "lorawanVersion"


def test_only_lorawan_1_1_has_a_network_key() -> None:
    assert [each for each in set(versions.MAC_VERSIONS.values()) if versions.has_network_key(each)] == ["MAC_V1_1"]
