"""The sessions of a stack's devices in a DynamoDB table, with their downlink counters. Its items: `session_items`.

`app_s_key` is the envelope as The Things Stack sent it: every key in the table is wrapped. A key that opens with the
stack's key encryption key stays for good, and so does the DevAddr of a session; only the Application Server's own
answer changes them (`confirmed`). A counter is issued once, by one conditional update, however many callers need one at
the same time, and only after it was compared with The Things Stack's in this very table (`counted_in`).
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import answered, code, item_found, translate_errors
from thingbridge.aws.session_items import (
    LATEST,
    Latest,
    StoredSession,
    envelope_value,
    item_key,
    latest_session,
    queued_key,
    stored_session,
)
from thingbridge.encryption.sessions import (
    CLOCKS_DIFFER_BY,
    FIRST_F_CNT_DOWN,
    LAST_FRAME_COUNTER,
    Session,
    SessionSeen,
)
from thingbridge.errors import Busy
from thingbridge.messaging.downlink import NotSendable

KNOWN_FOR: Final = 3600.0
"""Seconds after which a session is written again although this execution environment wrote it."""

MAX_KNOWN: Final = 50_000
"""Devices remembered in one execution environment: about 25 MB."""

UNUSED_KEPT_FOR: Final = 400 * 86400
"""Seconds an unused session is kept: a device may be silent for a year."""

REPLACED_KEPT_FOR: Final = 30 * 86400
"""Seconds a replaced session is kept: late messages still have to be decrypted."""

QUEUED_KEPT_FOR: Final = 3600
"""Seconds for which it is remembered that a push was refused first, and succeeded."""

LONGEST_JUMP: Final = 16_384
"""Counters by which a message may raise a stored one: a device accepts no larger gap (MAX_FCNT_GAP, LoRaWAN 1.0.3
§4.3.1.5), and a forged message must not use up a session."""

TABLE_KNOWN_FOR: Final = 300.0
"""Seconds after which it is checked whether the table was replaced by another one of its name: restoring one takes
longer."""


class NotCounted(Busy):
    """The session's counter was not compared with The Things Stack's yet: `begin_counting` comes first."""


@dataclass
class _Known:
    """What this execution environment has written of a device, and until when it relies on it."""

    until: float
    session: Session
    joining: bool
    next_f_cnt_down: int


class SessionTable:
    """The sessions of one stack. `device` is the result of `encryption.sessions.device_key`.

    Every method raises Busy, Misconfigured or Refused, as AWS answers.
    """

    def __init__(self, clients: Clients, name: str, *, now: Callable[[], float] = time.time) -> None:
        self._clients, self._name, self._now = clients, name, now
        self._known: dict[str, _Known] = {}
        self._created_at, self._created_at_known_until = 0.0, 0.0

    # Sessions ------------------------------------------------------------------------------------------------------

    def remember(self, device: str, seen: SessionSeen, *, key_opens: Callable[[], bool] = lambda: True) -> Session:
        """Store a session that a device was seen in; no call if this execution environment has stored it already.

        It becomes the device's latest session unless a session that was seen later is known. Returns the session as it
        is stored, whose key is another one if a message came with the wrong key. `key_opens` as for `write`.
        """
        known = self._known.get(device)
        if (
            known
            and known.session == seen.session
            and known.until > self._now()
            and (seen.joining or not known.joining)
        ):
            if known.next_f_cnt_down < seen.next_f_cnt_down:
                self.raise_counter(device, seen.session.session_key_id, seen.next_f_cnt_down)
                known.next_f_cnt_down = seen.next_f_cnt_down
            return known.session
        stored = self.write(device, seen, key_opens=key_opens())
        self._known.pop(device, None)
        if len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[device] = _Known(self._now() + KNOWN_FOR, stored, seen.joining, seen.next_f_cnt_down)
        return stored

    def write(self, device: str, seen: SessionSeen, *, key_opens: bool = True) -> Session:
        """Write a session, known or not, and record that the device was seen in it. Returns it as it is stored.

        `key_opens`: the key came wrapped, and opens with the stack's key encryption key. Such a key replaces one that
        does not, and is replaced by none; what the Application Server itself answered replaces everything.
        """
        write = self._write_confirmed if seen.session.confirmed else self._write_received
        with translate_errors("write a session"):
            item = write(device, seen, key_opens)
        if int(item["next_f_cnt_down"]["N"]) < seen.next_f_cnt_down:
            self.raise_counter(device, seen.session.session_key_id, seen.next_f_cnt_down)
        replaced = self._make_latest(device, seen)
        if replaced:
            with translate_errors("let a session expire"):
                self._update(device, replaced, "SET expires = :expires", {}, {":expires": self._in(REPLACED_KEPT_FOR)})
        return stored_session(seen.session.session_key_id, item).session

    def latest(self, device: str) -> Latest | None:
        """The session that the device was last seen in, None if it was never seen."""
        item = self._get(device, LATEST)
        return latest_session(item) if item else None

    def find(self, device: str, session_key_id: str) -> StoredSession | None:
        """A session of the device, None if it is not (or no longer) known."""
        item = self._get(device, session_key_id)
        return stored_session(session_key_id, item) if item else None

    def known(self, device: str, session_key_id: str) -> Session | None:
        """The same, from memory when this execution environment saw the device in that session, else from the table."""
        known = self._known.get(device)
        if known and known.session.session_key_id == session_key_id:
            return known.session
        stored = self.find(device, session_key_id)
        return stored.session if stored else None

    # Counters ------------------------------------------------------------------------------------------------------

    def take_counters(
        self, device: str, session_key_id: str, count: int, at_least: int = 0
    ) -> tuple[int, Session] | None:
        """Reserve `count` successive downlink counters; the first one, never below `at_least`, and the session.

        None if the session is not known. Raises NotCounted before `begin_counting`, NotSendable when the session has no
        counters left.
        """
        with translate_errors("take frame counters"):
            item = self._advance(device, session_key_id, count, at_least)
        if item is None:
            return None
        first = int(item["next_f_cnt_down"]["N"]) - count
        if first + count - 1 > LAST_FRAME_COUNTER:
            raise NotSendable("the session's frame counters are used up: the device has to join again")
        return first, stored_session(session_key_id, item).session

    def begin_counting(self, device: str, session_key_id: str, first: int) -> None:
        """Issue counters of a session from now on, none below `first`: the lowest that was never used.

        Needed once for a session in a table. A table that was restored from a backup is another one: the counters that
        were issued after the backup are missing from it.
        """
        names, created_at = {"#next": "next_f_cnt_down"}, {":table": {"S": str(self.created_at())}}
        with translate_errors("begin to count"):
            for update, condition, values in (
                ("SET #next = :first, counted_in = :table", "#next < :first", {":first": {"N": str(first)}}),
                ("SET counted_in = :table", "#next >= :first", {":first": {"N": str(first)}}),
            ):
                try:
                    self._update(device, session_key_id, update, names, {**values, **created_at}, condition)
                except answered() as error:
                    if code(error) != "ConditionalCheckFailedException":
                        raise

    def raise_counter(self, device: str, session_key_id: str, at_least: int) -> None:
        """Issue no counter of a session below `at_least` any more.

        A session that is not known stays as it is, and so does a counter that is more than `LONGEST_JUMP` behind: The
        Things Stack refuses the next push if it must.
        """
        values = {":least": {"N": str(at_least)}, ":nearest": {"N": str(max(0, at_least - LONGEST_JUMP))}}
        condition = "#next < :least AND #next >= :nearest"
        with translate_errors("raise a frame counter"):
            try:
                self._update(
                    device, session_key_id, "SET #next = :least", {"#next": "next_f_cnt_down"}, values, condition
                )
            except answered() as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise

    def _advance(self, device: str, session_key_id: str, count: int, at_least: int) -> dict[str, Any] | None:
        """The session with its counter advanced; None if there is no such session.

        An update can't take the greater of two numbers, so one update starts at the counter, the other at the floor.
        """
        names = {"#next": "next_f_cnt_down"}
        floor, table = {":floor": {"N": str(at_least)}}, {":table": {"S": str(self.created_at())}}
        numbers = {":count": {"N": str(count)}, **floor, **table}
        past_floor = {":end": {"N": str(at_least + count)}, **floor, **table}
        from_counter = "SET #next = #next + :count, sealed_from = if_not_exists(sealed_from, #next)"
        from_floor = "SET #next = :end, sealed_from = if_not_exists(sealed_from, :floor)"
        for update, condition, values in (
            (from_counter, "#next >= :floor", numbers),
            (from_floor, "#next < :floor", past_floor),
            (from_counter, "#next >= :floor", numbers),  # it was raised in between
        ):
            counted = f"{condition} AND counted_in = :table"
            try:
                answer = self._update(device, session_key_id, update, names, values, counted, "ALL_NEW")
            except answered() as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise
                item = item_found(error)
                if item is None:
                    return None
                if item.get("counted_in") != table[":table"]:
                    raise NotCounted(f"count the downlinks of {device}: its counter is not known yet") from error
            else:
                return dict(answer["Attributes"])
        return None

    def created_at(self) -> float:
        """When the table was created, in seconds since 1970: it distinguishes tables of the same name."""
        if self._created_at_known_until < self._now():
            with translate_errors("identify the table of sessions"):
                table = self._clients("dynamodb").describe_table(TableName=self._name)["Table"]
            self._created_at = table["CreationDateTime"].timestamp()
            self._created_at_known_until = self._now() + TABLE_KNOWN_FOR
        return self._created_at

    # Downlinks -----------------------------------------------------------------------------------------------------

    def mark_queued_again(self, device: str, session_key_id: str, f_cnts: Iterable[int]) -> None:
        """Record that downlinks with these counters were queued again, so that it is not done twice."""
        values = {":f_cnts": {"NS": sorted({str(each) for each in f_cnts})}}
        with translate_errors("mark downlinks as queued again"):
            self._update(device, session_key_id, "ADD queued_again :f_cnts", {}, values)

    def note_queued(self, device: str, mark: str) -> None:
        """Record that the downlinks with this mark are queued, although The Things Stack refused them at first."""
        with translate_errors("note that downlinks are queued"):
            self._update(
                device, queued_key(mark), "SET expires = :expires", {}, {":expires": self._in(QUEUED_KEPT_FOR)}
            )

    def was_queued(self, device: str, mark: str) -> bool:
        """Whether `note_queued` was called for them."""
        return self._get(device, queued_key(mark)) is not None

    # Inside --------------------------------------------------------------------------------------------------------

    def _write_received(self, device: str, seen: SessionSeen, key_opens: bool) -> dict[str, Any]:
        """Write what a message said; returns the item. The key is left out if the stored one stays.

        A new session begins where the message says, but within the bounds of `raise_counter`.
        """
        session, first = seen.session, seen.next_f_cnt_down
        first = first if first <= FIRST_F_CNT_DOWN + LONGEST_JUMP else FIRST_F_CNT_DOWN
        update = (
            "SET dev_addr = if_not_exists(dev_addr, :dev_addr), expires = :expires, #next = if_not_exists(#next, :next)"
        )
        names, values = {"#next": "next_f_cnt_down"}, self._values(session, first)
        if session.app_s_key is None:
            return self._written(device, session, update, names, values)
        with_key = {**values, ":app_s_key": envelope_value(session.app_s_key), ":opens": {"BOOL": key_opens}}
        condition = "attribute_not_exists(app_s_key) OR app_s_key = :app_s_key"
        if key_opens:
            with_key[":does_not"] = {"BOOL": False}
            condition += " OR key_opens = :does_not"
        try:
            return self._written(
                device, session, f"{update}, app_s_key = :app_s_key, key_opens = :opens", names, with_key, condition
            )
        except answered() as error:
            if code(error) != "ConditionalCheckFailedException":
                raise
        return self._written(device, session, update, names, values)

    def _write_confirmed(self, device: str, seen: SessionSeen, key_opens: bool) -> dict[str, Any]:
        """Write what the Application Server answered; returns the item."""
        session = seen.session
        update = (
            "SET dev_addr = :dev_addr, expires = :expires, #next = if_not_exists(#next, :next), "
            "confirmed = :confirmed, key_opens = :opens"
        )
        values = {
            **self._values(session, seen.next_f_cnt_down),
            ":confirmed": {"BOOL": True},
            ":opens": {"BOOL": key_opens and session.app_s_key is not None},
        }
        if session.app_s_key is None:
            update += " REMOVE app_s_key"
        else:
            update += ", app_s_key = :app_s_key"
            values[":app_s_key"] = envelope_value(session.app_s_key)
        return self._written(device, session, update, {"#next": "next_f_cnt_down"}, values)

    def _values(self, session: Session, next_f_cnt_down: int) -> dict[str, Any]:
        return {
            ":dev_addr": {"S": session.dev_addr},
            ":next": {"N": str(next_f_cnt_down)},
            ":expires": self._in(UNUSED_KEPT_FOR),
        }

    def _written(
        self,
        device: str,
        session: Session,
        update: str,
        names: Mapping[str, str],
        values: Mapping[str, Any],
        condition: str | None = None,
    ) -> dict[str, Any]:
        answer = self._update(device, session.session_key_id, update, names, values, condition, "ALL_NEW")
        return dict(answer["Attributes"])

    def _make_latest(self, device: str, seen: SessionSeen) -> str | None:
        """Make it the latest session unless one was seen later; the session that it replaces, if any.

        A message with a time in the future, which is wrong or forged, would otherwise stay the latest until then.
        """
        now = int(self._now() * 1_000_000)
        at = now if seen.at is None else min(seen.at, now + int(CLOCKS_DIFFER_BY * 1_000_000))
        values = {
            ":latest": {"S": seen.session.session_key_id},
            ":at": {"N": str(at)},
            ":joining": {"BOOL": seen.joining},
            ":by_uplink": {"BOOL": seen.at is not None and not seen.joining},
            ":expires": self._in(UNUSED_KEPT_FOR),
        }
        update = (
            f"SET {LATEST} = :latest, seen_at = :at, joining = :joining, by_uplink = :by_uplink, expires = :expires"
        )
        condition = "attribute_not_exists(seen_at) OR seen_at <= :at"
        with translate_errors("write the latest session"):
            try:
                answer = self._update(device, LATEST, update, {}, values, condition, "ALL_OLD")
            except answered() as error:
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
                TableName=self._name, Key=item_key(device, session_key_id), ConsistentRead=True
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
            "Key": item_key(device, session_key_id),
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
