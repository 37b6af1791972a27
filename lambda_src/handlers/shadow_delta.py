"""What a delta of the shadow `lorawan` calls for; part of the function `downlink` (`shadow.delta_f_port`)."""

import time
from collections.abc import Mapping
from typing import Any, Final

from handlers import shadow_writing
from handlers.things_stack_session import LambdaContext, open_session
from thingbridge.aws_iot import data_plane, things, things_log
from thingbridge.errors import BadInput, Busy, Misconfigured, Refused
from thingbridge.messaging import downlink, shadow_delta
from thingbridge.messaging.downlink import ReceivedRequest
from thingbridge.messaging.shadow import SHADOW_NAME
from thingbridge.messaging.shadow_delta import Change, Delta, Next, Note
from thingbridge.registry.attributes import reference
from thingbridge.registry.events import belongs_to
from thingbridge.settings import DownlinkSettings
from thingbridge.things_stack import downlink_queue

PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between looks at a shadow that others are writing, or while an older change is being sent."""


def handle(event: dict[str, Any], f_port: int, settings: DownlinkSettings, context: LambdaContext) -> None:
    """Take a delta as the rule gives it, and send the change it tells of. Raises Busy, so that it comes again."""
    try:
        delta = shadow_delta.receive(event)
    except BadInput as error:
        things_log.record(settings.things_log_group, None, "ERROR", "shadow_delta_not_readable", reason=str(error))
        return
    if not delta.follows_a_change:
        return
    thing = things.describe(delta.thing_name)
    if thing is None or not belongs_to(thing.attributes, settings.stack_name):
        return
    try:
        change = _claim(delta)
    except (BadInput, Refused) as error:
        # Not noted in the shadow: it is the shadow that can't be read, or can't hold the note.
        _reject(delta, {}, error, settings)
        return
    if change is None:
        return
    try:
        downlinks = (shadow_delta.downlink(change, f_port),)
        downlink_queue.schedule(open_session(settings, context), reference(thing.attributes), downlinks, replace=False)
    except (BadInput, Refused, Misconfigured) as error:
        _reject(delta, change.values, error, settings)
        note = shadow_delta.note(Note.REFUSED, change, delta, time.time(), str(error))
        shadow_writing.write(settings.things_log_group, delta.thing_name, note)
    else:
        shadow_writing.write(settings.things_log_group, delta.thing_name, shadow_delta.sent(change, delta, time.time()))


def _claim(delta: Delta) -> Change | None:
    """The change, when it is this delta's to send, and noted so.

    Raises Busy while an older one is being sent, BadInput for a desired state that is no object, or Refused.
    """
    for pause in PAUSES:
        document = data_plane.shadow(delta.thing_name, SHADOW_NAME)
        change = shadow_delta.change(document) if document else None
        following = shadow_delta.what_next(change, delta, time.time()) if change else Next.NOTHING
        if change is None or following is Next.NOTHING:
            return None
        if following is Next.SEND:
            note = shadow_delta.note(Note.SENDING, change, delta, time.time())
            if data_plane.report(delta.thing_name, SHADOW_NAME, note, version=change.version):
                return change
        time.sleep(pause)
    raise Busy(f"send the desired state of {delta.thing_name}: another change is being sent")


def _reject(
    delta: Delta, values: Mapping[str, Any], error: BadInput | Refused | Misconfigured, settings: DownlinkSettings
) -> None:
    field, reason = (error.field, error.reason) if isinstance(error, BadInput) else (None, str(error))
    request = ReceivedRequest(delta.thing_name, False, {"desired": values, "version": delta.version}, None)
    topic, answer = downlink.rejection(request, settings.stack_name, field, reason)
    data_plane.publish(topic, answer)
    things_log.record(
        settings.things_log_group, delta.thing_name, "ERROR", "downlink_rejected", field=field, reason=reason
    )
