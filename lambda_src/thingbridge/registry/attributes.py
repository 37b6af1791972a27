"""The attributes of a thing that this product reads and writes, and what they say about its end device.

Names: documentation of the AWS IoT integration of The Things Stack, "Managing things". Grammar in AWS IoT: API
reference, `AttributePayload`; quotas of things.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from thingbridge.errors import BadInput
from thingbridge.lorawan import identifiers, mac_settings, versions
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers


class Attribute(StrEnum):
    """Attribute names of a thing."""

    DEV_EUI = "devEUI"
    STACK_NAME = "stackName"
    DEVICE_ID = "deviceID"
    JOIN_EUI = "joinEUI"
    APP_EUI = "appEUI"
    LORAWAN_VERSION = "lorawanVersion"
    REGIONAL_PARAMETERS_VERSION = "regionalParametersVersion"
    FREQUENCY_PLAN_ID = "frequencyPlanID"
    SUPPORTS_CLASS_B = "supportsClassB"
    SUPPORTS_CLASS_C = "supportsClassC"
    SUPPORTS_32_BIT_F_CNT = "supports32BitFCnt"
    RX1_DELAY = "rx1Delay"
    APP_KEY = "appKey"
    NWK_KEY = "nwkKey"
    CLAIM_AUTHENTICATION_CODE = "claimAuthenticationCode"


SEARCHABLE: Final = (Attribute.DEV_EUI, Attribute.STACK_NAME, Attribute.DEVICE_ID)
"""The attributes by which things are searched; a thing type allows three."""

SECRETS: Final = (Attribute.APP_KEY, Attribute.NWK_KEY, Attribute.CLAIM_AUTHENTICATION_CODE)
"""No longer needed once the end device exists; a thing without any of them requests no device."""

ATTRIBUTE_NAME: Final = re.compile(r"[a-zA-Z0-9_.,@/:#-]{1,128}")
ATTRIBUTE_VALUE: Final = re.compile(r"[a-zA-Z0-9_.,@/:#=\[\]-]{0,800}")
MOST_ATTRIBUTES: Final = 50
"""What AWS IoT accepts as an attribute, and how many a thing with a thing type has at most."""

MAC_SETTINGS: Final = (
    Attribute.SUPPORTS_CLASS_B,
    Attribute.SUPPORTS_CLASS_C,
    Attribute.SUPPORTS_32_BIT_F_CNT,
    Attribute.RX1_DELAY,
)
"""How the Network Server handles a device. Without the attribute, the default of the Network Server."""

_SETTINGS: Final = (
    Attribute.LORAWAN_VERSION,
    Attribute.REGIONAL_PARAMETERS_VERSION,
    Attribute.FREQUENCY_PLAN_ID,
    *MAC_SETTINGS,
)

_CLAIMED_DEFAULTS: Final = {
    Attribute.LORAWAN_VERSION: "1.0.3",
    Attribute.REGIONAL_PARAMETERS_VERSION: "1.0.3-a",
}
"""A claim provides the keys, not the versions: without the attributes, those of most devices made for claiming."""


class DeviceReference(NamedTuple):
    """The end device that a thing stands for. `named`: the thing itself has the device id, as `deviceID`."""

    device_id: str
    dev_eui: str | None
    named: bool


class NewDevice(NamedTuple):
    """An over-the-air activated end device, complete enough to be created or claimed.

    `app_key` and `nwk_key` are 32 upper-case hex digits. With a `claim_authentication_code`, the device's keys stay on
    the Join Server that it is claimed from, and both are None. `mac_settings`: more fields for the Network Server, by
    path.
    """

    device_id: str
    dev_eui: str
    join_eui: str
    mac_version: str
    phy_version: str
    frequency_plan_id: str
    app_key: str | None = None
    nwk_key: str | None = None
    claim_authentication_code: str | None = None
    mac_settings: Mapping[str, Any] = MappingProxyType({})


def reference(attributes: Mapping[str, str]) -> DeviceReference:
    """The end device that a thing stands for. Raises BadInput when the thing has neither `deviceID` nor `devEUI`."""
    dev_eui = attributes.get(Attribute.DEV_EUI)
    read_eui = identifiers.eui(Attribute.DEV_EUI, dev_eui) if dev_eui else None
    device_id = attributes.get(Attribute.DEVICE_ID)
    if device_id:
        return DeviceReference(identifiers.device_id(Attribute.DEVICE_ID, device_id), read_eui, named=True)
    if read_eui is None:
        raise BadInput(Attribute.DEV_EUI, "is missing, and so is deviceID: the thing stands for no end device")
    return DeviceReference(identifiers.default_device_id(read_eui), read_eui, named=False)


def describes_device(attributes: Mapping[str, str]) -> bool:
    """Whether the thing has keys or settings for its end device; things created for a message never do."""
    return any(attributes.get(each) for each in (*SECRETS, *_SETTINGS))


def requests_creation(attributes: Mapping[str, str]) -> bool:
    """Whether the thing requests that its end device be created, with a complete description or not."""
    versions_given = (Attribute.LORAWAN_VERSION, Attribute.REGIONAL_PARAMETERS_VERSION)
    return any(attributes.get(each) for each in (*SECRETS, *versions_given))


def has_secrets(attributes: Mapping[str, str]) -> bool:
    """Whether the thing still carries root keys or a claim code."""
    return any(attributes.get(each) for each in SECRETS)


def new_device(attributes: Mapping[str, str], default_frequency_plan_id: str) -> NewDevice:
    """The end device that a thing describes. Raises BadInput naming the attribute that is missing or wrong.

    If a thing has both a claim code and keys, the code counts: the Join Server that the device is claimed from has the
    right keys.
    """
    join_attribute = Attribute.JOIN_EUI if attributes.get(Attribute.JOIN_EUI) else Attribute.APP_EUI
    code = attributes.get(Attribute.CLAIM_AUTHENTICATION_CODE)
    given: dict[str, str] = {}
    if code:
        given.update({str(name): value for name, value in _CLAIMED_DEFAULTS.items()})
    given.update({name: value for name, value in attributes.items() if value})
    mac_version = versions.mac_version(Attribute.LORAWAN_VERSION, _required(given, Attribute.LORAWAN_VERSION))
    phy_version = _required(given, Attribute.REGIONAL_PARAMETERS_VERSION)
    app_key = nwk_key = None
    if not code:
        app_key = identifiers.root_key(Attribute.APP_KEY, _required(attributes, Attribute.APP_KEY))
        if versions.has_network_key(mac_version):
            nwk_key = identifiers.root_key(Attribute.NWK_KEY, _required(attributes, Attribute.NWK_KEY))
    return NewDevice(
        device_id=reference(attributes).device_id,
        dev_eui=identifiers.eui(Attribute.DEV_EUI, _required(attributes, Attribute.DEV_EUI)),
        join_eui=identifiers.eui(join_attribute, _required(attributes, join_attribute, "joinEUI (or appEUI)")),
        mac_version=mac_version,
        phy_version=versions.phy_version(Attribute.REGIONAL_PARAMETERS_VERSION, phy_version),
        frequency_plan_id=attributes.get(Attribute.FREQUENCY_PLAN_ID) or default_frequency_plan_id,
        app_key=app_key,
        nwk_key=nwk_key,
        claim_authentication_code=(
            identifiers.claim_authentication_code(Attribute.CLAIM_AUTHENTICATION_CODE, code) if code else None
        ),
        mac_settings=_mac_settings(attributes),
    )


def check_unchangeable(attributes: Mapping[str, str], device: EndDeviceIdentifiers) -> None:
    """Raise BadInput when a thing has another JoinEUI than its device, whose identifiers can't change.

    Another `devEUI` or `deviceID` means another device, which is noticed where the device is looked up.
    """
    for name in (Attribute.JOIN_EUI, Attribute.APP_EUI):
        if attributes.get(name):
            if identifiers.eui(name, attributes[name]) != device.join_eui:
                raise BadInput(
                    name,
                    f"can't be changed: the end device has {device.join_eui or 'none'}; "
                    "delete the thing and create it again",
                )
            return


def network_settings(attributes: Mapping[str, str]) -> dict[str, Any]:
    """The settings that a thing has for the Network Server, by path. Raises BadInput that names the attribute."""
    settings: dict[str, Any] = {}
    if version := attributes.get(Attribute.LORAWAN_VERSION):
        settings["lorawan_version"] = versions.mac_version(Attribute.LORAWAN_VERSION, version)
    if version := attributes.get(Attribute.REGIONAL_PARAMETERS_VERSION):
        settings["lorawan_phy_version"] = versions.phy_version(Attribute.REGIONAL_PARAMETERS_VERSION, version)
    if plan := attributes.get(Attribute.FREQUENCY_PLAN_ID):
        settings["frequency_plan_id"] = plan
    return settings | _mac_settings(attributes)


def _mac_settings(attributes: Mapping[str, str]) -> dict[str, Any]:
    """Classes and MAC settings by their paths in an `EndDevice`. What has a value of its own is an object there."""
    settings: dict[str, Any] = {}
    for name, path in (
        (Attribute.SUPPORTS_CLASS_B, "supports_class_b"),
        (Attribute.SUPPORTS_CLASS_C, "supports_class_c"),
    ):
        if value := attributes.get(name):
            settings[path] = mac_settings.flag(name, value)
    if value := attributes.get(Attribute.SUPPORTS_32_BIT_F_CNT):
        flag = mac_settings.flag(Attribute.SUPPORTS_32_BIT_F_CNT, value)
        settings["mac_settings.supports_32_bit_f_cnt"] = {"value": flag}
    if value := attributes.get(Attribute.RX1_DELAY):
        settings["mac_settings.rx1_delay"] = {"value": f"RX_DELAY_{mac_settings.rx_delay(Attribute.RX1_DELAY, value)}"}
    return settings


def _required(attributes: Mapping[str, str], name: Attribute, called: str | None = None) -> str:
    value = attributes.get(name)
    if not value:
        raise BadInput(called or name, "is missing: the end device can't be created without it")
    return value
