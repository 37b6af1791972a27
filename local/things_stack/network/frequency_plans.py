"""The frequency plans of the simulated network, by the ids that `GET /configuration/frequency-plans` returns.

Source: the Stack's public frequency-plan repository. Channels and sub-bands are not modelled.
"""

from __future__ import annotations


def _plans() -> dict[str, tuple[str, int]]:
    grouped: dict[tuple[str, int], str] = {
        ("EU_863_870", 868): "EU_863_870 EU_863_870_TTN EU_863_870_ROAMING_DRAFT EU_868_1",
        ("MA_869_870_DRAFT", 868): "MA_869_870_DRAFT",
        ("EU_433", 433): "EU_433",
        ("US_902_928", 915): " ".join(f"US_902_928_FSB_{n}" for n in range(1, 9))
        + " US_903_0 US_904_6 US_906_2 US_907_8 US_909_4 US_911_0 US_912_6 US_914_2",
        ("AU_915_928", 915): " ".join(f"AU_915_928_FSB_{n} AU_915_928_FSB_{n}_BR" for n in range(1, 9)),
        ("CN_470_510", 470): "CN_470_510_FSB_1 CN_470_510_FSB_11",
        ("AS_923", 915): "AS_920_923 AS_920_923_LBT AS_920_923_TTN_JP_1 AS_920_923_TTN_JP_1_LAND_MOBILE"
        " AS_920_923_TTN_JP_2 AS_920_923_TTN_JP_3 AS_920_923_TTN_JP_3_LAND_MOBILE AS_923 AS_923_NDT AS_923_DT"
        " AS_923_925 AS_923_925_LBT AS_920_923_TTN_AU AS_923_925_TTN_AU SG_920_923_TTN UZ_923_1",
        ("AS_923_2", 915): "AS_923_2 AS_923_2_NDT AS_923_2_DT",
        ("AS_923_3", 915): "AS_923_3 AS_923_3_NDT AS_923_3_DT",
        ("AS_923_4", 915): "AS_923_4 AS_923_4_NDT AS_923_4_DT IL_917_920_TTN IL_917_920_TTN_2",
        ("KR_920_923", 915): "KR_920_923_TTN",
        ("IN_865_867", 868): "IN_865_867",
        ("RU_864_870", 868): "RU_864_870_TTN",
        ("ISM_2400", 2450): "ISM_2400_3CH_DRAFT2",
    }
    return {plan: band for band, plans in grouped.items() for plan in plans.split()}


FREQUENCY_PLANS = _plans()
"""Plan id → (band id, base frequency in MHz)."""


_BASES = {
    "EU_863_870": "EU_863_870_TTN EU_863_870_ROAMING_DRAFT EU_868_1",
    "AS_920_923": "AS_920_923_LBT AS_920_923_TTN_AU SG_920_923_TTN",
    "AS_920_923_TTN_JP_1": "AS_920_923_TTN_JP_1_LAND_MOBILE",
    "AS_920_923_TTN_JP_3": "AS_920_923_TTN_JP_3_LAND_MOBILE",
    "AS_923": "AS_923_NDT AS_923_DT",
    "AS_923_2": "AS_923_2_NDT AS_923_2_DT",
    "AS_923_3": "AS_923_3_NDT AS_923_3_DT",
    "AS_923_4": "AS_923_4_NDT AS_923_4_DT",
    "AS_923_925": "AS_923_925_LBT AS_923_925_TTN_AU",
}
"""Plan → the plans that extend it."""
_BASE_OF = {plan: base for base, plans in _BASES.items() for plan in plans.split()}

_NOT_IN = {
    "PHY_V1_0": ("AS_923", "AU_915_928", "CN_470_510", "KR_920_923", "IN_865_867", "RU_864_870"),
    "PHY_V1_0_1": ("AS_923", "KR_920_923", "IN_865_867", "RU_864_870"),
    "PHY_V1_0_2_REV_A": ("IN_865_867", "RU_864_870"),
    "PHY_V1_0_2_REV_B": ("RU_864_870",),
}
"""PHY version → the bands that came later. Source: the Stack's pkg/band, which has one file for each band and version;
bands that came with RP002 are not listed."""


def has_band(phy_version: str, plan: str) -> bool:
    """Whether the Regional Parameters of this version have the band of the plan, which must exist."""
    return FREQUENCY_PLANS[plan][0] not in _NOT_IN.get(phy_version, ())


def describe(band_id: str | None, base_frequency: int | None) -> list[dict[str, object]]:
    """The plans of a band and a base frequency (MHz; None: any), each as a FrequencyPlanDescription."""
    return [
        {
            "id": plan,
            **({"base_id": _BASE_OF[plan]} if plan in _BASE_OF else {}),
            "name": plan.replace("_", " "),
            "base_frequency": frequency,
            "band_id": band,
        }
        for plan, (band, frequency) in FREQUENCY_PLANS.items()
        if band_id in (None, band) and base_frequency in (None, frequency)
    ]
