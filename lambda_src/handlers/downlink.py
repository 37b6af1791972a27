"""Function `downlink`: an application's request becomes downlinks in the queue of The Things Stack.

Whoever asks wrongly is answered on `…/downlink/rejected`; a thing of another stack is that stack's business.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from handlers import shadow_delta
from handlers.things_stack_session import LambdaContext, open_session
from thingbridge.aws_iot import data_plane, things, things_log
from thingbridge.errors import BadInput, Misconfigured, Refused
from thingbridge.messaging import downlink
from thingbridge.messaging.shadow_delta import thing_of
from thingbridge.registry.attributes import DeviceReference, reference
from thingbridge.registry.events import belongs_to
from thingbridge.settings import DownlinkSettings
from thingbridge.things_stack import downlink_queue
from thingbridge.things_stack.client import ThingsStack


@cache
def _settings() -> DownlinkSettings:
    return DownlinkSettings.read(os.environ)


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Take the rule's output `{"topic", "payload"}`. Raises Busy, so that the request comes again."""
    settings = _settings()
    if settings.delta_f_port and thing_of(event.get("topic")):
        shadow_delta.handle(event, settings.delta_f_port, settings, context)
        return
    request = downlink.receive(event)
    try:
        thing = things.describe(request.thing_name) if request.thing_name else None
        if thing and not belongs_to(thing.attributes, settings.stack_name):
            return
        downlinks = downlink.parse(request)
        if thing is None:
            raise BadInput("thingName", "there is no thing of this name")
        _schedule(open_session(settings, context), settings, reference(thing.attributes), downlinks, request.replace)
    except (BadInput, Refused, Misconfigured) as error:
        field = error.field if isinstance(error, BadInput) else None
        reason = error.reason if isinstance(error, BadInput) else str(error)
        topic, answer = downlink.rejection(request, settings.stack_name, field, reason)
        data_plane.publish(topic, answer)
        things_log.record(
            settings.things_log_group, request.thing_name, "ERROR", "downlink_rejected", field=field, reason=reason
        )


def _schedule(
    things_stack: ThingsStack,
    settings: DownlinkSettings,
    device: DeviceReference,
    downlinks: Sequence[Mapping[str, Any]],
    replace: bool,
) -> None:
    if settings.end_to_end_encryption is None:
        downlink_queue.schedule(things_stack, device, downlinks, replace=replace)
        return
    # Imported when they are needed: cryptography is only in the functions' layer then, and costs a cold start.
    from handlers import encrypted_downlinks
    from handlers.session_keys import session_keys

    keys = session_keys(settings.end_to_end_encryption)
    encrypted_downlinks.schedule(keys, things_stack, device, downlinks, replace_queue=replace)
