"""The stage of `upstream` under end-to-end encryption: a message's session is kept, its payloads are decrypted."""

import json
from dataclasses import replace

from handlers.session_keys import session_keys
from thingbridge.aws_iot import things_log
from thingbridge.errors import BadInput, Refused
from thingbridge.messaging import encryption, sessions
from thingbridge.messaging.upstream import UpstreamMessage
from thingbridge.settings import EncryptionSettings


def decrypt(
    message: UpstreamMessage, thing_name: str, settings: EncryptionSettings, things_log_group: str
) -> UpstreamMessage:
    """The message with its payloads in the clear and without its key; the same where nothing is encrypted.

    What can't be decrypted is recorded, and goes on as it came: losing it would be worse. Raises Busy or
    Misconfigured, so that it comes again.
    """
    keys = session_keys(settings)
    device = sessions.device_key(message.device)
    try:
        if seen := sessions.seen(message.body):
            keys.remember(device, seen)
        clear = encryption.decrypted(message.body, keys.key_of(device))
    except (BadInput, Refused) as error:
        things_log.record(
            things_log_group, thing_name, "ERROR", "payload_not_decrypted", message=message.event, reason=str(error)
        )
        clear = encryption.as_it_came(message.body)
        clear = clear if clear != message.body else None
    if clear is None:
        return message
    return replace(message, body=clear, raw=json.dumps(clear, separators=(",", ":")).encode())
