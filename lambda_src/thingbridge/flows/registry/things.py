"""What happens to a thing happens to its end device in The Things Stack.

Events come from a queue, at least once and in any order. So an event only says where to look: what is done follows
from the thing as it is now. A failed event stays in the queue, and ends in the dead-letter queue.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things import Thing, Things, VersionConflict
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import BadInput, Refused, ThingbridgeError, Unexpected
from thingbridge.flows import end_devices, marking
from thingbridge.flows.end_devices import Outcome
from thingbridge.flows.marking import Marking
from thingbridge.flows.registry.deletions import Deletions
from thingbridge.flows.registry.devices import DevicesWithoutThing
from thingbridge.flows.registry.scrubbing import Scrubbing
from thingbridge.registry import attributes, events, marks, provisioning, status, work_items
from thingbridge.registry.events import Operation, ThingEvent
from thingbridge.registry.marks import Mark, Owner
from thingbridge.registry.provisioning import Place, Server, Step
from thingbridge.registry.reconcile import OnThingDeleted
from thingbridge.things_stack.client import ThingsStack


@dataclass(frozen=True)
class RegistryRules:
    """The stack, and its choices.

    `default_frequency_plan_id`: for things that name none.
    """

    owner: Owner
    default_frequency_plan_id: str
    on_thing_deleted: OnThingDeleted


@dataclass(frozen=True)
class Registry:
    """Handles registry events and work items. `scrubbing`: removes used keys from things; None: they stay."""

    rules: RegistryRules
    things: Things
    shadows: Shadows
    things_stack: ThingsStack
    devices_without_thing: DevicesWithoutThing
    deletions: Deletions
    log: ThingsLog
    scrubbing: Scrubbing | None = None

    def handle(self, body: str) -> None:
        """Carry out an event or work item, or record why that is not possible. Raises what must be retried."""
        item = work_items.parse(body)
        if item and item.device_id:
            self._settle(item.device_id, may_delete=item.may_delete)
            return
        if item and item.thing_name:
            operation = Operation.UPDATED if item.thing_id else Operation.CREATED
            self._follow(
                ThingEvent(operation, item.thing_name, {}), compared=item.thing_id is None, settled=item.thing_id
            )
            return
        try:
            event = events.parse(body)
        except BadInput as error:
            self.log.record(None, "ERROR", "event_not_readable", reason=str(error))
            return
        self._follow(event, compared=False)

    def _follow(self, event: ThingEvent, *, compared: bool, settled: str | None = None) -> None:
        """Let the device follow its thing.

        `compared`: the comparison found them out of step. `settled`: the id of the thing that the device was brought in
        step with some time ago.
        """
        deleted = event.operation is Operation.DELETED
        thing = None if deleted else self.things.describe(event.thing_name)
        # A thing that is gone or has moved to another stack in the meantime has an event of its own.
        if not events.belongs_to(event.attributes if thing is None else thing.attributes, self.rules.owner.stack_name):
            return
        try:
            if thing:
                same = settled is not None and thing.id == settled
                self._apply_as_it_is(thing, event.operation, compared=compared, settled=same)
            elif deleted:
                self._delete(event)
        except Exception as error:
            again = not isinstance(error, BadInput | Refused)
            self._report_failure(event.thing_name, thing, Unexpected.describe(error), again=again)
            if again:
                raise
            if compared and thing:
                # It can't be repaired before the thing changes: until then, the comparison need not send it again.
                with suppress(ThingbridgeError):
                    self._mark(thing, None)

    def _apply_as_it_is(self, thing: Thing, operation: Operation, *, compared: bool, settled: bool) -> None:
        """Apply a thing, and once more if it has changed while it was applied: then it may have other keys."""
        try:
            self._apply(thing, operation, compared=compared, settled=settled)
        except VersionConflict:
            now = self.things.describe(thing.name)
            if now and events.belongs_to(now.attributes, self.rules.owner.stack_name):
                self._apply(now, Operation.UPDATED, compared=compared, settled=False)

    def _apply(self, thing: Thing, operation: Operation, *, compared: bool, settled: bool) -> None:
        if compared and self._is_refused(thing):
            return
        device_id = self._bring_in_step(thing, operation, settled=settled)
        # A new thing marks its device, described or not: without a mark, the device could not go with it.
        if compared or device_id or operation is Operation.CREATED:
            outcome = self._mark(thing, device_id)
            if outcome is Marking.NO_ROOM and operation is Operation.CREATED:
                self.log.record(
                    thing.name, "INFO", "end_device_without_mark", device_id=device_id, reason=marking.NO_ROOM
                )

    def _report_failure(self, thing_name: str, thing: Thing | None, error: ThingbridgeError, *, again: bool) -> None:
        self.log.record(thing_name, "WARN" if again else "ERROR", "end_device_not_synchronised", reason=str(error))
        if thing:
            digest = marks.digest(thing.attributes)
            self._show(thing_name, status.failed(error, again=again, digest=digest))

    def _show(self, thing_name: str, state: Mapping[str, Any]) -> None:
        """Report a status in the thing's shadow. One that takes no more (8 KB) must not fail what was done."""
        try:
            self.shadows.report(thing_name, state)
        except Refused as error:
            self.log.record(thing_name, "ERROR", "shadow_not_written", fields=list(state), reason=str(error))

    def _settle(self, device_id: str, *, may_delete: bool) -> None:
        """Handle a device that the comparison found no thing for, or record why that is not possible."""
        try:
            self.devices_without_thing.settle(device_id, may_delete=may_delete)
        except (BadInput, Refused) as error:
            self.log.record(None, "ERROR", "end_device_without_thing", device_id=device_id, reason=str(error))

    def _is_refused(self, thing: Thing) -> bool:
        """Whether The Things Stack recently refused to create the thing's device, and the request would be the same.

        A device that does not exist carries no mark, so the refusal is remembered in the thing's shadow.
        """
        if not attributes.has_secrets(thing.attributes):
            return False
        reported = self.shadows.reported(thing.name)
        if not status.is_refused(reported, marks.digest(thing.attributes), datetime.now(UTC)):
            return False
        try:
            return end_devices.resolve(self.things_stack, attributes.reference(thing.attributes)) is None
        except Refused:
            return True

    def _mark(self, thing: Thing, device_id: str | None) -> Marking:
        """Mark the device of a thing with the thing and its current state.

        `device_id` None: the device that the thing stands for.
        """
        if device_id is None:
            known = end_devices.resolve(self.things_stack, attributes.reference(thing.attributes))
            device_id = known.device_id if known else None
        if device_id is None:
            return Marking.ABSENT
        mark = Mark.of(thing.name, thing.attributes, self.rules.owner, thing.id)
        outcome = marking.write(self.things_stack, device_id, mark)
        if outcome is Marking.TAKEN_OVER and not attributes.has_secrets(thing.attributes):
            self._report_half_device(thing.name, device_id)
        return outcome

    def _report_half_device(self, thing_name: str, device_id: str) -> None:
        """Record that the deletion of a device had begun when its thing was made, which has no keys to complete it."""
        if self.things_stack.end_devices.get(Server.APPLICATION, device_id, ("ids",)) is None:
            reason = (
                f"its deletion had begun before this thing was made, so it is not on the {Server.APPLICATION} and "
                "delivers no messages: delete it in The Things Stack and create it again, or give this thing its keys"
            )
            self.log.record(thing_name, "WARN", "end_device_incomplete", device_id=device_id, reason=reason)

    def _bring_in_step(self, thing: Thing, operation: Operation, *, settled: bool) -> str | None:
        """Create, claim, complete or change the device of a thing, as far as the thing describes one.

        `settled`: it was brought in step with the same thing some time ago.
        Returns the id of the device that is in step now, None if there is none or the thing does not describe one.
        """
        if not attributes.describes_device(thing.attributes):
            return None
        reference = attributes.reference(thing.attributes)
        known = end_devices.resolve(self.things_stack, reference)
        if known:
            attributes.check_unchangeable(thing.attributes, known)
        elif not attributes.requests_creation(thing.attributes):
            return None
        device_id, outcome = known.device_id if known else reference.device_id, Outcome.UNCHANGED
        steps: tuple[Step, ...] = ()
        if known is None or attributes.has_secrets(thing.attributes):
            outcome, steps = self._create(thing, device_id, operation, known=known is not None)
        now = self.things.describe(thing.name)
        if now is None:
            # Deleted while its device was being created: that event found no device, so this one takes it back.
            if self.rules.on_thing_deleted is OnThingDeleted.DELETE:
                self.deletions.follow(thing.name, reference, steps)
            return None
        # Changed settings leave a device complete, and another thing of the device may change them back each time.
        complete = outcome is Outcome.UNCHANGED
        if known:
            settings = attributes.network_settings(thing.attributes)
            updated = end_devices.update(self.things_stack, known.device_id, settings)
            outcome = updated if outcome is Outcome.UNCHANGED else outcome
        # The creator of the thing waits for an answer, even if the device was complete before.
        if outcome is not Outcome.UNCHANGED or operation is Operation.CREATED:
            self._show(thing.name, status.succeeded(outcome))
            self.log.record(thing.name, "INFO", f"end_device_{outcome}", device_id=device_id)
        if self.scrubbing and attributes.has_secrets(thing.attributes):
            self.scrubbing.follow(thing, settled=settled and complete and now.id == thing.id)
        return device_id

    def _create(
        self, thing: Thing, device_id: str, operation: Operation, *, known: bool
    ) -> tuple[Outcome, tuple[Step, ...]]:
        """Create the device, or what is missing of it. `known`: the Identity Server has it."""
        device = attributes.new_device(thing.attributes, self.rules.default_frequency_plan_id)
        device = device._replace(device_id=device_id)
        things_stack = self.things_stack
        mark = Mark(thing.name, self.rules.owner, marks.UNFINISHED, marks.short_id(thing.id))
        place = Place(things_stack.application_id, things_stack.cluster_host, mark)
        steps = provisioning.creation_steps(device, place)
        outcome = end_devices.create(things_stack, steps, known=known)
        # What an earlier attempt left behind may belong to an earlier state of the thing. Keys that are removed from
        # the thing afterwards must be those that the device has.
        changed = outcome is Outcome.UNCHANGED and (operation is Operation.UPDATED or self.scrubbing)
        if device.app_key and (changed or outcome is Outcome.COMPLETED):
            end_devices.set_root_keys(things_stack, device)
        return outcome, steps

    def _delete(self, event: ThingEvent) -> None:
        reference = attributes.reference(event.attributes)
        if self.rules.on_thing_deleted is OnThingDeleted.DELETE:
            self.deletions.follow(event.thing_name, reference)
        elif self.things.describe(event.thing_name) is None:
            self.log.record(event.thing_name, "INFO", "end_device_retained", device_id=reference.device_id)
