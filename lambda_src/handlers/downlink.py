"""Function `downlink`: an application's request becomes downlinks in the queue of The Things Stack.

Whoever asks wrongly is answered on `…/downlink/rejected`; a thing of another stack is that stack's business.
"""

import os
from functools import cache
from typing import Any

from handlers import shadow_delta
from handlers.things_stack_session import LambdaContext, open_session
from thingbridge.aws_iot import data_plane, things, things_log
from thingbridge.errors import BadInput, Misconfigured, Refused
from thingbridge.messaging import downlink
from thingbridge.messaging.shadow_delta import thing_of
from thingbridge.registry.attributes import reference
from thingbridge.registry.events import belongs_to
from thingbridge.settings import DownlinkSettings
from thingbridge.things_stack import downlink_queue


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
        downlink_queue.schedule(
            open_session(settings, context), reference(thing.attributes), downlinks, replace=request.replace
        )
    except (BadInput, Refused, Misconfigured) as error:
        field = error.field if isinstance(error, BadInput) else None
        reason = error.reason if isinstance(error, BadInput) else str(error)
        topic, answer = downlink.rejection(request, settings.stack_name, field, reason)
        data_plane.publish(topic, answer)
        things_log.record(
            settings.things_log_group, request.thing_name, "ERROR", "downlink_rejected", field=field, reason=reason
        )
