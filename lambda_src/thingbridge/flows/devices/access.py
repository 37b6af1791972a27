"""The access of a registered device: its certificate rotated, disabled, enabled.

A rotation hands out a new certificate beside the old one, and both connect: the device is never without a valid one.
The old one is ended by a step of its own, once the device uses the new one: by a person (`end_old`), or by itself
(`flows.devices.old_certificates`) in a stack that records rotations.

The credentials are handed out first, and only then the certificate gets its policies and becomes active. So whatever
ends a rotation, and wherever, a certificate that can connect is one whose key was handed out:

| Ended before | The new certificate | What follows |
|---|---|---|
| the policy | can't connect | the next rotation deletes it |
| the activation | is handed out and inactive, as that of a disabled device | enable the device, or rotate it again |

A rotation is recorded between the two: where that fails, the new certificate is deleted, and one that can connect is
recorded.

In both cases, no old certificate is ended before that.
"""

from typing import Protocol

from thingbridge.aws.things import Thing
from thingbridge.devices.credentials import Credentials, HeldCertificate, IssuedCertificate, left_over, registered
from thingbridge.devices.rotation import Rotation, replaced
from thingbridge.errors import Refused
from thingbridge.flows.devices.registration import attach_policies, certify, credentials
from thingbridge.flows.devices.registry import DeviceRegistry


class HandOut(Protocol):
    """How the credentials of a rotation reach the person or program that asked for them."""

    def give(self, credentials: Credentials) -> None:
        """Keep the credentials where they last: once this returns, the certificate may be the only one that is left."""

    def take_back(self) -> None:
        """The certificate was deleted, as a later step has failed: what was given, if anything, is not valid."""


class Incomplete(Refused):
    """The device has a thing, and no certificate that was handed out."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the registration of the device {name} is not complete: create it again to complete it")


class Access:
    """Changes the access of devices of one stack. Every method raises Refused for a name that no device has."""

    def __init__(self, devices: DeviceRegistry) -> None:
        self._devices = devices

    def rotate(self, name: str, csr: str | None, hand_out: HandOut, *, end_at: float | None = None) -> Credentials:
        """A new certificate beside those that the device has. What rotations that did not end have left is deleted.

        `end_at`: when those that it has end even if the new one was not used (Unix seconds), in a stack that records
        rotations; None: never.
        On an error, `hand_out` takes back what it gave only if the certificate was deleted. Otherwise the certificate
        may be able to connect: what was given must be kept.
        """
        thing, held = self._device(name)
        mine = registered(held, self._devices.fleet)
        if not mine:
            raise Incomplete(name)
        for each in left_over(held, self._devices.fleet):
            self._devices.certificates.delete(each.arn, name)

        def give_access(certificate: IssuedCertificate) -> None:
            hand_out.give(credentials(self._devices.fleet, thing, certificate))
            attach_policies(self._devices, certificate)
            if self._devices.rotations is not None:
                old = tuple(each.id for each in mine)
                self._devices.rotations.record(Rotation(name, thing.id, certificate.id, old, end_at))
            self._devices.certificates.set_active(certificate.id, active=True)

        certificate = certify(self._devices, name, csr, give_access=give_access, undone=hand_out.take_back)
        self._devices.log("INFO", "device_rotated", thing=name, certificate=certificate.id)
        return credentials(self._devices.fleet, thing, certificate)

    def end_old(self, name: str) -> list[str]:
        """Delete all certificates of a device but the newest. Returns the ids of the deleted ones.

        Raises Refused, and deletes nothing, if the device could not connect with the newest.
        """
        _, held = self._device(name)
        if not registered(held, self._devices.fleet):
            raise Incomplete(name)
        ended = replaced(name, held, self._devices.fleet)
        for each in ended:
            self._devices.certificates.delete(each.arn, name)
        self._devices.delete_rotation(name)
        return [each.id for each in ended]

    def set_enabled(self, name: str, *, enabled: bool) -> list[str]:
        """Activate or deactivate every certificate of a device. Returns the ids of those that changed."""
        _, held = self._device(name)
        mine = registered(held, self._devices.fleet)
        if not mine:
            raise Incomplete(name)
        changed = [each for each in mine if each.active is not enabled]
        for each in changed:
            self._devices.certificates.set_active(each.id, active=enabled)
        return [each.id for each in changed]

    def _device(self, name: str) -> tuple[Thing, list[HeldCertificate]]:
        thing = self._devices.find(name)
        if thing is None:
            raise Refused(f"the device {name} does not exist")
        return thing, self._devices.certificates.of_thing(name)
