"""The attributes of a thing that this product reads and writes, and what they say about its end device.

Names: documentation of the AWS IoT integration of The Things Stack, "Managing things". Grammar of values in
AWS IoT: `[a-zA-Z0-9_.,@/:#=\\[\\]-]*`, 800 characters at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from thingbridge.errors import BadInput
from thingbridge.lorawan import identifiers, versions


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
    APP_KEY = "appKey"
    NWK_KEY = "nwkKey"


SEARCHABLE: Final = (Attribute.DEV_EUI, Attribute.STACK_NAME)
"""Attributes of the thing type; AWS IoT allows three searchable ones."""

_CREATION: Final = (
    Attribute.LORAWAN_VERSION,
    Attribute.REGIONAL_PARAMETERS_VERSION,
    Attribute.APP_KEY,
    Attribute.NWK_KEY,
)
"""Any of these on a thing tells that its end device is to be created."""


@dataclass(frozen=True)
class DeviceReference:
    """The end device that a thing stands for. `named`: the thing itself tells the device id."""

    device_id: str
    dev_eui: str | None
    named: bool


@dataclass(frozen=True)
class NewDevice:
    """An over-the-air activated end device, complete enough to be created. Keys are 32 upper-case hex digits."""

    device_id: str
    dev_eui: str
    join_eui: str
    mac_version: str
    phy_version: str
    frequency_plan_id: str
    app_key: str
    nwk_key: str | None


def reference(attributes: Mapping[str, str]) -> DeviceReference:
    """Which end device a thing stands for; BadInput when it tells neither `deviceID` nor `devEUI`."""
    dev_eui = attributes.get(Attribute.DEV_EUI)
    read_eui = identifiers.eui(Attribute.DEV_EUI, dev_eui) if dev_eui else None
    device_id = attributes.get(Attribute.DEVICE_ID)
    if device_id:
        return DeviceReference(identifiers.device_id(Attribute.DEVICE_ID, device_id), read_eui, named=True)
    if read_eui is None:
        raise BadInput(Attribute.DEV_EUI, "is missing, and so is deviceID: the thing stands for no end device")
    return DeviceReference(identifiers.default_device_id(read_eui), read_eui, named=False)


def asks_for_creation(attributes: Mapping[str, str]) -> bool:
    """Whether the thing describes an end device to be created, completely or not."""
    return any(attributes.get(each) for each in _CREATION)


def new_device(attributes: Mapping[str, str], default_frequency_plan_id: str) -> NewDevice:
    """The end device that a thing describes. Raises BadInput naming the attribute that is missing or wrong."""
    join_attribute = Attribute.JOIN_EUI if attributes.get(Attribute.JOIN_EUI) else Attribute.APP_EUI
    dev_eui = identifiers.eui(Attribute.DEV_EUI, _required(attributes, Attribute.DEV_EUI))
    mac_version = versions.mac_version(Attribute.LORAWAN_VERSION, _required(attributes, Attribute.LORAWAN_VERSION))
    nwk_key = None
    if versions.has_network_key(mac_version):
        nwk_key = identifiers.root_key(Attribute.NWK_KEY, _required(attributes, Attribute.NWK_KEY))
    return NewDevice(
        device_id=reference(attributes).device_id,
        dev_eui=dev_eui,
        join_eui=identifiers.eui(join_attribute, _required(attributes, join_attribute, "joinEUI (or appEUI)")),
        mac_version=mac_version,
        phy_version=versions.phy_version(
            Attribute.REGIONAL_PARAMETERS_VERSION, _required(attributes, Attribute.REGIONAL_PARAMETERS_VERSION)
        ),
        frequency_plan_id=attributes.get(Attribute.FREQUENCY_PLAN_ID) or default_frequency_plan_id,
        app_key=identifiers.root_key(Attribute.APP_KEY, _required(attributes, Attribute.APP_KEY)),
        nwk_key=nwk_key,
    )


def _required(attributes: Mapping[str, str], name: Attribute, called: str | None = None) -> str:
    value = attributes.get(name)
    if not value:
        raise BadInput(called or name, "is missing: the end device can't be created without it")
    return value
