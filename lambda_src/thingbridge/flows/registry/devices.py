"""An end device for which the comparison found no thing: it gets one, or follows a thing that was deleted.

The listings behind this may be minutes old, so both sides are read again first. A thing without a device is handled
like its own registry event, in `things`.
"""

from dataclasses import dataclass
from typing import Final

from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.flows import end_devices, marking
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.pacing import TokenBucket
from thingbridge.registry import identity, reconcile
from thingbridge.registry.attributes import DeviceReference
from thingbridge.registry.identity import StackOfThings
from thingbridge.registry.marks import Mark
from thingbridge.registry.reconcile import Decision, OnThingDeleted
from thingbridge.things_stack.client import ThingsStack

LOOK_UPS_PER_SECOND: Final = 1.5
"""Two execution environments with two ListThings per look-up make 6 per second. With the 2 per second that the
comparison makes while work of this kind waits, this is 80 % of AWS's 10."""

LOOK_UPS_AT_ONCE: Final = 2


@dataclass(frozen=True)
class DevicesWithoutThing:
    """Settles devices one by one. `pace` limits the look-ups of an execution environment."""

    stack: StackOfThings
    on_thing_deleted: OnThingDeleted
    things: Things
    things_stack: ThingsStack
    pace: TokenBucket
    log: ThingsLog

    def settle(self, device_id: str) -> None:
        """Create the device's thing, or let the device follow a deleted thing. Raises what must be retried."""
        found = marking.read(self.things_stack, device_id)
        if found is None:
            return
        device, mark = found
        ours = mark is not None and mark.stack_name == self.stack.name
        thing_name = self._marked_thing(device, mark) if ours else None
        if thing_name is None:
            self.pace.acquire()
            # A new directory each time: one that remembers would not notice a thing that was deleted in the meantime.
            directory = ThingDirectory(self.things, self.stack, self.log)
            thing_name = directory.find(device) if ours else directory.find_or_create(device)
        if thing_name is None and mark is not None:
            self._follow(device, mark)
        elif thing_name is not None:
            # The digest of a thing as the stack creates it: the next run then finds that a thing with more attributes
            # differs, and sends it.
            attributes = identity.thing_attributes(device, self.stack.name)
            if marking.write(self.things_stack, device_id, Mark.of(thing_name, attributes, self.stack.name)):
                self._record(thing_name, "end_device_marked", device)

    def _marked_thing(self, device: EndDeviceIdentifiers, mark: Mark | None) -> str | None:
        thing = self.things.describe(mark.thing_name) if mark else None
        if thing and identity.is_thing_of(device, thing.name, thing.attributes, self.stack.name):
            return thing.name
        return None

    def _follow(self, device: EndDeviceIdentifiers, mark: Mark) -> None:
        if reconcile.for_device_alone(True, self.on_thing_deleted) is Decision.DELETE_DEVICE:
            reference = DeviceReference(device.device_id, device.dev_eui, named=True)
            outcome = end_devices.delete(self.things_stack, reference)
            self._record(mark.thing_name, f"end_device_{outcome}", device)
        else:
            self._record(mark.thing_name, "end_device_retained", device)

    def _record(self, thing_name: str, event: str, device: EndDeviceIdentifiers) -> None:
        self.log.record(thing_name, "INFO", event, device_id=device.device_id)
