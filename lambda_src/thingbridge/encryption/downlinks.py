"""Downlinks under end-to-end encryption: encrypted and numbered, retried after a refusal, and queued again.

Importing this module imports `cryptography`. Decrypting messages is in `messages`.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.encryption.messages import SessionKey, frame_counter, payload_bytes
from thingbridge.errors import BadInput
from thingbridge.lorawan.payload_crypto import crypt_downlink

MOST_ATTEMPTS: Final = 8
"""How often a confirmed downlink is sent unless it says otherwise: the Application Server's default."""


def check_encryptable(downlinks: Sequence[Mapping[str, Any]]) -> None:
    """Raise BadInput if a downlink has no bytes: The Things Stack can't encode a payload that it must not read."""
    for index, downlink in enumerate(downlinks):
        if "frm_payload" not in downlink:
            at = f"downlinks[{index}].payload" if len(downlinks) > 1 else "payload"
            raise BadInput(at, "can't be encoded under end-to-end encryption: give bytes (base64)")


def encrypted(
    downlinks: Sequence[Mapping[str, Any]], key: SessionKey, first_f_cnt: int
) -> tuple[Mapping[str, Any], ...]:
    """`ApplicationDownlink` objects in plain text → encrypted for a session, numbered from `first_f_cnt` on.

    Under `skip_payload_crypto` the Application Server takes the session and the counter from the downlink.
    """
    return tuple(
        {
            **downlink,
            "session_key_id": key.session_key_id,
            "f_cnt": f_cnt,
            "frm_payload": base64.b64encode(
                crypt_downlink(key.app_s_key, key.dev_addr, f_cnt, payload_bytes(downlink["frm_payload"]))
            ).decode(),
        }
        for f_cnt, downlink in enumerate(downlinks, first_f_cnt)
    )


@dataclass(frozen=True)
class Retry:
    """What is needed between a refused push and the next attempt.

    `at_least`: take new counters, none below this one. `look_up`: ask the Application Server which session the device
    is in.
    """

    at_least: int = 0
    look_up: bool = False


def after_refusal(name: str, diagnostics: Mapping[str, Any], session_key_id: str, first_f_cnt: int) -> Retry | None:
    """What the Network Server's refusal of a push calls for; None if another attempt would not help.

    `name`, `diagnostics`: the error's name and its `DownlinkQueueOperationErrorDetails`, empty if it has none.
    """
    if name == "unknown_session":
        return Retry(look_up=True)
    if name != "f_cnt_too_low":
        return None
    for prefix in ("", "pending_"):
        if diagnostics.get(f"{prefix}session_key_id") == session_key_id:
            lowest = int(diagnostics.get(f"{prefix}min_f_cnt_down", 0))
            # A counter that was high enough: between a rejoin and the first uplink the Application Server forwards a
            # downlink once for each of the two sessions, and the Network Server refuses the second one.
            return Retry(at_least=lowest) if lowest > first_f_cnt else Retry(look_up=True)
    return Retry(look_up=True)


def repeated_after_failure(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The downlink of a `downlink_failed` whose push is repeated (`after_refusal`); nothing in any other message.

    The Application Server (3.32) publishes one for each downlink of each push that the Network Server refuses.
    """
    match body:
        case {"downlink_failed": {"downlink": dict(downlink), "error": {"name": "f_cnt_too_low" | "unknown_session"}}}:
            return (downlink,)
    return ()


@dataclass(frozen=True)
class Returned:
    """Downlinks to be encrypted and queued again. `last_f_cnt_down`: the session's highest used counter."""

    downlinks: Sequence[Mapping[str, Any]]
    last_f_cnt_down: int = 0


def returned(body: Mapping[str, Any]) -> Returned:
    """The downlinks of an `ApplicationUp` that the application must queue again while The Things Stack skips crypto.

    These are an invalidated queue, the queue of the session before a join, and a confirmed downlink without an answer
    that has attempts left. Rules: TTS `applicationserver.go` (handleDownlinkQueueInvalidated, handleJoinAccept,
    handleDownlinkNack), which leaves all three to the application in this case.
    """
    match body:
        case {"downlink_queue_invalidated": {"downlinks": list(downlinks)} as invalidated}:
            return Returned(_downlinks(downlinks), frame_counter(invalidated, "last_f_cnt_down"))
        case {"join_accept": {"invalidated_downlinks": list(downlinks)}}:
            return Returned(_downlinks(downlinks))
        case {"downlink_nack": dict(downlink)}:
            return Returned(_next_attempt(downlink))
    return Returned(())


def is_readable(downlink: Mapping[str, Any]) -> bool:
    """Whether a returned downlink can be decrypted and encrypted again, given its session's key."""
    try:
        frame_counter(downlink)
        payload_bytes(downlink.get("frm_payload"))
    except BadInput:
        return False
    return True


def _downlinks(values: Sequence[object]) -> Sequence[Mapping[str, Any]]:
    return tuple(each for each in values if isinstance(each, dict))


def _next_attempt(downlink: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    given = downlink.get("confirmed_retry")
    retry = given if isinstance(given, Mapping) else {}
    attempt = frame_counter(retry, "attempt") + 1
    if attempt > (frame_counter(retry, "max_attempts") or MOST_ATTEMPTS):
        return ()
    return ({**downlink, "confirmed_retry": {**retry, "attempt": attempt}},)
