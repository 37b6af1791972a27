"""Which devices may register themselves: the rules for an allowed device, and those for a request to provision one.

A device gives its name, and may give its type. All else of the thing comes from the list of allowed devices and from
the stack's settings, as parameters of the template (`modules/devices/provisioning.tf`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.devices import request
from thingbridge.devices.fleet import Fleet
from thingbridge.errors import BadInput, Refused

ANY_TYPE: Final = "*"
"""Default of the parameter Type: the device does not say what it is."""


@dataclass(frozen=True)
class AllowedDevice:
    """A device that may register itself once. `location` is None where devices have no location by the list."""

    name: str
    type_name: str
    location: str | None = None


@dataclass(frozen=True)
class Entry:
    """An allowed device as the list has it. `used_by`: the id of the certificate that its name was used with."""

    device: AllowedDevice
    used_by: str | None = None


@dataclass(frozen=True)
class ProvisioningRequest:
    """What AWS IoT passes of a device's request. `type_name` is None if the device does not say it."""

    name: str
    type_name: str | None
    certificate_id: str


@dataclass(frozen=True)
class Admission:
    """The rules of one stack. `name_pattern` must match a whole name."""

    fleet: Fleet
    name_pattern: re.Pattern[str]

    def allowed(self, name: object, type_name: object, location: object = None) -> AllowedDevice:
        """An allowed device. Raises BadInput naming the field that is wrong.

        A template can't leave out a group: with locations of the stack, every device must have one.
        """
        device = AllowedDevice(self.name(name), str(type_name or ""), str(location) if location else None)
        request.type_of(type_name, self.fleet)
        if not self.fleet.locations and device.location:
            raise BadInput("location", f"can't be given: the stack {self.fleet.stack_name} has no locations")
        if self.fleet.locations and device.location not in self.fleet.locations:
            known = ", ".join(sorted(self.fleet.locations))
            found = device.location or "none"
            raise BadInput("location", f"must be a location of the stack {self.fleet.stack_name}: {known}; got {found}")
        return device

    def name(self, name: object) -> str:
        """A name that a device may have. Raises BadInput."""
        known = request.name_of(name)
        if not self.name_pattern.fullmatch(known):
            raise BadInput("name", f"must match {self.name_pattern.pattern}; got {known}")
        return known

    def requested(self, event: object) -> ProvisioningRequest:
        """The request of a device, in the payload of AWS's pre-provisioning hook, 2020-04-01. Raises BadInput.

        `check` holds its name to the pattern, once the name is known to be on the list: whoever has a claim certificate
        chooses the name, and for some names a pattern such as `([a-z0-9]+-?)+` takes longer than all time there is.
        """
        found = event if isinstance(event, dict) else {}
        parameters, certificate = found.get("parameters"), found.get("certificateId")
        if not isinstance(parameters, dict) or not isinstance(certificate, str) or not certificate:
            raise BadInput("request", "must have the parameters and the certificateId of a device")
        type_name = parameters.get("Type", ANY_TYPE)
        name = request.name_of(parameters.get("Name"))
        return ProvisioningRequest(name, None if type_name == ANY_TYPE else str(type_name), certificate)

    def check(self, asked: ProvisioningRequest, entry: Entry) -> None:
        """Raise Refused or BadInput if the device is not the allowed one, or if its entry can no longer be used."""
        device = entry.device
        self.allowed(device.name, device.type_name, device.location)
        if asked.type_name not in (None, device.type_name):
            raise Refused(f"is allowed with the type {device.type_name} and asks for {asked.type_name:.64}")
        if entry.used_by not in (None, asked.certificate_id):
            raise Refused(
                f"was provisioned already, with the certificate {entry.used_by}: if the device has lost it, delete "
                "the thing, if there is one, and allow the name with `thingbridge devices allow --again`"
            )

    def parameters(self, device: AllowedDevice) -> Mapping[str, Any]:
        """All parameters of the template, whatever the device gave for them."""
        type_ = self.fleet.types[device.type_name]
        found = {
            "Name": device.name,
            "Type": device.type_name,
            "ThingType": type_.thing_type,
            "TypeGroup": type_.group,
        }
        if device.location:
            found |= {"Location": device.location, "LocationGroup": self.fleet.locations[device.location]}
        return found
