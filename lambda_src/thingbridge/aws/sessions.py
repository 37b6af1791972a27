"""The sessions of a stack's devices in a DynamoDB table, with their downlink counters.

| Item | Key `device` | Key `session_key_id` | Attributes |
|---|---|---|---|
| a session | DevEUI | base64 | `dev_addr`, `app_s_key`, `next_f_cnt_down`, `queued_again`, `expires` |
| which session is the latest | DevEUI | `latest` | `latest`, `seen_at` (Unix microseconds), `expires` |

`app_s_key` is the envelope as The Things Stack sent it: every key in the table is wrapped. A counter is
issued once, by one conditional update, however many callers need one at the same time.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors
from thingbridge.encryption.sessions import LAST_FRAME_COUNTER, Session, SessionSeen
from thingbridge.errors import Refused

LATEST: Final = "latest"
"""Sort key of the item with the latest session. Never a session key id: it is not the base64 of whole bytes."""

KNOWN_FOR: Final = 3600.0
"""Seconds after which a session is written again although this execution environment wrote it."""

MAX_KNOWN: Final = 50_000
"""Devices remembered in one execution environment: about 25 MB."""

UNUSED_KEPT_FOR: Final = 400 * 86400
"""Seconds an unused session is kept: a device may be silent for a year."""

REPLACED_KEPT_FOR: Final = 30 * 86400
"""Seconds a replaced session is kept: late messages still have to be decrypted."""


@dataclass(frozen=True)
class StoredSession:
    """A session of the table. `queued_again`: counters of its downlinks that were returned and queued again."""

    session: Session
    queued_again: frozenset[int] = frozenset()


class SessionTable:
    """The sessions of one stack. `device` is the result of `encryption.sessions.device_key`.

    Every method raises Busy, Misconfigured or Refused, as AWS answers.
    """

    def __init__(self, clients: Clients, name: str, *, now: Callable[[], float] = time.time) -> None:
        self._clients, self._name, self._now = clients, name, now
        self._known: dict[str, tuple[float, Session]] = {}

    # Sessions ------------------------------------------------------------------------------------------------------

    def remember(self, device: str, seen: SessionSeen) -> None:
        """Store a session that a device was seen in; no call if this execution environment has stored it already.

        It becomes the device's latest session unless a session that was seen later is known.
        """
        until, known = self._known.get(device, (0.0, None))
        if known == seen.session and until > self._now():
            return
        self.write(device, seen)
        self._known.pop(device, None)
        if len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[device] = (self._now() + KNOWN_FOR, seen.session)

    def write(self, device: str, seen: SessionSeen) -> None:
        """Write a session, known or not, and record that the device was seen in it."""
        session = seen.session
        names = {"#next": "next_f_cnt_down"}
        values: dict[str, Any] = {
            ":dev_addr": {"S": session.dev_addr},
            ":next": {"N": str(seen.next_f_cnt_down)},
            ":expires": self._in(UNUSED_KEPT_FOR),
        }
        update = "SET dev_addr = :dev_addr, expires = :expires, #next = if_not_exists(#next, :next)"
        # A session that had a key keeps it: a message without one must not expose its payloads in plain text.
        if session.app_s_key is not None:
            update += ", app_s_key = :app_s_key"
            values[":app_s_key"] = {"M": {name: {"S": str(value)} for name, value in session.app_s_key.items()}}
        with translate_errors("write a session"):
            self._update(device, session.session_key_id, update, names, values)
        replaced = self._make_latest(device, seen)
        if replaced:
            with translate_errors("let a session expire"):
                self._update(device, replaced, "SET expires = :expires", {}, {":expires": self._in(REPLACED_KEPT_FOR)})

    def latest(self, device: str) -> str | None:
        """Session key id of the session the device was last seen in, None if it was never seen."""
        item = self._get(device, LATEST)
        return str(item[LATEST]["S"]) if item else None

    def find(self, device: str, session_key_id: str) -> StoredSession | None:
        """A session of the device, None if it is not (or no longer) known."""
        item = self._get(device, session_key_id)
        return _stored(session_key_id, item) if item else None

    def known(self, device: str, session_key_id: str) -> Session | None:
        """The same, from memory when this execution environment saw the device in that session, else from the table."""
        _, session = self._known.get(device, (0.0, None))
        if session and session.session_key_id == session_key_id:
            return session
        stored = self.find(device, session_key_id)
        return stored.session if stored else None

    # Counters ------------------------------------------------------------------------------------------------------

    def take_counters(
        self, device: str, session_key_id: str, count: int, at_least: int = 0
    ) -> tuple[int, Session] | None:
        """Reserve `count` successive downlink counters; the first one, never below `at_least`, and the session.

        None if the session is not known. Raises Refused when the session has no counters left.
        """
        with translate_errors("take frame counters"):
            item = self._advance(device, session_key_id, count, at_least)
        if item is None:
            return None
        first = int(item["next_f_cnt_down"]["N"]) - count
        if first + count - 1 > LAST_FRAME_COUNTER:
            raise Refused("the session's frame counters are used up: the device has to join again")
        return first, _stored(session_key_id, item).session

    def _advance(self, device: str, session_key_id: str, count: int, at_least: int) -> dict[str, Any] | None:
        """The session with its counter advanced; None if there is no such session.

        An update can't take the greater of two numbers, so one update starts at the counter, the other at the floor.
        """
        names = {"#next": "next_f_cnt_down"}
        numbers = {":count": {"N": str(count)}, ":floor": {"N": str(at_least)}}
        past_floor = {":end": {"N": str(at_least + count)}, ":floor": numbers[":floor"]}
        for update, condition, values in (
            ("SET #next = #next + :count", "#next >= :floor", numbers),
            ("SET #next = :end", "#next < :floor", past_floor),
            ("SET #next = #next + :count", "#next >= :floor", numbers),  # it was raised in between
        ):
            try:
                answer = self._update(device, session_key_id, update, names, values, condition, "ALL_NEW")
            except ClientError as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise
                if "Item" not in error.response:
                    return None
            else:
                return dict(answer["Attributes"])
        return None

    def mark_queued_again(self, device: str, session_key_id: str, f_cnts: Iterable[int]) -> None:
        """Record that downlinks with these counters were queued again, so that it is not done twice."""
        values = {":f_cnts": {"NS": sorted({str(each) for each in f_cnts})}}
        with translate_errors("mark downlinks as queued again"):
            self._update(device, session_key_id, "ADD queued_again :f_cnts", {}, values)

    # Inside --------------------------------------------------------------------------------------------------------

    def _make_latest(self, device: str, seen: SessionSeen) -> str | None:
        """Make it the latest session unless one was seen later; the session that it replaces, if any."""
        at = seen.at if seen.at is not None else int(self._now() * 1_000_000)
        values = {
            ":latest": {"S": seen.session.session_key_id},
            ":at": {"N": str(at)},
            ":expires": self._in(UNUSED_KEPT_FOR),
        }
        update = f"SET {LATEST} = :latest, seen_at = :at, expires = :expires"
        condition = "attribute_not_exists(seen_at) OR seen_at <= :at"
        with translate_errors("write the latest session"):
            try:
                answer = self._update(device, LATEST, update, {}, values, condition, "ALL_OLD")
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    return None
                raise
        before = answer.get("Attributes", {}).get(LATEST, {}).get("S")
        return before if before != seen.session.session_key_id else None

    def _in(self, seconds: int) -> dict[str, str]:
        return {"N": str(int(self._now()) + seconds)}

    def _get(self, device: str, session_key_id: str) -> dict[str, Any] | None:
        with translate_errors("read a session"):
            answer = self._clients("dynamodb").get_item(
                TableName=self._name, Key=_key(device, session_key_id), ConsistentRead=True
            )
        item = answer.get("Item")
        return dict(item) if item else None

    def _update(
        self,
        device: str,
        session_key_id: str,
        update: str,
        names: Mapping[str, str],
        values: Mapping[str, Any],
        condition: str | None = None,
        returned: str = "NONE",
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "TableName": self._name,
            "Key": _key(device, session_key_id),
            "UpdateExpression": update,
            "ExpressionAttributeValues": dict(values),
            "ReturnValues": returned,
        }
        if names:
            request["ExpressionAttributeNames"] = dict(names)
        if condition:
            request["ConditionExpression"] = condition
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return dict(self._clients("dynamodb").update_item(**request))


def _key(device: str, session_key_id: str) -> dict[str, Any]:
    return {"device": {"S": device}, "session_key_id": {"S": session_key_id}}


def _stored(session_key_id: str, item: Mapping[str, Any]) -> StoredSession:
    envelope = item.get("app_s_key")
    return StoredSession(
        Session(
            session_key_id,
            item["dev_addr"]["S"],
            {name: value["S"] for name, value in envelope["M"].items()} if envelope else None,
        ),
        frozenset(int(each) for each in item.get("queued_again", {}).get("NS", ())),
    )
