"""Function `upstream`: what The Things Stack publishes becomes a message of a thing, and its shadow.

A message of a known device costs two calls: one publish, one shadow write.
"""

import hashlib
import os
from functools import cache
from typing import Any

from thingbridge.aws_iot import data_plane, things_log
from thingbridge.aws_iot.things import ThingDirectory
from thingbridge.errors import BadInput, Refused
from thingbridge.messaging import shadow, upstream
from thingbridge.registry.identity import MismatchingStack
from thingbridge.settings import UpstreamSettings


@cache
def _settings() -> UpstreamSettings:
    return UpstreamSettings.read(os.environ)


@cache
def _directory() -> ThingDirectory:
    settings = _settings()
    return ThingDirectory(
        stack_name=settings.stack_name,
        thing_type_name=settings.thing_type_name,
        scheme=settings.thing_name_scheme,
    )


def handler(event: dict[str, Any], _context: object) -> None:
    """Take the rule's output `{"topic", "payload"}`. Raises Busy or Misconfigured, so that it comes again."""
    settings = _settings()
    thing_name = None
    try:
        message = upstream.parse(event, settings.stack_name)
        thing_name = _directory().find_or_make(message.device)
        if settings.end_to_end_encryption:
            # Imported when it is needed: cryptography is only in the functions' layer then, and costs a cold start.
            from handlers import decryption

            message = decryption.decrypt(message, thing_name, settings.end_to_end_encryption, settings.things_log_group)
        delivery = upstream.deliver(
            message,
            thing_name,
            metrics=settings.shadow.metrics,
            own_counters=settings.end_to_end_encryption is not None,
        )
        data_plane.publish(delivery.topic, delivery.payload)
        if delivery.shadow_state:
            data_plane.report(thing_name, shadow.SHADOW_NAME, delivery.shadow_state)
    except (BadInput, Refused) as error:
        if isinstance(error, MismatchingStack):
            thing_name = error.thing_name
        encoded = str(event.get("payload") or "").encode()
        things_log.record(
            settings.things_log_group,
            thing_name,
            "ERROR",
            "message_dropped",
            reason=str(error),
            topic=event.get("topic"),
            payload_base64_bytes=len(encoded),
            payload_base64_sha256=hashlib.sha256(encoded).hexdigest(),
        )
