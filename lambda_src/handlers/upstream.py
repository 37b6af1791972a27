"""Function `upstream`: what The Things Stack publishes becomes a message of a thing, and its shadow.

A message passes the stages of `handler` in this order. One of a known device costs two calls: a publish, and a
shadow write.
"""

import hashlib
import os
from functools import cache
from typing import Any

from handlers.shadow_writing import EachMessage, InTurn
from thingbridge.aws_iot import data_plane, things_log
from thingbridge.aws_iot.shadow_states import ShadowStates
from thingbridge.aws_iot.things import ThingDirectory
from thingbridge.errors import BadInput, Refused
from thingbridge.messaging import codecs, upstream
from thingbridge.messaging.codecs import CodecFailed
from thingbridge.messaging.upstream import UpstreamMessage
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


@cache
def _shadow_writer() -> EachMessage | InTurn:
    settings = _settings()
    if settings.shadow_states_table and settings.shadow_queue_url:
        states = ShadowStates(settings.shadow_states_table)
        return InTurn(settings.things_log_group, states, settings.shadow_queue_url, settings.shadow)
    return EachMessage(settings.things_log_group)


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
        message = _decoded(message, thing_name, settings.things_log_group)
        own_counters = settings.end_to_end_encryption is not None
        delivery = upstream.deliver(message, thing_name, settings.shadow, own_counters=own_counters)
        data_plane.publish(delivery.topic, delivery.payload)
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
        return
    if delivery.left_out:
        things_log.record(
            settings.things_log_group, thing_name, "WARN", "decoded_payload_left_out", reason=delivery.left_out
        )
    if delivery.shadow_state:
        try:
            _shadow_writer()(thing_name, delivery.shadow_state, delivery.told_at)
        except Refused as error:
            things_log.record(settings.things_log_group, thing_name, "ERROR", "shadow_not_written", reason=str(error))


def _decoded(message: UpstreamMessage, thing_name: str, log_group: str) -> UpstreamMessage:
    """The message with what a codec of the stack's user makes of it, if there is one; else as it came."""
    uplink = codecs.undecoded(message.body)
    available = codecs.packaged() if uplink else None
    if uplink is None or available is None:
        return message
    try:
        output = available.decode(uplink)
        return message if output is None else upstream.with_decoded_payload(message, output)
    except (CodecFailed, BadInput) as error:
        codec, reason = (error.codec, error.reason) if isinstance(error, CodecFailed) else (None, str(error))
        things_log.record(log_group, thing_name, "WARN", "codec_failed", codec=codec, reason=reason)
        return message
