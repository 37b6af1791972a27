"""When the old certificates of a rotated device end by themselves, and which. Pure decisions: no I/O, no clock.

The proof that a device has its new key is a connection with the new certificate. Presence events of AWS IoT show it;
they may come repeatedly and in any order, so what is kept of them are the first and the last times. A device that falls
back to an old certificate shows that it does not rely on the new one yet: the wait begins again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from thingbridge.devices.credentials import HeldCertificate, left_over, registered
from thingbridge.devices.fleet import Fleet
from thingbridge.errors import BadInput, Refused


@dataclass(frozen=True)
class Connection:
    """A device has connected. `at`: Unix seconds."""

    thing: str
    certificate: str
    at: float


@dataclass(frozen=True)
class Rotation:
    """The last rotation of a device, as long as its old certificates have not ended. Times: Unix seconds.

    `replaces`: ids of the certificates that the device had when `certificate` was handed out. `end_at`: when they end
    even if the new one was not used, as a person has decided; None: never. `kept`: why they could not be ended when
    that was last tried. `revision` grows with each change.
    """

    thing: str
    thing_id: str
    certificate: str
    replaces: Sequence[str]
    end_at: float | None = None
    first_new: float | None = None
    last_new: float | None = None
    last_old: float | None = None
    kept: str = ""
    revision: int = 0

    def after(self, connection: Connection) -> "Rotation":
        """With what a connection shows; the rotation itself if that is nothing new."""
        if connection.certificate == self.certificate:
            return replace(
                self,
                first_new=min(connection.at, self.first_new or connection.at),
                last_new=max(connection.at, self.last_new or 0),
            )
        if connection.certificate in self.replaces:
            return replace(self, last_old=max(connection.at, self.last_old or 0))
        return self

    def is_used(self, now: float, after_seconds: float) -> bool:
        """Whether the device has used its new certificate, and none of the old ones since, for `after_seconds`."""
        last_old = self.last_old or 0
        if self.first_new is None or self.last_new is None or self.last_new <= last_old:
            return False
        return now - max(self.first_new, last_old) >= after_seconds

    def is_due(self, now: float, after_seconds: float) -> bool:
        """Whether the old certificates are to be ended: the new one is used, or their date has passed."""
        return self.is_used(now, after_seconds) or (self.end_at is not None and now >= self.end_at)


def connection(event: Mapping[str, Any]) -> Connection:
    """From a presence event `connected` (AWS IoT developer guide, "Connect/Disconnect events"). Raises BadInput."""
    for name in ("clientId", "principalIdentifier"):
        if not isinstance(event.get(name), str):
            raise BadInput(name, "must be a text")
    at = event.get("timestamp")
    if not isinstance(at, int | float):
        raise BadInput("timestamp", "must be a number: milliseconds since 1970")
    return Connection(event["clientId"], event["principalIdentifier"], at / 1000)


def replaced(name: str, held: Iterable[HeldCertificate], fleet: Fleet) -> list[HeldCertificate]:
    """The registered certificates of a device but the newest one.

    Raises Refused if the device could not connect with the newest one. `held` has at least one that is registered.
    """
    held = list(held)
    *older, newest = sorted(registered(held, fleet), key=lambda each: each.created)
    _must_work(name, held, newest, fleet)
    return older


def superseded(rotation: Rotation, held: Iterable[HeldCertificate], fleet: Fleet) -> list[HeldCertificate]:
    """The certificates that a rotation has replaced and that its device still has.

    Only those that the rotation found and that carry no policy of somebody else. Raises Refused if the new certificate
    is not the newest of the device, or if the device could not connect with it.
    """
    held = list(held)
    mine = registered(held, fleet)
    new = next((each for each in mine if each.id == rotation.certificate), None)
    if new is None:
        raise Refused(
            f"the certificate {rotation.certificate} of the last rotation of the device {rotation.thing} is not "
            f"attached to it, or does not carry the policy {fleet.policy}: nothing was ended; rotate the device again"
        )
    if newer := [each.id for each in mine if each.created > new.created]:
        raise Refused(
            f"the device {rotation.thing} has a newer certificate ({', '.join(newer)}), whose rotation was not "
            f"recorded: nothing was ended; when it is used, `thingbridge devices rotate {rotation.thing} --end-old` "
            "ends the others"
        )
    _must_work(rotation.thing, held, new, fleet)
    return [each for each in mine if each.id in rotation.replaces and set(each.policies) <= set(fleet.policies)]


def _must_work(name: str, held: Sequence[HeldCertificate], newest: HeldCertificate, fleet: Fleet) -> None:
    if left_over(held, fleet):
        raise Refused(
            f"the last rotation of the device {name} was interrupted, and its certificate can't connect: nothing "
            "was ended; rotate the device again, and use those credentials"
        )
    if not newest.active:
        raise Refused(
            f"the newest certificate of the device {name} is not active: nothing was ended; activate it with "
            f"`thingbridge devices enable {name}`, or rotate the device again"
        )
