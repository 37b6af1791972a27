"""What a device needs to connect, and the certificates that its thing has. Private keys appear in no representation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from thingbridge.devices.fleet import MQTT_PORT, Fleet


@dataclass(frozen=True)
class HeldCertificate:
    """A certificate that is attached to a thing. `policies`: names of those it carries; `created`: Unix seconds."""

    id: str
    arn: str
    active: bool
    policies: Sequence[str] = ()
    created: float = 0.0


@dataclass(frozen=True)
class IssuedCertificate:
    """A new certificate (PEM). The key pair only if AWS made it: this is the only copy of the private key."""

    id: str
    arn: str
    pem: str
    private_key: str | None = field(default=None, repr=False)
    public_key: str | None = None


@dataclass(frozen=True)
class Credentials:
    """The credentials of one device."""

    fleet: Fleet
    thing_name: str
    thing_id: str
    thing_arn: str
    certificate: IssuedCertificate

    def fields(self) -> dict[str, Any]:
        """The answer to a registration. The keys are None if the caller made them and sent a signing request."""
        return {
            "thingName": self.thing_name,
            "thingId": self.thing_id,
            "thingArn": self.thing_arn,
            "clientId": self.thing_name,
            "certificateId": self.certificate.id,
            "certificateArn": self.certificate.arn,
            "certificatePem": self.certificate.pem,
            "privateKey": self.certificate.private_key,
            "publicKey": self.certificate.public_key,
            "endpoint": self.fleet.endpoint,
            "region": self.fleet.region,
            "port": MQTT_PORT,
            "caCertificate": self.fleet.ca_certificate,
        }


def registered(certificates: Iterable[HeldCertificate], fleet: Fleet) -> list[HeldCertificate]:
    """The certificates that were handed out, active or not.

    Without the stack's policy, the registration or rotation that made the certificate did not end: a registration
    attaches it last, and a rotation only once the credentials were handed out.
    """
    return [each for each in certificates if fleet.policy in each.policies]


def without_others_policies(certificates: Iterable[HeldCertificate], fleet: Fleet) -> list[HeldCertificate]:
    """The certificates without the stack's policy that carry no policy of somebody else either."""
    return [
        each for each in certificates if fleet.policy not in each.policies and set(each.policies) <= set(fleet.policies)
    ]


def left_over(certificates: Iterable[HeldCertificate], fleet: Fleet) -> list[HeldCertificate]:
    """The certificates of registrations and rotations that did not end.

    They are inactive. An active one may be in use: a person may have detached the policy to suspend the device.
    """
    return [each for each in without_others_policies(certificates, fleet) if not each.active]
