"""A message of The Things Stack: parsed and validated.

Shape of the messages: `ApplicationUp` in The Things Stack `messages.proto`, as JSON (proto names, zero values
omitted). The public body is the message as received, byte for byte, except for what decryption (under end-to-end
encryption) and a codec change.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from thingbridge.errors import BadInput
from thingbridge.lorawan import identifiers
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.messaging import rule_payload, topics

MAX_MESSAGE_BYTES: Final = 128 * 1024
"""AWS IoT quota "maximum publish payload size"."""


class UpstreamMessage(NamedTuple):
    """One message of The Things Stack. `event` is the end of the topic, `raw` the bytes as published."""

    event: str
    device: EndDeviceIdentifiers
    body: Mapping[str, Any]
    raw: bytes

    @property
    def is_simulated(self) -> bool:
        """Whether a person simulated the uplink in The Things Stack: no device sent anything."""
        return self.body.get("simulated") is True

    @property
    def queued_without_payload(self) -> bool:
        """Whether a downlink was queued that no formatter has encoded: The Things Stack sends an empty frame."""
        queued = self.body.get("downlink_queued")
        return isinstance(queued, dict) and "decoded_payload" in queued and not queued.get("frm_payload")

    @property
    def makes_thing(self) -> bool:
        """Whether the device gets a thing if it has none: it has joined or sent. Other messages may be about a device
        whose thing was deleted in the meantime.
        """
        return self.event in topics.EVENTS_OF_DEVICES and not self.is_simulated


def parse(event: Mapping[str, Any], stack_name: str) -> UpstreamMessage:
    """Read the rule's output `{"topic": str, "payload": base64 of the published bytes}`.

    Raises BadInput if the payload is not a JSON object or identifies no device, or if its kind can't be published.
    """
    topic = str(event.get("topic"))
    name = topics.upstream_event(topic, stack_name)
    if name is None or name in topics.REQUEST_EVENTS or not topics.fits(name):
        raise BadInput("topic", f"{topic} is not a topic that The Things Stack publishes on")
    raw = rule_payload.raw(event)
    body = rule_payload.json_object(raw)
    return UpstreamMessage(event=name, device=_end_device(body), body=body, raw=raw)


def _end_device(body: Mapping[str, Any]) -> EndDeviceIdentifiers:
    ids = body.get("end_device_ids")
    if not isinstance(ids, dict):
        raise BadInput("end_device_ids", "is missing")
    return EndDeviceIdentifiers(
        device_id=identifiers.device_id("end_device_ids.device_id", ids.get("device_id")),
        dev_eui=_optional_eui(ids, "dev_eui"),
        join_eui=_optional_eui(ids, "join_eui"),
    )


def _optional_eui(ids: Mapping[str, Any], field: str) -> str | None:
    return identifiers.eui(f"end_device_ids.{field}", ids[field]) if ids.get(field) else None


def with_decoded_payload(message: UpstreamMessage, output: Mapping[str, Any]) -> UpstreamMessage:
    """The uplink with a `decoded_payload`.

    Raises BadInput if the message would be longer than AWS IoT accepts.
    """
    body = {**message.body, "uplink_message": {**message.body["uplink_message"], "decoded_payload": output}}
    raw = json.dumps(body, separators=(",", ":")).encode()
    if len(raw) > MAX_MESSAGE_BYTES:
        raise BadInput("decoded_payload", f"makes the message {len(raw)} bytes, the limit is {MAX_MESSAGE_BYTES}")
    return message._replace(body=body, raw=raw)
