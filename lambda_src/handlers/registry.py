"""Function `registry`: what happens to a thing happens to its end device in The Things Stack.

Events come from a queue, at least once and in any order. So each one only says where to look: what is done
follows from the thing as it is now. A failed event stays in the queue, and ends in the dead-letter queue.
"""

import os
from functools import cache
from typing import Any

from handlers.things_stack_session import LambdaContext, open_session
from thingbridge.aws_iot import things, things_log
from thingbridge.diagnostics import emit
from thingbridge.errors import BadInput, Refused, ThingbridgeError
from thingbridge.registry import attributes, events, provisioning
from thingbridge.registry.events import Operation, ThingEvent
from thingbridge.settings import OnThingDeleted, RegistrySettings
from thingbridge.things_stack import end_devices
from thingbridge.things_stack.client import ThingsStack


@cache
def _settings() -> RegistrySettings:
    return RegistrySettings.read(os.environ)


def handler(batch: dict[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Take a batch of SQS records, each a registry event. Returns the ids of those that must come again."""
    settings = _settings()
    things_stack = open_session(settings, context)
    failures = []
    for record in batch["Records"]:
        thing_name = None
        try:
            event = events.parse(record["body"])
            thing_name = event.thing_name
            _carry_out(event, settings, things_stack)
        except (BadInput, Refused) as error:
            _record(settings, thing_name, "ERROR", "end_device_not_in_step", reason=str(error))
        except ThingbridgeError as error:
            emit("WARN", "event_comes_again", thing=thing_name, reason=str(error))
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def _carry_out(event: ThingEvent, settings: RegistrySettings, things_stack: ThingsStack) -> None:
    thing = things.describe(event.thing_name)
    if event.operation is not Operation.DELETED:
        # Gone or given to another stack meanwhile: there is another event for that.
        if thing and events.belongs_to(thing.attributes, settings.stack_name):
            _create(thing, settings, things_stack)
    elif events.is_gone(event, thing.attributes if thing else None, settings.stack_name):
        _delete(event, settings, things_stack)


def _create(thing: things.Thing, settings: RegistrySettings, things_stack: ThingsStack) -> None:
    if not attributes.asks_for_creation(thing.attributes):
        return
    device = attributes.new_device(thing.attributes, settings.default_frequency_plan_id)
    steps = provisioning.creation_steps(device, settings.application_id, things_stack.cluster_host)
    outcome = end_devices.create(things_stack, steps)
    _record(settings, thing.name, "INFO", f"end_device_{outcome}", device_id=device.device_id)


def _delete(event: ThingEvent, settings: RegistrySettings, things_stack: ThingsStack) -> None:
    device = attributes.reference(event.attributes)
    if settings.on_thing_deleted is OnThingDeleted.RETAIN:
        _record(settings, event.thing_name, "INFO", "end_device_retained", device_id=device.device_id)
        return
    outcome = end_devices.delete(things_stack, device)
    _record(settings, event.thing_name, "INFO", f"end_device_{outcome}", device_id=device.device_id)


def _record(settings: RegistrySettings, thing_name: str | None, level: str, event: str, **fields: object) -> None:
    things_log.record(settings.things_log_group, thing_name, level, event, **fields)
