"""The items of the table of sessions: their keys, and what they hold. When they are written: `sessions`.

| Item | Key `device` | Key `session_key_id` |
|---|---|---|
| a session | DevEUI | base64 |
| which session is the latest | DevEUI | `latest` |
| a push that was refused first, and succeeded | DevEUI | `queued` and its mark |

A session: `dev_addr`, `app_s_key`, `key_opens`, `confirmed`, `next_f_cnt_down`, `counted_in`, `sealed_from`,
`queued_again`. The latest one: `latest`, `joining`, `by_uplink`, `seen_at` (Unix microseconds). All items: `expires`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.encryption.sessions import Session

LATEST: Final = "latest"
"""Sort key of the item with the latest session. Never a session key id: it is not the base64 of whole bytes."""


@dataclass(frozen=True)
class Latest:
    """The session that a device was last seen in.

    `joining`: it has joined, and is not known to have sent since. `by_uplink`: an uplink was the last that was seen.
    """

    session_key_id: str
    joining: bool
    by_uplink: bool


@dataclass(frozen=True)
class StoredSession:
    """A session of the table. `queued_again`: counters of its downlinks that were returned and queued again.

    `sealed_from`: the first counter of a downlink with a seal (`encryption.seals`).
    """

    session: Session
    queued_again: frozenset[int] = frozenset()
    sealed_from: int = 0


def item_key(device: str, session_key_id: str) -> dict[str, Any]:
    """The key of a session of a device, or of another of its items."""
    return {"device": {"S": device}, "session_key_id": {"S": session_key_id}}


def queued_key(mark: str) -> str:
    """Sort key of the item of a mark. Never a session key id: it has a blank."""
    return f"queued {mark}"


def latest_session(item: Mapping[str, Any]) -> Latest:
    """The latest session in its item."""
    return Latest(str(item[LATEST]["S"]), _flag(item, "joining"), _flag(item, "by_uplink"))


def _flag(item: Mapping[str, Any], name: str) -> bool:
    return bool(item.get(name, {}).get("BOOL"))


def envelope_value(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """A wrapped key as an attribute."""
    return {"M": {name: {"S": str(value)} for name, value in envelope.items()}}


def stored_session(session_key_id: str, item: Mapping[str, Any]) -> StoredSession:
    """A session in its item."""
    envelope = item.get("app_s_key")
    return StoredSession(
        Session(
            session_key_id,
            item["dev_addr"]["S"],
            {name: value["S"] for name, value in envelope["M"].items()} if envelope else None,
            _flag(item, "confirmed"),
        ),
        frozenset(int(each) for each in item.get("queued_again", {}).get("NS", ())),
        _sealed_from(item),
    )


def _sealed_from(item: Mapping[str, Any]) -> int:
    """The first counter of a session's sealed downlinks: none without one if it has issued none yet.

    A session that has issued counters before there were seals keeps them until it issues the next one.
    """
    if "sealed_from" not in item:
        return int(item["next_f_cnt_down"]["N"]) if "counted_in" in item else 0
    return int(item["sealed_from"]["N"])
