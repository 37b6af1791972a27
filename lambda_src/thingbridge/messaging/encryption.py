"""End-to-end encryption of messages: what is decrypted, what is encrypted how, and what becomes of a refused counter.

Pure decisions. Importing this module imports `cryptography`.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from thingbridge.errors import BadInput
from thingbridge.lorawan.key_envelope import is_wrapped
from thingbridge.lorawan.payload_crypto import crypt_downlink, crypt_uplink
from thingbridge.messaging.sessions import LAST_FRAME_COUNTER

MOST_ATTEMPTS: Final = 8
"""How often a confirmed downlink is sent unless it says otherwise: the Application Server's default."""


@dataclass(frozen=True)
class SessionKey:
    """What encrypts and decrypts the payloads of a session. `app_s_key` 16 bytes, shown nowhere."""

    session_key_id: str
    dev_addr: str
    app_s_key: bytes = field(repr=False)


KeyOf = Callable[[str], SessionKey | None]
"""The key of a session by its session key id; None when The Things Stack itself encrypts there, or nobody knows it."""


# Messages of The Things Stack --------------------------------------------------------------------------------------


def decrypted(body: Mapping[str, Any], key_of: KeyOf) -> dict[str, Any] | None:
    """An `ApplicationUp` with every `frm_payload` in the clear and without the key's envelope.

    None when there is nothing encrypted in it. Raises what `key_of` raises.
    """
    match body:
        case {"uplink_message": dict(uplink)}:
            clear = _uplink(uplink, key_of)
            return {**body, "uplink_message": clear} if clear != uplink else None
        case {"join_accept": dict(join)}:
            clear = _without_envelope(_several(join, "invalidated_downlinks", key_of))
            return {**body, "join_accept": clear} if clear != join else None
        case {"downlink_queue_invalidated": dict(invalidated)}:
            clear = _several(invalidated, "downlinks", key_of)
            return {**body, "downlink_queue_invalidated": clear} if clear != invalidated else None
        case {"downlink_failed": {"downlink": dict(downlink)} as failed}:
            clear = downlink_in_clear(downlink, key_of)
            return {**body, "downlink_failed": {**failed, "downlink": clear}} if clear != downlink else None
    for kind in ("downlink_ack", "downlink_nack", "downlink_sent", "downlink_queued"):
        if isinstance(body.get(kind), dict):
            clear = downlink_in_clear(body[kind], key_of)
            return {**body, kind: clear} if clear != body[kind] else None
    return None


def as_it_came(body: Mapping[str, Any]) -> dict[str, Any]:
    """An `ApplicationUp` that can't be decrypted, as it may be published: a key that is not wrapped is taken out.

    A wrapped one stays, so that whoever has the key it is wrapped with can still read the payload.
    """
    return {
        kind: _without_envelope(part) if isinstance(part, Mapping) and not is_wrapped(part.get("app_s_key")) else part
        for kind, part in body.items()
    }


def downlink_in_clear(downlink: Mapping[str, Any], key_of: KeyOf) -> dict[str, Any]:
    """An `ApplicationDownlink` with its payload decrypted, or the same when its session has no key here."""
    payload = _bytes(downlink.get("frm_payload"))
    key = key_of(str(downlink.get("session_key_id", ""))) if payload else None
    if not payload or not key:
        return dict(downlink)
    clear = crypt_downlink(key.app_s_key, key.dev_addr, _counter(downlink), payload)
    return {**downlink, "frm_payload": base64.b64encode(clear).decode()}


def _uplink(uplink: Mapping[str, Any], key_of: KeyOf) -> dict[str, Any]:
    payload = _bytes(uplink.get("frm_payload"))
    key = key_of(str(uplink.get("session_key_id", ""))) if payload else None
    clear = _without_envelope(uplink)
    if payload and key:
        plain = crypt_uplink(key.app_s_key, key.dev_addr, _counter(uplink), payload)
        clear["frm_payload"] = base64.b64encode(plain).decode()
    return clear


def _several(part: Mapping[str, Any], name: str, key_of: KeyOf) -> dict[str, Any]:
    if not isinstance(part.get(name), list):
        return dict(part)
    return {**part, name: [downlink_in_clear(each, key_of) if isinstance(each, dict) else each for each in part[name]]}


def _without_envelope(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "app_s_key"}


def _counter(part: Mapping[str, Any], name: str = "f_cnt") -> int:
    value = part.get(name, 0)
    if not isinstance(value, int) or not 0 <= value <= LAST_FRAME_COUNTER:
        raise BadInput(name, "is no frame counter")
    return value


def _bytes(value: object) -> bytes:
    try:
        return base64.b64decode(str(value or ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput("frm_payload", "is not base64") from error


# Downlinks ---------------------------------------------------------------------------------------------------------


def check_encryptable(downlinks: Sequence[Mapping[str, Any]]) -> None:
    """Raise BadInput when a downlink has no bytes: The Things Stack can't encode what it must not read."""
    for index, downlink in enumerate(downlinks):
        if "frm_payload" not in downlink:
            at = f"downlinks[{index}].payload" if len(downlinks) > 1 else "payload"
            raise BadInput(at, "can't be encoded under end-to-end encryption: give bytes (base64)")


def encrypted(
    downlinks: Sequence[Mapping[str, Any]], key: SessionKey, first_f_cnt: int
) -> tuple[Mapping[str, Any], ...]:
    """`ApplicationDownlink` objects in the clear → encrypted for a session, numbered from `first_f_cnt` on.

    Under `skip_payload_crypto` the Application Server takes the session and the counter from the downlink.
    """
    return tuple(
        {
            **downlink,
            "session_key_id": key.session_key_id,
            "f_cnt": f_cnt,
            "frm_payload": base64.b64encode(
                crypt_downlink(key.app_s_key, key.dev_addr, f_cnt, _bytes(downlink["frm_payload"]))
            ).decode(),
        }
        for f_cnt, downlink in enumerate(downlinks, first_f_cnt)
    )


@dataclass(frozen=True)
class Retry:
    """What is to be done about a refused push before it is tried again.

    `at_least`: take counters anew, none below this one. `look_up`: ask The Things Stack which session it is in.
    `wait`: the device has to send first.
    """

    at_least: int = 0
    look_up: bool = False
    wait: bool = False


def after_refusal(name: str, diagnostics: Mapping[str, Any], session_key_id: str, first_f_cnt: int) -> Retry | None:
    """What the Network Server's refusal of a push asks for; None when it is about something else.

    `name`, `diagnostics`: the error's name and its `DownlinkQueueOperationErrorDetails`, empty when it has none.
    """
    if name == "unknown_session":
        return Retry(look_up=True)
    if name != "f_cnt_too_low":
        return None
    for prefix in ("", "pending_"):
        if diagnostics.get(f"{prefix}session_key_id") == session_key_id:
            lowest = int(diagnostics.get(f"{prefix}min_f_cnt_down", 0))
            # The counter was high enough: between a rejoin and the first uplink the Application Server sends a
            # downlink on once for each of the two sessions, and the Network Server refuses the second one.
            return Retry(at_least=lowest) if lowest > first_f_cnt else Retry(wait=True)
    return Retry(look_up=True)


# Downlinks that The Things Stack gave back -------------------------------------------------------------------------


@dataclass(frozen=True)
class GivenBack:
    """Downlinks that have to be encrypted and queued again. `last_f_cnt_down`: the session's highest used counter."""

    downlinks: Sequence[Mapping[str, Any]]
    last_f_cnt_down: int = 0


def given_back(body: Mapping[str, Any]) -> GivenBack:
    """The downlinks of an `ApplicationUp` that the application must queue again while The Things Stack skips crypto.

    An invalidated queue and the queue of the session before a join; a confirmed downlink without an answer, until
    it was tried as often as it says. Rules: TTS `applicationserver.go` (handleDownlinkQueueInvalidated,
    handleJoinAccept, handleDownlinkNack), which leaves all three to the application then.
    """
    match body:
        case {"downlink_queue_invalidated": {"downlinks": list(downlinks)} as invalidated}:
            return GivenBack(_downlinks(downlinks), _counter(invalidated, "last_f_cnt_down"))
        case {"join_accept": {"invalidated_downlinks": list(downlinks)}}:
            return GivenBack(_downlinks(downlinks))
        case {"downlink_nack": dict(downlink)}:
            return GivenBack(_tried_again(downlink))
    return GivenBack(())


def _downlinks(values: Sequence[object]) -> Sequence[Mapping[str, Any]]:
    return tuple(each for each in values if isinstance(each, dict))


def _tried_again(downlink: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    given = downlink.get("confirmed_retry")
    retry = given if isinstance(given, Mapping) else {}
    attempt = _counter(retry, "attempt") + 1
    if attempt > (_counter(retry, "max_attempts") or MOST_ATTEMPTS):
        return ()
    return ({**downlink, "confirmed_retry": {**retry, "attempt": attempt}},)
