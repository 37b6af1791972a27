"""An end device for which the comparison found no thing: it gets one, or follows a thing that was deleted.

The listings behind this may be minutes old, so both sides are read again first: a device is deleted only if the thing
of its mark is gone and no other stands for it. A thing without a device is handled like its own registry event, in
`things`.
"""

from dataclasses import dataclass, replace

from thingbridge.aws.things import Thing, Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import Refused
from thingbridge.flows import end_devices, marking
from thingbridge.flows.marking import Marking
from thingbridge.flows.registry.standing import StandingThings
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry import identity, standing
from thingbridge.registry.attributes import Attribute, DeviceReference
from thingbridge.registry.identity import MismatchingStack, StackOfThings
from thingbridge.registry.marks import KEPT, UNFINISHED, UNLISTED, Mark, Owner, short_id
from thingbridge.registry.reconcile import OnThingDeleted
from thingbridge.registry.standing import Fate, Verdict
from thingbridge.things_stack.client import ThingsStack


@dataclass(frozen=True)
class DevicesWithoutThing:
    """Settles devices one by one. `owner`: this stack."""

    owner: Owner
    stack: StackOfThings
    on_thing_deleted: OnThingDeleted
    things: Things
    things_stack: ThingsStack
    standing: StandingThings
    directory: ThingDirectory
    log: ThingsLog

    def settle(self, device_id: str, *, may_delete: bool) -> None:
        """Create the device's thing, or let the device follow a deleted thing. Raises what must be retried.

        `may_delete`: the run of the comparison permits the deletion.
        """
        found = marking.read(self.things_stack, device_id)
        if found is None:
            return
        device, mark = found
        if mark is None or mark.owner != self.owner:
            self._find_or_create_thing(device, marked=mark is not None)
        else:
            self._settle_marked(device, mark, may_delete)

    def _find_or_create_thing(self, device: EndDeviceIdentifiers, *, marked: bool) -> None:
        self.standing.pace.acquire()
        try:
            thing_name = self.directory.settle(device)
        except Refused as error:
            if not marked:
                self._remember(device, error)
            raise
        match self._mark(device, thing_name):
            case Marking.WRITTEN | Marking.TAKEN_OVER:
                self._record(thing_name, "end_device_marked", device)
            case Marking.NO_ROOM:
                self._record(thing_name, "end_device_without_mark", device, reason=marking.NO_ROOM)

    def _remember(self, device: EndDeviceIdentifiers, error: Refused) -> None:
        """The device can't get a thing: its mark remembers it, or each comparison would try again.

        Another stack's thing stands for it, whose mark it gets; or the name is taken by a thing of another device.
        """
        name = identity.thing_name(device, self.stack.thing_name_scheme, self.stack.name)
        mismatch = error if isinstance(error, MismatchingStack) else None
        thing = self.things.describe(mismatch.thing_name if mismatch else name)
        if thing is None:
            return
        stack_name = thing.attributes.get(Attribute.STACK_NAME)
        mark = Mark(thing.name, self.owner, KEPT, short_id(thing.id))
        if mismatch and stack_name:
            mark = replace(mark, owner=replace(self.owner, stack_name=stack_name), digest=UNFINISHED)
        marking.write(self.things_stack, device.device_id, mark)

    def _settle_marked(self, device: EndDeviceIdentifiers, mark: Mark, may_delete: bool) -> None:
        look = self.standing.look(device, mark.thing_name)
        marked = look.named.get(mark.thing_name)
        same = marked is not None and mark.is_of(marked.name, marked.id)
        verdict = standing.verdict(device, self.stack, look.standing, marked, same=same)
        match verdict.fate:
            case Fate.MOVE_MARK if look.standing and look.standing.name != mark.thing_name:
                self._mark(device, look.standing.name)
                self._record(look.standing.name, "end_device_marked", device)
            case Fate.RELEASE:
                self._hand_over(device, mark, verdict)
            case Fate.RESTORE_THING if marked:
                self._restore(device, marked)
            case Fate.KEEP:
                if self._mark_as_kept(device, mark):
                    self._record(
                        mark.thing_name, "end_device_kept", device, "WARN", kept_for=None, reason=verdict.reason
                    )
            case Fate.FOLLOW_THING:
                self._follow(device, mark, may_delete)

    def _mark(self, device: EndDeviceIdentifiers, thing_name: str) -> Marking:
        # A listing has no id of the thing, and the directory only its name.
        thing = self.things.describe(thing_name)
        if thing is None:
            return Marking.ABSENT
        # The digest of a thing as the stack creates it: the next run then finds that a thing with more attributes
        # differs, and sends it.
        attributes = identity.thing_attributes(device, self.stack.name)
        return marking.write(self.things_stack, device.device_id, Mark.of(thing.name, attributes, self.owner, thing.id))

    def _hand_over(self, device: EndDeviceIdentifiers, mark: Mark, verdict: Verdict) -> None:
        """The thing was given to another stack, and the mark goes with it.

        Without any mark, the device would look like a new one to this stack, in each comparison.
        """
        if verdict.given is None:
            return
        name, stack_name = verdict.given
        thing_id = mark.thing_id if name == mark.thing_name else UNLISTED
        successor = Mark(name, replace(self.owner, stack_name=stack_name), UNFINISHED, thing_id)
        if marking.hand_over(self.things_stack, device.device_id, mark, successor):
            self._record(mark.thing_name, "end_device_released", device, reason=verdict.reason)

    def _restore(self, device: EndDeviceIdentifiers, thing: Thing) -> None:
        """Give a thing back what names its device; keys are known to nobody else, and the device keeps its own."""
        restored = identity.thing_attributes(device, self.stack.name)
        self.things.update(thing.name, restored, expected_version=thing.version)
        self._record(thing.name, "thing_attributes_restored", device, attributes=sorted(restored))
        mark = Mark.of(thing.name, {**thing.attributes, **restored}, self.owner, thing.id)
        marking.write(self.things_stack, device.device_id, mark)

    def _follow(self, device: EndDeviceIdentifiers, mark: Mark, may_delete: bool) -> None:
        if self.on_thing_deleted is OnThingDeleted.RETAIN:
            if self._mark_as_kept(device, mark):
                self._record(mark.thing_name, "end_device_retained", device)
        elif may_delete:
            reference = DeviceReference(device.device_id, device.dev_eui, named=True)
            outcome = end_devices.delete(self.things_stack, reference)
            self._record(mark.thing_name, f"end_device_{outcome}", device)

    def _mark_as_kept(self, device: EndDeviceIdentifiers, mark: Mark) -> bool:
        """Remember that the device has no thing: it is recorded once, and not looked at again."""
        return marking.write(self.things_stack, device.device_id, replace(mark, digest=KEPT)) is Marking.WRITTEN

    def _record(
        self, thing_name: str, event: str, device: EndDeviceIdentifiers, level: str = "INFO", **fields: object
    ) -> None:
        self.log.record(thing_name, level, event, device_id=device.device_id, **fields)
