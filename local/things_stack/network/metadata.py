"""What a deployment adds to its messages about a device from the device's records.

Sources: the Stack's applicationserver.go (handleUplink); its changelog of 3.33.1 and 3.34.0, and the documentation of
the data formats.
"""

from __future__ import annotations

from dataclasses import dataclass

from local.things_stack.description.proto3_json import Json
from local.things_stack.network.activations import Activations
from local.things_stack.profiles import Profile
from local.things_stack.servers import DeviceKey, Servers

_OTHERS = ("location_solved",)
"""Kinds of messages that have no such fields, or others of the same names."""


@dataclass(frozen=True)
class Metadata:
    """The fields of a message's content for each kind of message."""

    servers: Servers
    activations: Activations
    profile: Profile
    net_id: str

    def of(self, device: DeviceKey, kind: str) -> Json:
        """`kind` as in `application_up.TOPICS`."""
        if kind in _OTHERS:
            return {}
        identity = self.servers.identity.devices.get(device, {})
        fields: Json = {
            "locations": identity.get("locations"),
            "version_ids": self.servers.application.devices[device].get("version_ids"),
            "network_ids": {"net_id": self.net_id, **self.profile.network_ids},
        }
        if self.profile.describes_devices:
            fields["attributes"] = identity.get("attributes")
            if kind == "uplink_message":
                fields["last_battery_percentage"] = self.activations.end_device(device).battery
        elif kind != "uplink_message":
            return {}
        return {name: value for name, value in fields.items() if value}
