"""Provisioning by claim: whether a device may register itself, which AWS IoT asks before it makes the thing.

The list has the last word: a name is used by one certificate, in one conditional write. The device that has it may ask
again with that certificate, as AWS may have failed after the answer. A thing that exists is nobody's to claim.

An admission takes three calls, and up to two more for the initial shadow; AWS waits five seconds for the answer.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from thingbridge import metrics
from thingbridge.aws.allowed_devices import AllowedDevices
from thingbridge.aws.device_shadows import DeviceShadows
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.devices.admission import Admission, AllowedDevice, Entry, ProvisioningRequest
from thingbridge.errors import BadInput, Refused


@dataclass(frozen=True)
class Provisioning:
    """Admits devices of one stack."""

    admission: Admission
    allowed: AllowedDevices
    things: Things
    shadows: DeviceShadows
    log: ThingsLog
    now: Callable[[], float] = time.time

    def handle(self, event: object) -> dict[str, object]:
        """Answer AWS IoT. Raises Busy or Misconfigured, which the device learns as a failure: it may try again."""
        known: str | None = None
        try:
            asked = self.admission.requested(event)
            entry = self.allowed.find(asked.name)
            if entry is None:
                raise Refused(
                    f"the device {asked.name} is not on the list of allowed devices: add it with "
                    "`thingbridge devices allow`"
                )
            # Only a device of the list has a stream in the log: claims are shared, and names are easily made up.
            known = asked.name
            self._admit(asked, entry)
        except (BadInput, Refused) as error:
            self.log.record(known, "ERROR", "provisioning_refused", reason=str(error))
            metrics.emit(self.admission.fleet.stack_name, {"ProvisioningRefused": 1}, self.now())
            return {"allowProvisioning": False}
        self.log.record(known, "INFO", "provisioning_allowed", certificate=asked.certificate_id)
        return {"allowProvisioning": True, "parameterOverrides": self.admission.parameters(entry.device)}

    def _admit(self, asked: ProvisioningRequest, entry: Entry) -> None:
        self.admission.check(asked, entry)
        thing = self.things.describe(asked.name)
        if thing is not None and entry.used_by is None:
            raise Refused("the thing exists already: rotate the device for new credentials, or delete it first")
        if thing is not None and self.admission.fleet.type_of(thing.type_name) != entry.device.type_name:
            raise Refused(f"the thing exists with the type {thing.type_name}")
        if not self.allowed.use(entry.device, asked.certificate_id, self.now()):
            raise Refused("was provisioned, or changed on the list, at the same time")
        self._write_initial_shadow(entry.device)

    def _write_initial_shadow(self, device: AllowedDevice) -> None:
        """A template has no shadow. A shadow may be older than its thing, and keeps its content then."""
        initial = self.admission.fleet.types[device.type_name].initial_shadow
        if initial and self.shadows.document(device.name) is None:
            self.shadows.update(device.name, initial)
