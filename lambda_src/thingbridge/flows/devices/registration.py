"""Registering a device: thing, certificate, attachments, groups and initial shadow, handed out once.

A certificate can connect only with the stack's policy, which is attached last. A registration that ends before leaves a
thing without such a certificate: the next one of that name deletes the rest and completes it, unless an active
certificate shows that the device may be in use. A registration that fails deletes its own certificate, whose key nobody
has received.
"""

from collections.abc import Callable

from thingbridge.aws.things import Thing
from thingbridge.devices import request
from thingbridge.devices.credentials import Credentials, IssuedCertificate, left_over, registered
from thingbridge.devices.fleet import Fleet
from thingbridge.devices.request import NewDevice
from thingbridge.errors import BadInput, Busy, Refused, ThingbridgeError
from thingbridge.flows.devices.registry import DeviceRegistry


class AlreadyRegistered(Refused):
    """A device of that name was registered, and its credentials were handed out."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the device {name} exists, and its credentials were handed out: rotate it for new ones, delete it to "
            "start again, or choose another name"
        )


class Registration:
    """Registers devices of one stack."""

    def __init__(self, devices: DeviceRegistry) -> None:
        self._devices = devices

    def handle(self, event: object) -> dict[str, object]:
        """Answer a request: the credentials, or `{"error": {"field", "reason"}}` for one that can't be carried out.

        Raises Busy and Misconfigured: the caller may try again.
        """
        try:
            return self.create(request.parse(event, self._devices.fleet)).fields()
        except BadInput as error:
            return {"error": {"field": error.field, "reason": error.reason}}
        except Refused as error:
            return {"error": {"field": "name" if isinstance(error, AlreadyRegistered) else None, "reason": str(error)}}

    def create(self, device: NewDevice) -> Credentials:
        """Register a device, or complete its registration. `device`: as `request.checked` returns it.

        Raises AlreadyRegistered, and Refused for a name that another thing has: nothing is changed then.
        """
        thing = self._devices.find(device.name)
        thing = self._create_thing(device) if thing is None else self._resume(thing, device)
        certificate = certify(
            self._devices, device.name, device.csr, give_access=lambda mine: self._complete(device, mine)
        )
        self._devices.log("INFO", "device_registered", thing=device.name, certificate=certificate.id)
        return credentials(self._devices.fleet, thing, certificate)

    def _create_thing(self, device: NewDevice) -> Thing:
        thing_type = self._devices.fleet.types[device.type_name].thing_type
        self._devices.things.create(device.name, device.attributes, thing_type)
        # Its id and ARN; and another one of that name, if the name was taken in the meantime.
        thing = self._devices.find(device.name)
        if thing is None or thing.attributes != device.attributes:
            raise Busy(f"another client creates or deletes the thing {device.name}: try again")
        return thing

    def _resume(self, thing: Thing, device: NewDevice) -> Thing:
        held = self._devices.certificates.of_thing(device.name)
        if registered(held, self._devices.fleet):
            raise AlreadyRegistered(device.name)
        if in_use := [each.id for each in held if each.active]:
            raise Refused(
                f"the thing {device.name} has an active certificate without the stack's policy ({', '.join(in_use)}), "
                f"which may be in use: attach the policy {self._devices.fleet.policy} to it, or delete the device to "
                "start again"
            )
        type_name = self._devices.fleet.type_of(thing.type_name)
        if type_name != device.type_name:
            raise Refused(
                f"the thing {device.name} exists with the type {type_name}, without credentials: register it with that "
                "type, or delete it first"
            )
        for each in left_over(held, self._devices.fleet):
            self._devices.certificates.delete(each.arn, device.name)
        if thing.attributes != device.attributes:
            removed = set(thing.attributes) - set(device.attributes)
            self._devices.things.update(device.name, {**dict.fromkeys(removed, ""), **device.attributes})
        return thing

    def _complete(self, device: NewDevice, certificate: IssuedCertificate) -> None:
        """Complete the thing, then let the certificate connect. The policy comes last: it shows that all is done."""
        self._complete_thing(device)
        self._devices.certificates.set_active(certificate.id, active=True)
        attach_policies(self._devices, certificate)
        self._must_be_the_only_one(device.name, certificate)

    def _must_be_the_only_one(self, name: str, certificate: IssuedCertificate) -> None:
        """Raise AlreadyRegistered if the thing has another certificate: two registrations of one name met."""
        others = [arn for arn in self._devices.certificates.principals(name) if arn != certificate.arn]
        held = [each for arn in others if (each := self._devices.certificates.held(arn))]
        if registered(held, self._devices.fleet):
            raise AlreadyRegistered(name)

    def _complete_thing(self, device: NewDevice) -> None:
        for group in request.groups(device, self._devices.fleet):
            self._devices.groups.add(device.name, group)
        # No device of this name can send yet: a reading of an earlier one may have been handled after its deletion.
        self._devices.delete_alert_state(device.name)
        initial = self._devices.fleet.types[device.type_name].initial_shadow
        # A shadow may be older than its thing: a backend may have written what it desires.
        if initial and self._devices.shadows.document(device.name) is None:
            self._devices.shadows.update(device.name, initial)


def credentials(fleet: Fleet, thing: Thing, certificate: IssuedCertificate) -> Credentials:
    """What is handed out for a certificate of a thing."""
    return Credentials(fleet, thing.name, thing.id, thing.arn, certificate)


def certify(
    devices: DeviceRegistry,
    name: str,
    csr: str | None,
    *,
    give_access: Callable[[IssuedCertificate], None],
    undone: Callable[[], None] = lambda: None,
) -> IssuedCertificate:
    """Issue a certificate for a thing, which is inactive and carries no policy until `give_access` changes that.

    On any error, and on Ctrl-C, the certificate is deleted: nobody may rely on it. `undone` is called if that succeeds.
    """
    certificate = devices.certificates.issue(csr)
    try:
        devices.certificates.attach_to_thing(certificate.arn, name)
        give_access(certificate)
    except BaseException:
        if _is_deleted(devices, name, certificate):
            undone()
        raise
    return certificate


def attach_policies(devices: DeviceRegistry, certificate: IssuedCertificate) -> None:
    """Have a certificate carry every policy of the stack, in their order."""
    for policy in devices.fleet.policies:
        devices.certificates.attach_policy(certificate.arn, policy)


def _is_deleted(devices: DeviceRegistry, name: str, certificate: IssuedCertificate) -> bool:
    """Delete a certificate, and return whether that succeeded."""
    try:
        devices.certificates.delete(certificate.arn, name)
    except ThingbridgeError as error:
        # It is attached to the thing, so the next registration, rotation or deletion of that name finds it.
        devices.log("WARN", "certificate_left", thing=name, certificate=certificate.id, reason=str(error))
        return False
    return True
