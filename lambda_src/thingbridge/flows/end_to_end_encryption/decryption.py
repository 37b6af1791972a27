"""The stage of the flow `upstream` under end-to-end encryption: keeps a message's session, decrypts its payloads."""

import json
from dataclasses import dataclass, replace

from thingbridge.aws.things_log import ThingsLog
from thingbridge.encryption import messages, sessions
from thingbridge.errors import BadInput, Refused
from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys
from thingbridge.messaging.upstream import UpstreamMessage


@dataclass(frozen=True)
class Decryption:
    """Decrypts with the session keys of a stack."""

    keys: SessionKeys
    log: ThingsLog

    def decrypt(self, message: UpstreamMessage, thing_name: str) -> UpstreamMessage:
        """The message with its payloads in plain text and without its key; unchanged where nothing is encrypted.

        A message that can't be decrypted is recorded, and delivered as received: losing it would be worse. Raises Busy
        or Misconfigured, so that it is retried.
        """
        device = sessions.device_key(message.device)
        try:
            if seen := sessions.seen(message.body):
                self.keys.remember(device, seen)
            plain = messages.decrypted(message.body, self.keys.key_of(device))
        except (BadInput, Refused) as error:
            self.log.record(thing_name, "ERROR", "payload_not_decrypted", message=message.event, reason=str(error))
            plain = messages.undecryptable(message.body)
            plain = plain if plain != message.body else None
        if plain is None:
            return message
        return replace(message, body=plain, raw=json.dumps(plain, separators=(",", ":")).encode())
