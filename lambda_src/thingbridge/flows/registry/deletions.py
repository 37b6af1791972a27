"""The deletion of an end device whose thing was deleted: only on proof, which is checked just before.

The event says that a thing is gone. The device goes with it if its mark proves that it was this thing's, or that of
another thing of this stack that is gone as well, and if no other thing of the account and region stands for it.
Otherwise it is kept, and the log of the deleted thing says why. What the comparison deletes is in `devices`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from thingbridge.aws.things import Thing
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import Refused
from thingbridge.flows import end_devices, marking
from thingbridge.flows.end_devices import Outcome, Unfinished
from thingbridge.flows.registry.standing import StandingThings
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import events, marks, standing
from thingbridge.registry.attributes import DeviceReference
from thingbridge.registry.marks import Mark, Owner
from thingbridge.registry.provisioning import Step
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ThingsStackRefused


@dataclass(frozen=True)
class Deletions:
    """Deletes the devices of deleted things. `owner`: this stack."""

    owner: Owner
    standing: StandingThings
    things_stack: ThingsStack
    log: ThingsLog

    def follow(self, thing_name: str, reference: DeviceReference, steps: Sequence[Step] = ()) -> None:
        """Delete the device that a deleted thing stood for, or record why it is kept.

        `steps`: what this call has created of the device. Raises what must be retried, and Refused when the device id
        belongs to another device.
        """
        try:
            known = end_devices.resolve(self.things_stack, reference)
            found = marking.read(self.things_stack, known.device_id) if known else None
        except ThingsStackRefused as error:
            raise Unfinished(str(error)) from error
        try:
            if found and self._is_kept(thing_name, *found):
                return
        except Refused as error:
            # Raised, so that it is tried again: nothing would show later why the device was not deleted.
            raise Unfinished(str(error)) from error
        outcome = Outcome.ABSENT
        if found:
            # The device that was looked at, and no other one that the attributes of the thing mean by now.
            device, _ = found
            reference = DeviceReference(device.device_id, device.dev_eui, named=True)
            outcome = end_devices.delete(self.things_stack, reference)
        if outcome is Outcome.ABSENT:
            outcome = end_devices.take_back(self.things_stack, reference, steps)
        self.log.record(thing_name, "INFO", f"end_device_{outcome}", device_id=reference.device_id)

    def _is_kept(self, thing_name: str, device: EndDeviceIdentifiers, mark: Mark | None) -> bool:
        """Whether the device is kept, which is recorded on the deleted thing."""
        if mark is None:
            reason = "it has no mark, so nothing proves that it was this thing's alone: delete it in The Things Stack"
            self._record(thing_name, "WARN", device, kept_for=None, reason=reason)
            return True
        if mark.owner != self.owner:
            reason = (
                f"it has the mark of {mark.owner}: delete it in The Things Stack, or remove its attribute "
                f"{marks.ATTRIBUTE} there if that stack is gone"
            )
            self._record(thing_name, "WARN", device, kept_for=None, reason=reason)
            return True
        keeper = self._keeper(thing_name, device, mark)
        if keeper is None:
            return False
        stands = standing.stands_for(device, keeper.attributes)
        ours = events.belongs_to(keeper.attributes, self.owner.stack_name)
        if stands and ours and not mark.is_of(keeper.name, keeper.id):
            # Without a digest: the comparison checks whether the device is in step with this thing.
            unfinished = Mark(keeper.name, self.owner, marks.UNFINISHED, marks.short_id(keeper.id))
            marking.write(self.things_stack, device.device_id, unfinished)
        reason = f"the thing {keeper.name} stands for it"
        if not stands:
            reason = (
                f"its mark names the thing {keeper.name}, which exists: delete it in The Things Stack if not needed"
            )
        if stands and not ours and not standing.has_eui_of(device, keeper.attributes):
            reason += ", if it is of the same application: if not, delete the device in The Things Stack"
        self._record(thing_name, "INFO", device, kept_for=keeper.name, reason=reason)
        return True

    def _keeper(self, thing_name: str, device: EndDeviceIdentifiers, mark: Mark) -> Thing | None:
        """The thing for which the device is kept: one that stands for it, or else the one that its mark names.

        The marked thing may have lost its attributes, and get them back from the mark. Or it stands for another device
        now, because a person has changed it. A later thing of its name is neither: the marked one was deleted.
        """
        look = self.standing.look(device, thing_name, mark.thing_name)
        marked = look.named.get(mark.thing_name)
        return look.standing or (None if marked and mark.is_older_than(marked.id) else marked)

    def _record(self, thing_name: str, level: str, device: EndDeviceIdentifiers, **fields: object) -> None:
        self.log.record(thing_name, level, "end_device_kept", device_id=device.device_id, **fields)
