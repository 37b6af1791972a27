"""What the directory knows of devices: the keys of its items, and the facts in them. Pure; the table is in `aws`.

| Item | Key `device` | Holds |
|---|---|---|
| a device with a DevEUI | its DevEUI | `thing`: the name of its thing; without it, the registry must be asked |
| a device without one | `id:` and its device id | the same |
| a thing that is not named after its device's key | `thing:` and its name | `keys`: those it stands under, or stood |
| the last survey of all things | `survey` | `at`, and `complete_until`: Unix seconds; 0 if it made nothing complete |

A fact is as old as the look at the registry that it comes from (`as_of`): an older one never replaces a newer one, so
late and repeated events, and slow writers, change nothing. That the registry must be asked is a fact as well, and is
kept: only a device that has no item at all can be new.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry.attributes import Attribute

SURVEY: Final = "survey"
"""Key of the item of the last survey. Never a device's: those are 16 hex digits, or have a colon."""

_EUI: Final = re.compile("[0-9A-F]{16}")


class Fact(NamedTuple):
    """Which thing a device is; None: that must be looked up in the registry.

    `as_of`: when the registry was looked at, in microseconds since 1970. `made_at`: when this product made the
    thing because it knew of no other, in microseconds as well; 0 if the thing was found.
    """

    thing_name: str | None
    as_of: int
    made_at: int = 0


class Surveyed(NamedTuple):
    """A survey: when it ended, and until when a device without an item is a new one (Unix seconds, or 0)."""

    at: float = 0.0
    complete_until: float = 0.0


def key_of_device(device: EndDeviceIdentifiers) -> str:
    """The key of a device's item."""
    return device.dev_eui or key_of_id(device.device_id)


def key_of_id(device_id: str) -> str:
    """The key of a device, or of a thing, that has only a device id."""
    return f"id:{device_id}"


def key_of_thing(attributes: Mapping[str, Any]) -> str | None:
    """The key of the device that a thing with these attributes stands for; None if it names none."""
    dev_eui = str(attributes.get(Attribute.DEV_EUI) or "").upper()
    if dev_eui:
        return dev_eui if _EUI.fullmatch(dev_eui) else None
    device_id = attributes.get(Attribute.DEVICE_ID)
    return key_of_id(device_id) if device_id else None


def key_by_name(thing_name: str) -> str | None:
    """The key of the device that a thing is named after: its DevEUI."""
    return thing_name if _EUI.fullmatch(thing_name) else None


def key_of_reverse(thing_name: str) -> str:
    """The key of the item that says under which keys a thing stands."""
    return f"thing:{thing_name}"


def event(thing_name: str, at: int) -> str:
    """What has the directory look at a thing, like a registry event. `at`: when it was as it is, in microseconds."""
    return json.dumps({"thingName": thing_name, "at": at // 1000})
