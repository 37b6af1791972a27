"""Ending the old certificates of rotated devices: once the new one is used, or on the date that a person has set.

A connection is recorded before anything is ended, so whatever fails is completed by a later tick of the schedule. Most
connections are of devices without a rotation: each of those costs one read, and no call of AWS IoT.

What is deleted was recorded by a rotation of this stack, is still attached to the same thing, and carries the stack's
policies alone. Everything else is left, and the device's stream in the log of things says why.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from thingbridge.aws.rotations import Rotations
from thingbridge.aws.things_log import ThingsLog
from thingbridge.devices import rotation
from thingbridge.devices.rotation import Connection, Rotation
from thingbridge.errors import Busy, Refused
from thingbridge.flows.devices.registry import DeviceRegistry
from thingbridge.messaging import rule_payload

ATTEMPTS: Final = 3
"""How often a connection is recorded while other invocations change the same row."""

LEAST_SECONDS: Final = 60.0
"""What must be left of an invocation to begin with another device: its certificates may take ten seconds each."""


@dataclass(frozen=True)
class OldCertificates:
    """Ends the old certificates of the devices of one stack.

    `after_seconds`: how long a device must have used its new certificate, and none of the old ones.
    """

    devices: DeviceRegistry
    rotations: Rotations
    log: ThingsLog
    after_seconds: float
    remaining_seconds: Callable[[], float]
    now: Callable[[], float] = time.time

    def handle(self, event: dict[str, Any]) -> None:
        """Handle a connection (the rule's output `{"topic", "payload"}`), or a tick of the schedule (`{"tick"}`).

        Raises Busy or Misconfigured, so that it is retried, and BadInput for what is neither.
        """
        if "tick" in event:
            self.end_all()
        else:
            self.connected(rotation.connection(rule_payload.json_object(rule_payload.raw(event))))

    def connected(self, connection: Connection) -> None:
        """Record what a connection shows of a rotation, and end the old certificates if they are due."""
        for _ in range(ATTEMPTS):
            before = self.rotations.find(connection.thing)
            if before is None:
                return
            after = before.after(connection)
            changed = before if after == before else self.rotations.change(before, after)
            if changed is not None:
                # Once it could not be ended, the schedule tries again: a device may connect often.
                if connection.certificate == changed.certificate and not changed.kept and self._is_due(changed):
                    self._end(changed)
                return
        raise Busy(f"record a connection of {connection.thing}: {ATTEMPTS} attempts met a concurrent write")

    def end_all(self) -> None:
        """End what is due. A device that AWS is too busy for does not hold up the others; then it raises Busy."""
        failed: list[str] = []
        for each in self.rotations.all():
            if self.remaining_seconds() < LEAST_SECONDS:
                self.devices.log("WARN", "old_certificates_deferred", next_thing=each.thing)
                break
            if not self._is_due(each):
                continue
            try:
                self._end(each)
            except Busy as error:
                failed.append(str(error))
        if failed:
            raise Busy(f"the old certificates of {len(failed)} devices could not be ended, such as: {failed[0]}")

    def _is_due(self, due: Rotation) -> bool:
        return due.is_due(self.now(), self.after_seconds)

    def _end(self, due: Rotation) -> None:
        try:
            thing = self.devices.find(due.thing)
            if thing is None or thing.id != due.thing_id:
                self.devices.log("INFO", "rotation_obsolete", thing=due.thing, certificate=due.certificate)
                self.rotations.forget(due)
                return
            held = self.devices.certificates.of_thing(due.thing)
            ended = rotation.superseded(due, held, self.devices.fleet)
        except Refused as refusal:
            self._keep(due, str(refusal))
            return
        for each in ended:
            self.devices.certificates.delete(each.arn, due.thing)
        self.rotations.forget(due)
        gone = [each.id for each in ended]
        left = [each.id for each in held if each.id != due.certificate and each.id not in gone]
        if gone or left:
            because = "used" if due.is_used(self.now(), self.after_seconds) else "date"
            self.log.record(
                due.thing,
                "WARN" if left else "INFO",
                "old_certificates_ended",
                certificate=due.certificate,
                because=because,
                ended=gone,
                **({"left": left} if left else {}),
            )

    def _keep(self, due: Rotation, reason: str) -> None:
        """Say once why nothing was ended. It is tried again with the next tick."""
        if reason == due.kept:
            return
        self.log.record(due.thing, "WARN", "old_certificates_kept", certificate=due.certificate, reason=reason)
        self.rotations.change(due, replace(due, kept=reason))
