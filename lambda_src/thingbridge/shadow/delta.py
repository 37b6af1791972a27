"""Changed desired states of the shadow `lorawan`: whether a delta calls for a downlink, and which one is sent.

As long as desired and reported state differ, AWS IoT sends a delta for every write to the shadow, including that of
each uplink. Its timestamps, in whole seconds, show which write caused it. A sent change is noted in the shadow, so that
it is sent once however often its delta arrives. Like a registry event, a delta only says where to look: the shadow
itself decides.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from thingbridge.errors import BadInput
from thingbridge.messaging import rule_payload, topics
from thingbridge.shadow.metadata import timestamps
from thingbridge.shadow.state import DECODED_PAYLOAD, MAX_NUMBER, SHADOW_NAME

NOTE: Final = "deltaDownlink"
"""The field of `reported` with the status of the last change."""

AT_ONCE_SECONDS: Final = 2
"""A delta sent later than this after the newest desired change was caused by something else."""

ABANDONED_SECONDS: Final = 60.0
"""A downlink that has been "sending" for so long was abandoned: a function has 30 seconds."""


class Note(StrEnum):
    """The status of a change."""

    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"


class Next(StrEnum):
    """The next step for a change."""

    NOTHING = "nothing"
    WAIT = "wait"
    SEND = "send"


@dataclass(frozen=True)
class Delta:
    """A delta message. `version` is that of the shadow at that time; `sent_at`, `changed_at`: Unix seconds."""

    thing_name: str
    version: int
    sent_at: float
    changed_at: float

    @property
    def follows_a_change(self) -> bool:
        """Whether a changed desired state may have caused it."""
        return self.sent_at - self.changed_at <= AT_ONCE_SECONDS


@dataclass(frozen=True)
class Change:
    """The desired values that differ from the reported ones now, when the newest was set, and the shadow's version.

    `digest`: of all desired values that were set at that time. It identifies the change in the note: the values
    themselves are in the shadow as desired and as reported ones, and its 8 KB have no room for a third copy.
    """

    values: Mapping[str, Any]
    changed_at: float
    version: int
    note: Mapping[str, Any]
    digest: str


def thing_of(topic: object) -> str | None:
    """`$aws/things/<thing>/shadow/name/lorawan/update/delta` → the thing's name; None for any other topic."""
    match str(topic).split("/"):
        case ["$aws", "things", thing_name, "shadow", "name", name, "update", "delta"] if name == SHADOW_NAME:
            return thing_name if topics.THING_NAME.fullmatch(thing_name) else None
    return None


def receive(event: Mapping[str, Any]) -> Delta:
    """Read the rule's output `{"topic": str, "payload": base64}`. Raises BadInput."""
    thing_name = thing_of(event.get("topic"))
    if thing_name is None:
        raise BadInput("topic", f"{event.get('topic')} is not a topic of shadow deltas")
    match rule_payload.json_object(rule_payload.raw(event)):
        case {"version": int(version), "timestamp": int(sent_at), "metadata": dict(metadata)}:
            changed_at = max(timestamps(metadata.get(DECODED_PAYLOAD)), default=0)
            return Delta(thing_name, version, sent_at, changed_at)
    raise BadInput("payload", "is not a shadow delta")


def change(document: Mapping[str, Any]) -> Change | None:
    """The change in a shadow document (`GetThingShadow`), None if nothing differs. Raises BadInput."""
    state, metadata = document.get("state", {}), document.get("metadata", {})
    values = state.get("delta", {}).get(DECODED_PAYLOAD)
    if values is None:
        return None
    if not isinstance(values, dict):
        raise BadInput(f"desired.{DECODED_PAYLOAD}", "must be an object")
    desired = metadata.get("desired", {}).get(DECODED_PAYLOAD)
    note = state.get("reported", {}).get(NOTE)
    changed_at = max(timestamps(_like(values, desired)), default=0)
    return Change(
        values=values,
        changed_at=changed_at,
        version=int(document["version"]),
        note=note if isinstance(note, dict) else {},
        digest=_digest(state.get("desired", {}).get(DECODED_PAYLOAD), desired, changed_at),
    )


def what_next(change: Change, delta: Delta, now: float) -> Next:
    """The next step for a change when its delta arrives. `now`: Unix seconds.

    A change that another delta is sending is left to that delta. While an older change is being sent, this one waits:
    the device must get them in order.
    """
    note = change.note
    ours = note.get("version") == delta.version
    under_way = note.get("state") == Note.SENDING
    if _noted(change) and not (ours and under_way):
        return Next.NOTHING
    if under_way and not ours and now - _seconds(note.get("at")) < ABANDONED_SECONDS:
        return Next.WAIT
    return Next.SEND


def downlink(change: Change, f_port: int) -> dict[str, Any]:
    """The `ApplicationDownlink` of a change.

    The encoder finds each value under its name; and all of them under `state` with the shadow's `version`, as encoders
    written for the V2 integration expect. A value named `state` or `version` itself takes precedence.
    """
    return {
        "f_port": f_port,
        "decoded_payload": {"state": change.values, "version": change.version, **change.values},
        "confirmed": False,
        "priority": "NORMAL",
        "correlation_ids": [f"thingbridge:shadow-delta:{change.version}"],
    }


def note(state: Note, change: Change, delta: Delta, now: float, reason: str | None = None) -> dict[str, Any]:
    """The report about a change, as fields of `reported`."""
    return {
        NOTE: {
            "state": state,
            "at": int(now),
            "version": delta.version,
            "changedAt": change.changed_at,
            "digest": change.digest,
            "reason": reason,
        }
    }


def sent(change: Change, delta: Delta, now: float) -> dict[str, Any]:
    """The report about a change that was sent, including its values, so that they no longer differ."""
    return {DECODED_PAYLOAD: change.values, **note(Note.SENT, change, delta, now)}


def _noted(change: Change) -> bool:
    """Whether the note is about this change, or about a newer one."""
    at = change.note.get("changedAt")
    if not isinstance(at, int | float):
        return False
    # Timestamps are whole seconds: two changes within one second differ in what is desired.
    return change.changed_at < at or (change.changed_at == at and change.note.get("digest") == change.digest)


def _seconds(value: object) -> float:
    """A time of a note, 0 if this product did not write the note."""
    return float(value) if isinstance(value, int | float) and abs(value) <= MAX_NUMBER else 0.0


def _digest(desired: object, metadata: Any, changed_at: float) -> str:
    """12 hex digits for the desired values that were set at that time."""
    values = json.dumps(_set_at(desired, metadata, changed_at), sort_keys=True)
    return hashlib.sha256(values.encode()).hexdigest()[:12]


def _set_at(desired: object, metadata: Any, changed_at: float) -> dict[str, Any]:
    if not isinstance(desired, dict) or not isinstance(metadata, dict):
        return {}
    found: dict[str, Any] = {}
    for name, value in desired.items():
        if isinstance(value, dict) and value:
            if below := _set_at(value, metadata.get(name), changed_at):
                found[name] = below
        elif max(timestamps(metadata.get(name)), default=0) == changed_at:
            found[name] = value
    return found


def _like(values: Mapping[str, Any], metadata: Any) -> Any:
    """The metadata of the fields that `values` has."""
    if not isinstance(metadata, dict):
        return {}
    return {
        name: _like(value, metadata[name]) if isinstance(value, dict) and value else metadata[name]
        for name, value in values.items()
        if name in metadata
    }
