"""Sessions, and the session that a message belongs to. Pure, and without `cryptography`.

Under end-to-end encryption The Things Stack sends the AppSKey of a session with each uplink and join-accept, in an
envelope that it can't open itself. A message without one belongs to a session whose payloads The Things Stack
encrypts, such as that of a device that joined before encryption was enabled.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from thingbridge.errors import BadInput
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers

FIRST_F_CNT_DOWN: Final = 1
"""The Application Server numbers downlinks from 1 (TTS `applicationserver.go`)."""

LAST_FRAME_COUNTER: Final = 2**32 - 1
"""Frame counters have 32 bits, of which the air carries the lower 16 (LoRaWAN 1.0.3 §4.3.1.5)."""

_DEV_ADDR: Final = re.compile(r"[0-9A-Fa-f]{8}")

_SESSION_KEY_ID: Final = re.compile(r"[0-9A-Za-z+/_-]{1,960}={0,2}")
"""The Join Server's are 16 bytes; the table of sessions takes up to 1,024 characters."""

_LONGEST_TEXT: Final = 2048
"""Characters in an envelope: the longest label (TTS `keys.proto`)."""


@dataclass(frozen=True)
class Session:
    """A session. `session_key_id` base64; `dev_addr` 8 hex digits; `app_s_key` the envelope as TTS sent it, None if
    The Things Stack holds the key and encrypts itself.
    """

    session_key_id: str
    dev_addr: str
    app_s_key: Mapping[str, Any] | None


@dataclass(frozen=True)
class SessionSeen:
    """A session that a device was seen in. `at`: Unix microseconds by TTS's clock, None if unknown.

    `next_f_cnt_down`: the lowest downlink counter that The Things Stack still accepts.
    """

    session: Session
    at: int | None
    next_f_cnt_down: int


def device_key(device: EndDeviceIdentifiers) -> str:
    """The key of a device's sessions: the DevEUI, which a thing always has; the device id of a device without one."""
    return device.dev_eui or device.device_id


def seen(body: Mapping[str, Any]) -> SessionSeen | None:
    """The session of an `ApplicationUp` that has one, an uplink or a join-accept; None for all others.

    Raises BadInput for a session that can't be kept.
    """
    part = body.get("uplink_message") or body.get("join_accept")
    if not isinstance(part, Mapping):
        return None
    session_key_id, dev_addr = part.get("session_key_id"), body["end_device_ids"].get("dev_addr")
    if not isinstance(session_key_id, str) or not session_key_id or not _DEV_ADDR.fullmatch(str(dev_addr)):
        return None
    if not _SESSION_KEY_ID.fullmatch(session_key_id):
        raise BadInput("session_key_id", "must be base64 of up to 700 bytes")
    envelope = part.get("app_s_key")
    if isinstance(envelope, Mapping) and not all(_is_short_text(each) for each in (*envelope, *envelope.values())):
        raise BadInput("app_s_key", "must be a key envelope")
    last = part.get("last_a_f_cnt_down")
    return SessionSeen(
        Session(session_key_id, str(dev_addr), envelope if isinstance(envelope, Mapping) else None),
        _microseconds(part.get("received_at")) or _microseconds(body.get("received_at")),
        last + 1 if isinstance(last, int) and 0 <= last < LAST_FRAME_COUNTER else FIRST_F_CNT_DOWN,
    )


def _is_short_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT and value.isascii()


def _microseconds(value: object) -> int | None:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return int(at.timestamp() * 1_000_000) if at.tzinfo else None


def of_device(device: Mapping[str, Any]) -> SessionSeen | None:
    """The session of an end device on the Application Server: the pending one, else the one in use.

    A key in plain text is one that The Things Stack encrypts with; it is not kept.
    """
    session = device.get("pending_session") or device.get("session")
    if not isinstance(session, Mapping):
        return None
    keys = session.get("keys") or {}
    envelope = keys.get("app_s_key") or {}
    return SessionSeen(
        Session(
            str(keys.get("session_key_id", "")),
            str(session.get("dev_addr", "")),
            envelope if envelope.get("encrypted_key") and not envelope.get("key") else None,
        ),
        None,
        int(session.get("last_a_f_cnt_down", 0)) + 1,
    )
