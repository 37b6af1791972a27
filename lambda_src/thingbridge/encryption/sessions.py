"""Sessions, and the session that a message belongs to. Pure, and without `cryptography`.

Under end-to-end encryption The Things Stack sends the AppSKey of a session with each uplink and join-accept, in an
envelope that it can't open itself. A message without one belongs to a session whose payloads The Things Stack
encrypts, such as that of a device that joined before encryption was enabled.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from thingbridge.errors import BadInput
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers

FIRST_F_CNT_DOWN: Final = 1
"""The Application Server numbers downlinks from 1 (TTS `applicationserver.go`)."""

LAST_FRAME_COUNTER: Final = 2**32 - 1
"""Frame counters have 32 bits, of which the air carries the lower 16 (LoRaWAN 1.0.3 §4.3.1.5)."""

_ULID_BYTES: Final = 16

_DEV_ADDR: Final = re.compile(r"[0-9A-Fa-f]{8}")

_SESSION_KEY_ID: Final = re.compile(r"[0-9A-Za-z+/_-]{1,960}={0,2}")
"""The Join Server's are 16 bytes; the table of sessions takes up to 1,024 characters."""

_LONGEST_TEXT: Final = 2048
"""Characters in an envelope: the longest label (TTS `keys.proto`)."""


@dataclass(frozen=True)
class Session:
    """A session. `session_key_id` base64; `dev_addr` 8 hex digits; `app_s_key` the envelope as TTS sent it, None if
    The Things Stack holds the key and encrypts itself.

    `confirmed`: the Application Server itself was asked; anything else comes from a message, which whoever may publish
    on the stack's topics can forge.
    """

    session_key_id: str
    dev_addr: str
    app_s_key: Mapping[str, Any] | None
    confirmed: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class SessionSeen:
    """A session that a device was seen in. `at`: Unix microseconds by TTS's clock, None if unknown.

    `next_f_cnt_down`: the lowest downlink counter that the Application Server has not used. `joining`: the session has
    begun with a join, and no uplink of the device in it is known yet.
    """

    session: Session
    at: int | None
    next_f_cnt_down: int
    joining: bool = False


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
        joining="uplink_message" not in body,
    )


@dataclass(frozen=True)
class UsedCounter:
    """A downlink counter of a session that The Things Stack has used."""

    session_key_id: str
    f_cnt: int


def used_counter(body: Mapping[str, Any]) -> UsedCounter | None:
    """The counter in a `downlink_queue_invalidated`; None for other messages, and for a first one without a counter.

    While payload crypto is skipped, The Things Stack (3.32) publishes one for each downlink of its own, such as the
    acknowledgement of a confirmed uplink, even if the queue is empty.
    """
    part = body.get("downlink_queue_invalidated")
    if not isinstance(part, Mapping):
        return None
    session_key_id, last = part.get("session_key_id"), part.get("last_f_cnt_down")
    if not isinstance(session_key_id, str) or not session_key_id:
        return None
    if not isinstance(last, int) or isinstance(last, bool) or not 0 < last <= LAST_FRAME_COUNTER:
        return None
    return UsedCounter(session_key_id, last)


def _is_short_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT and value.isascii()


def _microseconds(value: object) -> int | None:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return int(at.timestamp() * 1_000_000) if at.tzinfo else None


@dataclass(frozen=True)
class DeviceSessions:
    """The sessions of an end device on the Application Server. `pending`: from a join to the first uplink after it."""

    current: SessionSeen | None
    pending: SessionSeen | None

    @property
    def newest(self) -> SessionSeen | None:
        """The session that the device uses, unless its last join failed."""
        return self.pending or self.current


def of_device(device: Mapping[str, Any]) -> DeviceSessions:
    """Read an end device with the fields `session` and `pending_session` of the Application Server."""
    return DeviceSessions(
        _recorded(device.get("session"), joining=False), _recorded(device.get("pending_session"), joining=True)
    )


def _recorded(session: object, *, joining: bool) -> SessionSeen | None:
    """A session in a record. A key in plain text is one that The Things Stack encrypts with; it is not kept."""
    if not isinstance(session, Mapping):
        return None
    keys = session.get("keys") or {}
    envelope = keys.get("app_s_key") or {}
    return SessionSeen(
        Session(
            str(keys.get("session_key_id", "")),
            str(session.get("dev_addr", "")),
            envelope if envelope.get("encrypted_key") and not envelope.get("key") else None,
            confirmed=True,
        ),
        None,
        int(session.get("last_a_f_cnt_down", 0)) + 1,
        joining,
    )


UNSEEN: Final = 1024
"""Counters that are skipped when a table starts counting in a session that is older than the table: they may have
encrypted payloads that The Things Stack refused or returned, and no longer knows of. A device accepts gaps of up to
16,384 (MAX_FCNT_GAP, LoRaWAN 1.0.3 §4.3.1.5), so a session survives 15 tables without a downlink in between."""

CLOCKS_DIFFER_BY: Final = 10.0
"""Seconds, at most, between the clocks of AWS and The Things Stack."""

_OWN_APPLICATION_COUNTER: Final = "MAC_V1_1"
"""From this version on, the network has a counter of its own for what it sends."""


def first_f_cnt_down(session: SessionSeen, on_network_server: Mapping[str, Any]) -> int:
    """The lowest counter of a session that The Things Stack has not used, as far as it knows.

    `on_network_server`: the device with `lorawan_version`, `session` and `pending_session`. Above everything that the
    Application Server (`last_a_f_cnt_down`) and the Network Server (`last_n_f_cnt_down`) have used in the session.
    """
    last = session.next_f_cnt_down - 1
    if not str(on_network_server.get("lorawan_version", "")).startswith(_OWN_APPLICATION_COUNTER):
        for name in ("session", "pending_session"):
            recorded = on_network_server.get(name) or {}
            if (recorded.get("keys") or {}).get("session_key_id") == session.session.session_key_id:
                last = max(last, int(recorded.get("last_n_f_cnt_down", 0)))
    return max(last + 1, FIRST_F_CNT_DOWN)


def is_known_since_its_join(session: Session, table_created_at: float) -> bool:
    """Whether a session began in a table of sessions, created at this time (seconds since 1970), and in no other."""
    began = began_at(session.session_key_id)
    return began is not None and began > table_created_at + CLOCKS_DIFFER_BY


SKIPPED_ATTRIBUTE: Final = "aws-iot-frame-counter"
"""The attribute of a device on the Identity Server that keeps `Skipped`: no copy of a table takes it back."""


@dataclass(frozen=True)
class Skipped:
    """The counters of a session that are skipped for a table that is younger than the session: all below `until`."""

    session_key_id: str
    until: int

    @classmethod
    def read(cls, attributes: Mapping[str, Any]) -> "Skipped | None":
        """What the attributes of a device say, None if they say nothing."""
        until, _, session_key_id = str(attributes.get(SKIPPED_ATTRIBUTE, "")).partition(" ")
        if not session_key_id or not until.isdecimal() or int(until) > LAST_FRAME_COUNTER:
            return None
        return cls(session_key_id, int(until))

    def attributes(self) -> dict[str, str]:
        """It as an attribute of a device."""
        return {SKIPPED_ATTRIBUTE: f"{self.until} {self.session_key_id}"}


def skipped(session: Session, first: int, before: Skipped | None) -> Skipped:
    """What is skipped for another table, which is younger than the session: also what was issued in the table before.

    `first`: the lowest counter that The Things Stack has not used. `before`: what was skipped for the last such table.
    """
    if before and before.session_key_id == session.session_key_id:
        first = max(first, before.until)
    return Skipped(session.session_key_id, first + UNSEEN)


def began_at(session_key_id: str) -> float | None:
    """When a session began, in seconds since 1970; None if its id does not say so.

    The Join Server of The Things Stack makes ids that begin with the time in milliseconds (ULID, 16 bytes).
    """
    try:
        raw = base64.b64decode(session_key_id, validate=True)
    except (binascii.Error, ValueError):
        return None
    return int.from_bytes(raw[:6]) / 1000 if len(raw) == _ULID_BYTES else None
