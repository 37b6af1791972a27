"""Upstream: a message that The Things Stack publishes becomes a message of a thing, and updates its shadow.

A message passes the stages of `Upstream.handle` in this order. A message of a known device costs two calls: a publish
and a shadow write. One whose thing can't be found or created, because AWS limits the rate, waits (`flows.waiting`).
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

from thingbridge.aws.broker import Broker
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import BadInput, Refused, Throttled
from thingbridge.flows.codecs import CodecFailed
from thingbridge.flows.shadow import ShadowWriter
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.messaging import codecs, topics, upstream
from thingbridge.messaging.upstream import UpstreamMessage
from thingbridge.registry.identity import ThingOfOther
from thingbridge.shadow import limits, state
from thingbridge.shadow.notices import Notices
from thingbridge.shadow.state import ReportedState, ShadowSettings


class Decryption(Protocol):
    """The stage under end-to-end encryption (`flows.end_to_end_encryption.decryption`)."""

    def decrypt(self, message: UpstreamMessage, thing_name: str) -> UpstreamMessage | None:
        """The message with its payloads in plain text; None if it is not to be published."""


class Decoder(Protocol):
    """The decoders of the stack's user (`flows.codecs`)."""

    def decode(self, uplink: Mapping[str, Any]) -> dict[str, Any] | None:
        """The decoded payload of an `uplink_message`, None if no codec is for it. Raises CodecFailed."""


class Waiting(Protocol):
    """Where messages wait for their thing (`flows.waiting`)."""

    def has(self, device: EndDeviceIdentifiers) -> bool:
        """Whether messages of the device wait."""

    def join(self, device: EndDeviceIdentifiers, event: Mapping[str, Any]) -> None:
        """Have a message of the device wait, behind those that do."""


class Upstream:
    """The flow of a message. `decryption` is None without end-to-end encryption.

    `waiting` None: a message whose thing can't be found or created now is retried by whoever invoked the function.
    """

    def __init__(
        self,
        stack_name: str,
        shadow_settings: ShadowSettings,
        directory: ThingDirectory,
        broker: Broker,
        shadow_writer: ShadowWriter,
        decoder: Decoder,
        decryption: Decryption | None,
        log: ThingsLog,
        waiting: Waiting | None = None,
    ) -> None:
        self.stack_name, self._shadow_settings = stack_name, shadow_settings
        self._directory, self._broker, self._shadow_writer = directory, broker, shadow_writer
        self.decoder, self._decryption, self._waiting = decoder, decryption, waiting
        self._log, self._notices = log, Notices()

    def handle(self, event: dict[str, Any]) -> None:
        """Handle the rule's output `{"topic", "payload"}`. Raises Busy or Misconfigured, so that it is retried."""
        try:
            message = upstream.parse(event, self.stack_name)
        except BadInput as error:
            self._record_dropped(event, None, str(error))
            return
        try:
            thing_name = self._thing_of(message)
        except Throttled:
            if self._waiting is None:
                raise
            self._waiting.join(message.device, event)
        except Refused as error:
            self._record_dropped(event, error.thing_name if isinstance(error, ThingOfOther) else None, str(error))
        else:
            if thing_name is None:
                self._record_dropped(event, None, _no_thing(message), level="WARN")
            else:
                self._deliver(event, message, thing_name)

    def _deliver(self, event: Mapping[str, Any], message: UpstreamMessage, thing_name: str) -> None:
        """Publish a message of a thing, and write its shadow meanwhile: neither waits for the other's answer.

        The shadow is merged and a message published at least once, so either is repeated without harm when the other
        fails and the message is retried.
        """
        try:
            readable = self._readable(message, thing_name)
            if readable is None:
                return
            message = readable
            reported = state.reported(message.body, self._shadow_settings, own_counters=self._decryption is not None)
            with self._broker.publishing(topics.public(thing_name, message.event), message.raw):
                self._update_shadow(message, thing_name, reported)
        except (BadInput, Refused) as error:
            self._record_dropped(event, error.thing_name if isinstance(error, ThingOfOther) else thing_name, str(error))

    def _update_shadow(self, message: UpstreamMessage, thing_name: str, reported: ReportedState) -> None:
        if message.is_simulated:
            # The shadow is the state of the device, which has sent nothing.
            self._log.record(thing_name, "INFO", "uplink_simulated")
            return
        if message.queued_without_payload:
            ids = message.body.get("correlation_ids")
            self._log.record(thing_name, "WARN", "downlink_without_payload", correlation_ids=ids)
        if reported.omitted:
            self._log.record(thing_name, "WARN", "decoded_payload_left_out", reason=reported.omitted)
        if reported.beside_state and self._notices.first(thing_name, "beside_state"):
            reason = limits.beside_state(reported.beside_state)
            self._log.record(thing_name, "WARN", "decoded_payload_left_out", reason=reason)
        if reported.fields:
            try:
                self._shadow_writer.write(thing_name, reported.fields, reported.received_at)
            except Refused as error:
                self._log.record(thing_name, "ERROR", "shadow_not_written", reason=str(error))

    def _thing_of(self, message: UpstreamMessage) -> str | None:
        """Name of the device's thing; None if there is none, and the message does not create one.

        Raises Throttled also while earlier messages of the device wait, which this one must not overtake.
        """
        device = message.device
        if self._waiting and not self._directory.is_settled(device) and self._waiting.has(device):
            raise Throttled(f"find the thing of {device.device_id}: earlier messages of the device wait for it")
        if message.makes_thing:
            return self._directory.find_or_create(device)
        return self._directory.find_known(device)

    def _readable(self, message: UpstreamMessage, thing_name: str) -> UpstreamMessage | None:
        """The message in readable form: decrypted, and decoded if The Things Stack has not done so.

        None if it is not to be published.
        """
        if self._decryption:
            decrypted = self._decryption.decrypt(message, thing_name)
            if decrypted is None:
                return None
            message = decrypted
        uplink = codecs.undecoded(message.body)
        if uplink is None:
            return message
        try:
            output = self.decoder.decode(uplink)
            return message if output is None else upstream.with_decoded_payload(message, output)
        except CodecFailed as error:
            self._log.record(thing_name, "WARN", "codec_failed", codec=error.codec, reason=error.reason)
        except BadInput as error:
            self._log.record(thing_name, "WARN", "codec_failed", codec=None, reason=str(error))
        return message

    def _record_dropped(
        self, event: Mapping[str, Any], thing_name: str | None, reason: str, *, level: str = "ERROR"
    ) -> None:
        encoded = str(event.get("payload") or "").encode(errors="surrogatepass")
        self._log.record(
            thing_name,
            level,
            "message_dropped",
            reason=reason,
            topic=event.get("topic"),
            payload_base64_bytes=len(encoded),
            payload_base64_sha256=hashlib.sha256(encoded).hexdigest(),
        )


def _no_thing(message: UpstreamMessage) -> str:
    kind = "a simulated uplink" if message.is_simulated else f"a message of the kind {message.event}"
    return f"the device {message.device.device_id} has no thing: {kind} makes none, its first join or uplink does"
