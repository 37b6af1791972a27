"""Function `registry`: what happens to a thing happens to its end device in The Things Stack.

Events come from a queue, at least once and in any order. So each one only says where to look: what is done
follows from the thing as it is now. A failed event stays in the queue, and ends in the dead-letter queue.
"""

import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from handlers import devices_without_thing
from handlers.things_stack_session import LambdaContext, open_session
from thingbridge.aws_iot import data_plane, things, things_log
from thingbridge.aws_iot.clients import take_calls
from thingbridge.diagnostics import emit
from thingbridge.errors import BadInput, Refused, ThingbridgeError
from thingbridge.messaging.shadow import SHADOW_NAME
from thingbridge.registry import attributes, events, marks, provisioning, status, work_items
from thingbridge.registry.events import Operation, ThingEvent
from thingbridge.registry.marks import Mark
from thingbridge.registry.provisioning import Place, Step
from thingbridge.settings import OnThingDeleted, RegistrySettings
from thingbridge.things_stack import end_devices, marking
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.end_devices import Outcome


@cache
def _settings() -> RegistrySettings:
    return RegistrySettings.read(os.environ)


def handler(batch: dict[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Take a batch of SQS records, each a registry event or a piece of work that the synchronisation found.

    Returns the ids of those that must come again.
    """
    settings = _settings()
    things_stack = open_session(settings, context)
    failures = []
    for record in batch["Records"]:
        try:
            _handle(record["body"], settings, things_stack)
        except ThingbridgeError as error:
            emit("WARN", "event_comes_again", message_id=record["messageId"], reason=str(error))
            failures.append({"itemIdentifier": record["messageId"]})
    emit("INFO", "aws_calls", **take_calls())
    return {"batchItemFailures": failures}


def _handle(body: str, settings: RegistrySettings, things_stack: ThingsStack) -> None:
    """Carry out one event, or record why it can't be. Raises what must come again."""
    piece = work_items.parse(body)
    if piece and piece.device_id:
        _settle(piece.device_id, settings, things_stack)
        return
    try:
        event = (
            ThingEvent(Operation.CREATED, piece.thing_name, {}) if piece and piece.thing_name else events.parse(body)
        )
    except BadInput as error:
        _record(settings, None, "ERROR", "event_not_readable", reason=str(error))
        return
    thing = things.describe(event.thing_name)
    try:
        if event.operation is not Operation.DELETED:
            # Gone or given to another stack meanwhile: there is another event for that.
            if thing and events.belongs_to(thing.attributes, settings.stack_name):
                if piece and _is_refused(thing, things_stack):
                    return
                device_id = _bring_in_step(thing, event.operation, settings, things_stack)
                if piece or device_id:
                    _mark(thing, device_id, settings, things_stack)
        elif events.is_gone(event, thing.attributes if thing else None, settings.stack_name):
            _delete(event, settings, things_stack)
    except ThingbridgeError as error:
        again = not isinstance(error, BadInput | Refused)
        _record(settings, event.thing_name, "WARN" if again else "ERROR", "end_device_not_in_step", reason=str(error))
        if thing:
            digest = marks.digest(thing.attributes)
            data_plane.report(event.thing_name, SHADOW_NAME, status.failed(error, again=again, digest=digest))
        if again:
            raise
        if piece and thing:
            # It can't be mended before the thing changes: the synchronisation need not ask again until then.
            with suppress(ThingbridgeError):
                _mark(thing, None, settings, things_stack)


def _settle(device_id: str, settings: RegistrySettings, things_stack: ThingsStack) -> None:
    """Look after a device that the synchronisation found no thing for, or record why it can't be."""
    try:
        devices_without_thing.settle(device_id, settings, things_stack)
    except (BadInput, Refused) as error:
        _record(settings, None, "ERROR", "end_device_without_thing", device_id=device_id, reason=str(error))


def _is_refused(thing: things.Thing, things_stack: ThingsStack) -> bool:
    """Whether The Things Stack refused lately to make the thing's device, and would be asked for the very same again.

    A device that is not there can carry no mark, so the thing's shadow has to remember it.
    """
    if not attributes.has_secrets(thing.attributes):
        return False
    told = data_plane.reported(thing.name, SHADOW_NAME)
    if not status.is_refused(told, marks.digest(thing.attributes), datetime.now(UTC)):
        return False
    try:
        return end_devices.resolve(things_stack, attributes.reference(thing.attributes)) is None
    except Refused:
        return True


def _mark(thing: things.Thing, device_id: str | None, settings: RegistrySettings, things_stack: ThingsStack) -> None:
    """Let the device of a thing tell whose it is, and what the thing said when both were last looked at.

    `device_id` None: whichever it is.
    """
    if device_id is None:
        known = end_devices.resolve(things_stack, attributes.reference(thing.attributes))
        device_id = known.device_id if known else None
    if device_id is not None:
        marking.write(things_stack, device_id, Mark.of(thing.name, thing.attributes, settings.stack_name))


def _bring_in_step(
    thing: things.Thing, operation: Operation, settings: RegistrySettings, things_stack: ThingsStack
) -> str | None:
    """Create, claim, complete or change the device of a thing, as far as the thing describes one.

    Returns the id of the device that is in step now, None when there is none or the thing says nothing about it.
    """
    if not attributes.describes_device(thing.attributes):
        return None
    reference = attributes.reference(thing.attributes)
    known = end_devices.resolve(things_stack, reference)
    if known:
        attributes.check_unchangeable(thing.attributes, known)
    elif not attributes.asks_for_creation(thing.attributes):
        return None
    device_id, outcome = known.device_id if known else reference.device_id, Outcome.UNCHANGED
    steps: tuple[Step, ...] = ()
    if known is None or attributes.has_secrets(thing.attributes):
        device = attributes.new_device(thing.attributes, settings.default_frequency_plan_id)
        device = replace(device, device_id=device_id)
        place = Place(settings.application_id, things_stack.cluster_host, settings.stack_name, thing.name)
        steps = provisioning.creation_steps(device, place)
        outcome = end_devices.create(things_stack, steps, known=known is not None)
        # What an earlier try left behind may be of an earlier state of the thing.
        changed = outcome is Outcome.UNCHANGED and operation is Operation.UPDATED
        if device.app_key and (changed or outcome is Outcome.COMPLETED):
            end_devices.set_root_keys(things_stack, device)
    if things.describe(thing.name) is None:
        # Deleted while its device was being made: that event found no device, so this one has to take it back.
        if settings.on_thing_deleted is OnThingDeleted.DELETE:
            end_devices.take_back(things_stack, reference, steps)
        return None
    if known:
        settings_now = attributes.network_settings(thing.attributes)
        updated = end_devices.update(things_stack, known.device_id, settings_now)
        outcome = updated if outcome is Outcome.UNCHANGED else outcome
    if settings.scrub_keys and attributes.has_secrets(thing.attributes):
        things.remove_attributes(thing.name, attributes.SECRETS)
    # Whoever made the thing waits for a word, also when the device was complete before.
    if outcome is not Outcome.UNCHANGED or operation is Operation.CREATED:
        data_plane.report(thing.name, SHADOW_NAME, status.succeeded(outcome))
        _record(settings, thing.name, "INFO", f"end_device_{outcome}", device_id=device_id)
    return device_id


def _delete(event: ThingEvent, settings: RegistrySettings, things_stack: ThingsStack) -> None:
    device = attributes.reference(event.attributes)
    if settings.on_thing_deleted is OnThingDeleted.RETAIN:
        _record(settings, event.thing_name, "INFO", "end_device_retained", device_id=device.device_id)
        return
    outcome = end_devices.delete(things_stack, device)
    _record(settings, event.thing_name, "INFO", f"end_device_{outcome}", device_id=device.device_id)


def _record(settings: RegistrySettings, thing_name: str | None, level: str, event: str, **fields: object) -> None:
    things_log.record(settings.things_log_group, thing_name, level, event, **fields)
