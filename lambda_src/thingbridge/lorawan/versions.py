"""LoRaWAN and Regional Parameters versions: every documented spelling → the enumeration of The Things Stack.

Source of the names: LoRaWAN TS001 and RP001/RP002; enumerations: The Things Stack `lorawan.proto`;
spellings of profiles: the Device Repository for LoRaWAN.
"""

import re
from typing import Final

from thingbridge.errors import BadInput

MAC_VERSIONS: Final = {
    "1.0": "MAC_V1_0",
    "1.0.0": "MAC_V1_0",
    "1.0.1": "MAC_V1_0_1",
    "1.0.2": "MAC_V1_0_2",
    "1.0.3": "MAC_V1_0_3",
    "1.0.4": "MAC_V1_0_4",
    "1.1": "MAC_V1_1",
    "1.1.0": "MAC_V1_1",
}

PHY_VERSIONS: Final = {
    "1.0": "PHY_V1_0",
    "1.0.0": "PHY_V1_0",
    "1.0.1": "PHY_V1_0_1",
    "1.0.2": "PHY_V1_0_2_REV_A",
    "1.0.2-a": "PHY_V1_0_2_REV_A",
    "1.0.2-b": "PHY_V1_0_2_REV_B",
    "1.0.3": "PHY_V1_0_3_REV_A",
    "1.0.3-a": "PHY_V1_0_3_REV_A",
    "1.1-a": "PHY_V1_1_REV_A",
    "1.1.0-a": "PHY_V1_1_REV_A",
    "1.1-b": "PHY_V1_1_REV_B",
    "1.1.0-b": "PHY_V1_1_REV_B",
    "rp002-1.0.0": "RP002_V1_0_0",
    "rp002-1.0.1": "RP002_V1_0_1",
    "rp002-1.0.2": "RP002_V1_0_2",
    "rp002-1.0.3": "RP002_V1_0_3",
    "rp002-1.0.4": "RP002_V1_0_4",
}

_NAMED_BY_SPECIFICATION: Final = {
    "TS001-1.0": "PHY_V1_0",
    "TS001-1.0.1": "PHY_V1_0_1",
    "RP001-1.0.2": "PHY_V1_0_2_REV_A",
    "RP001-1.0.2-REVB": "PHY_V1_0_2_REV_B",
    "RP001-1.0.3-REVA": "PHY_V1_0_3_REV_A",
    "RP001-1.1-REVA": "PHY_V1_1_REV_A",
    "RP001-1.1-REVB": "PHY_V1_1_REV_B",
    "TS001_V1_0": "PHY_V1_0",
    "TS001_V1_0_1": "PHY_V1_0_1",
    "RP001_V1_0_2": "PHY_V1_0_2_REV_A",
    "RP001_V1_0_2_REV_B": "PHY_V1_0_2_REV_B",
    "RP001_V1_0_3_REV_A": "PHY_V1_0_3_REV_A",
    "RP001_V1_1_REV_A": "PHY_V1_1_REV_A",
    "RP001_V1_1_REV_B": "PHY_V1_1_REV_B",
}
"""Names of the specification's document: as profiles of the Device Repository have them, and as the aliases of the
enumeration `PHYVersion` that the Console shows."""

_LIKE_A_VERSION: Final = re.compile(
    r"(?:[A-Za-z]{2,3}(?:\d{3})?[-_]?V?)?\d{1,2}(?:[._]\d{1,2}){1,3}(?:[-_][A-Za-z_]{1,5})?"
)
"""A value that may be repeated in a message. A key or claim code in the wrong place never looks like this."""


def _lookup(field: str, value: str, spellings: dict[str, str]) -> str:
    if value.upper() in spellings.values():
        return value.upper()
    try:
        return spellings[value.lower()]
    except KeyError:
        given = f"{value!r} " if _LIKE_A_VERSION.fullmatch(value) else ""
        raise BadInput(field, f"{given}is not one of {', '.join(spellings)}") from None


def mac_version(field: str, value: str) -> str:
    """`1.0.3` or `MAC_V1_0_3` → `MAC_V1_0_3`. Raises BadInput that lists the known spellings.

    The error repeats the value only if it looks like a version: it may be a key that was written into the wrong field.
    """
    return _lookup(field, value, MAC_VERSIONS)


def phy_version(field: str, value: str) -> str:
    """`1.0.3-a`, `RP001-1.0.3-RevA` or `RP001_V1_0_3_REV_A` → `PHY_V1_0_3_REV_A`.

    Raises BadInput that lists the short spellings.
    """
    return _NAMED_BY_SPECIFICATION.get(value.upper()) or _lookup(field, value, PHY_VERSIONS)


def has_network_key(mac_version: str) -> bool:
    """Whether devices of this version have a NwkKey: from LoRaWAN 1.1 on.

    A 1.0.x device must never be created with one: the Join Server would use it as the AppKey.
    """
    return mac_version == "MAC_V1_1"
