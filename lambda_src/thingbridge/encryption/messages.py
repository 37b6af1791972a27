"""Messages of The Things Stack under end-to-end encryption: which payloads are decrypted, and how.

Importing this module imports `cryptography`. Encrypting downlinks is in `downlinks`.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from thingbridge.encryption.sessions import LAST_FRAME_COUNTER
from thingbridge.errors import BadInput
from thingbridge.lorawan.key_envelope import is_wrapped
from thingbridge.lorawan.payload_crypto import crypt_downlink, crypt_uplink


@dataclass(frozen=True)
class SessionKey:
    """The key of a session's payloads. `app_s_key`: 16 bytes, never part of the text."""

    session_key_id: str
    dev_addr: str
    app_s_key: bytes = field(repr=False)


KeyOf = Callable[[str], SessionKey | None]
"""The key of a session by its session key id; None if The Things Stack encrypts in it, or if the session is unknown."""


def decrypted(body: Mapping[str, Any], key_of: KeyOf) -> dict[str, Any] | None:
    """An `ApplicationUp` with every `frm_payload` in plain text and without the key's envelope.

    None if nothing in it is encrypted. Raises BadInput, or what `key_of` raises.
    """
    match body:
        case {"uplink_message": dict(uplink)}:
            plain = _uplink(uplink, key_of)
            return {**body, "uplink_message": plain} if plain != uplink else None
        case {"join_accept": dict(join)}:
            plain = _without_envelope(_several(join, "invalidated_downlinks", key_of))
            return {**body, "join_accept": plain} if plain != join else None
        case {"downlink_queue_invalidated": dict(invalidated)}:
            plain = _several(invalidated, "downlinks", key_of)
            return {**body, "downlink_queue_invalidated": plain} if plain != invalidated else None
        case {"downlink_failed": {"downlink": dict(downlink)} as failed}:
            plain = decrypted_downlink(downlink, key_of)
            return {**body, "downlink_failed": {**failed, "downlink": plain}} if plain != downlink else None
    for kind in ("downlink_ack", "downlink_nack", "downlink_sent", "downlink_queued"):
        if isinstance(body.get(kind), dict):
            plain = decrypted_downlink(body[kind], key_of)
            return {**body, kind: plain} if plain != body[kind] else None
    return None


def undecryptable(body: Mapping[str, Any]) -> dict[str, Any]:
    """An `ApplicationUp` that can't be decrypted, as it may be published: without a key that is not wrapped.

    A wrapped key stays, so that whoever has the key it is wrapped with can still decrypt the payload.
    """
    return {
        kind: _without_envelope(part) if isinstance(part, Mapping) and not is_wrapped(part.get("app_s_key")) else part
        for kind, part in body.items()
    }


def decrypted_downlink(downlink: Mapping[str, Any], key_of: KeyOf) -> dict[str, Any]:
    """An `ApplicationDownlink` with its payload decrypted; unchanged when its session has no key here."""
    payload = payload_bytes(downlink.get("frm_payload"))
    key = key_of(str(downlink.get("session_key_id", ""))) if payload else None
    if not payload or not key:
        return dict(downlink)
    plain = crypt_downlink(key.app_s_key, key.dev_addr, frame_counter(downlink), payload)
    return {**downlink, "frm_payload": base64.b64encode(plain).decode()}


def _uplink(uplink: Mapping[str, Any], key_of: KeyOf) -> dict[str, Any]:
    payload = payload_bytes(uplink.get("frm_payload"))
    key = key_of(str(uplink.get("session_key_id", ""))) if payload else None
    readable = _without_envelope(uplink)
    if payload and key:
        plain = crypt_uplink(key.app_s_key, key.dev_addr, frame_counter(uplink), payload)
        readable["frm_payload"] = base64.b64encode(plain).decode()
    return readable


def _several(part: Mapping[str, Any], name: str, key_of: KeyOf) -> dict[str, Any]:
    if not isinstance(part.get(name), list):
        return dict(part)
    return {**part, name: [decrypted_downlink(each, key_of) if isinstance(each, dict) else each for each in part[name]]}


def _without_envelope(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "app_s_key"}


def frame_counter(part: Mapping[str, Any], name: str = "f_cnt") -> int:
    """A frame counter of a message, 0 if it is left out. Raises BadInput."""
    value = part.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LAST_FRAME_COUNTER:
        raise BadInput(name, "must be a frame counter, 0 to 4294967295")
    return value


def payload_bytes(value: Any) -> bytes:
    """A base64 payload, empty if it is left out. Raises BadInput."""
    try:
        return base64.b64decode(value or "", validate=True)
    except (TypeError, ValueError) as error:
        raise BadInput("frm_payload", "must be base64") from error
