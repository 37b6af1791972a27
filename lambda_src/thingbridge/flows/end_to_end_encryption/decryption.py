"""The stage of the flow `upstream` under end-to-end encryption: keeps a message's session, decrypts its payloads.

It also withholds the failures of pushes that this stack repeated with success.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.aws.things_log import ThingsLog
from thingbridge.encryption import downlinks, messages, sessions
from thingbridge.errors import BadInput, Refused
from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys
from thingbridge.lorawan.key_envelope import KeyNotReadable
from thingbridge.messaging import downlink
from thingbridge.messaging.upstream import UpstreamMessage

PAUSES: Final = (0.25, 0.75, 1.0, 2.0, 2.0)
"""Seconds between checks whether a refused push succeeded later: a failure is held for 6 seconds at most."""


@dataclass(frozen=True)
class Decryption:
    """Decrypts with the session keys of a stack."""

    keys: SessionKeys
    log: ThingsLog
    pauses: Sequence[float] = PAUSES
    sleep: Callable[[float], None] = time.sleep

    def decrypt(self, message: UpstreamMessage, thing_name: str) -> UpstreamMessage | None:
        """The message with its payloads in plain text and without its key; unchanged where nothing is encrypted.

        None for the failure of a push that was repeated with success, which is not published. A message that can't be
        decrypted is recorded, and delivered as received: losing it would be worse. A simulated uplink was never
        encrypted, and is of no session. Raises Busy or Misconfigured, so that it is retried.
        """
        if message.is_simulated:
            return _replaced(message, messages.undecryptable(message.body))
        device = sessions.device_key(message.device)
        if self._queued_in_the_end(device, message.body):
            return None
        try:
            self._keep(device, message.body, thing_name)
            plain = messages.decrypted(message.body, self.keys.key_of(device))
        except (BadInput, Refused) as error:
            self._record_undecryptable(message, thing_name, error)
            plain = messages.undecryptable(message.body)
        return _replaced(message, plain)

    def _keep(self, device: str, body: Mapping[str, Any], thing_name: str) -> None:
        """Keep the session of a message, and the counter that the network has used."""
        if seen := sessions.seen(body):
            ignored = self.keys.remember(device, seen)
            if ignored:
                self.log.record(
                    thing_name,
                    "ERROR",
                    "session_key_ignored",
                    session_key_id=seen.session.session_key_id,
                    reason=f"the session keeps the key that the Join Server wrapped; in this message {ignored}",
                )
        elif used := sessions.used_counter(body):
            self.keys.table.raise_counter(device, used.session_key_id, used.f_cnt + 1)

    def _queued_in_the_end(self, device: str, body: Mapping[str, Any]) -> bool:
        """Whether a message is the failure of a push that this stack repeated with success."""
        own = downlink.marks(downlinks.repeated_after_failure(body))
        if not own:
            return False
        for pause in (*self.pauses, 0.0):
            if any(self.keys.table.was_queued(device, each) for each in own):
                return True
            if pause:
                self.sleep(pause)
        return False

    def _record_undecryptable(self, message: UpstreamMessage, thing_name: str, error: BadInput | Refused) -> None:
        label = {"kek_label": error.label} if isinstance(error, KeyNotReadable) and error.label else {}
        self.log.record(thing_name, "ERROR", "payload_not_decrypted", message=message.event, reason=str(error), **label)


def _replaced(message: UpstreamMessage, body: Mapping[str, Any] | None) -> UpstreamMessage:
    """The message with another body; byte for byte as received if there is none, or the same one."""
    if body is None or body == message.body:
        return message
    return message._replace(body=body, raw=json.dumps(body, separators=(",", ":")).encode())
