"""A device's security sessions and their downlink queues: what may enter, which frame counters hold, what gets lost.

Plain state without time or publishing. The Network Server's part is `Sessions` and `Session`, which see payloads only
encrypted; the Application Server's is `prepared` and `operate`. Sources: the Stack's applicationserver.go
(downlinkQueueOp, attemptDownlinkQueueOp), payload.go, networkserver/grpc_asns.go (matchQueuedApplicationDownlinks,
minAFCntDown) and networkserver/downlink.go (generateDataDownlink).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.things_stack import errors, lorawan, messages, payload_formatters
from local.things_stack.errors import FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, ApiError

Json = dict[str, Any]

CAPACITY = 10_000
"""Of each session's queue."""
LONGEST_PAYLOAD = 242
"""Bytes: the longest application payload of the fastest data rate."""
DEFAULT_ATTEMPTS, MOST_ATTEMPTS = 8, 32
_OF_THE_APPLICATION_SERVER = ("decoded_payload", "decoded_payload_warnings")


@dataclass
class Session:
    """A security session. `envelope` is the AppSKey as the Join Server hands it out (a KeyEnvelope). Before LoRaWAN 1.1
    the network and the application share one downlink counter (`shares_f_cnt_down`). `queue` holds encrypted
    ApplicationDownlinks, head first; `waiting` is a confirmed one that was sent and awaits its ack."""

    key_id: str
    dev_addr: str
    envelope: Json
    started_at: str
    shares_f_cnt_down: bool
    last_f_cnt_up: int = 0
    last_a_f_cnt_down: int = 0
    """The last FCntDown the Application Server gave or let pass."""
    last_n_f_cnt_down: int | None = None
    """The last FCntDown the Network Server used, for itself or, if it is shared, for a downlink."""
    last_sent_f_cnt: int | None = None
    queue: list[Json] = field(default_factory=list)
    waiting: Json | None = None

    @property
    def min_f_cnt_down(self) -> int:
        """The least FCntDown the Network Server takes. A shared counter begins at 1: the join-accept counts for it."""
        if self.shares_f_cnt_down:
            least = (self.last_n_f_cnt_down or 0) + 1
        else:
            least = 0 if self.last_sent_f_cnt is None else self.last_sent_f_cnt + 1
        return max(least, self.queue[-1]["f_cnt"] + 1 if self.queue else 0)

    def app_s_key(self) -> bytes:
        """As the Application Server sees it, which has no KEK of an application. ApiError when it is wrapped."""
        if "kek_label" in self.envelope:
            raise ApiError(NOT_FOUND, "pkg/crypto/cryptoutil:key_not_found", "key with label `{label}` not found",
                           {"label": self.envelope["kek_label"]})  # fmt: skip
        return bytes.fromhex(self.envelope["key"])

    @property
    def wrapped(self) -> bool:
        return "kek_label" in self.envelope

    def crypt(self, item: Json) -> Json:
        """`item` with its payload encrypted, or decrypted if it was: one is the other's inverse."""
        payload = base64.b64decode(item.get("frm_payload", ""))
        crypted = lorawan.crypt_frm_payload(self.app_s_key(), self.dev_addr, item["f_cnt"], payload, downlink=True)
        return item | {"frm_payload": messages.base64_of(crypted)}

    # The Network Server's downlink slots -----------------------------------------------------------------------------
    def too_low(self) -> bool:
        """Whether the network went past the head of the queue, so that the whole queue can't be sent any more."""
        last = self.last_n_f_cnt_down
        return bool(self.queue) and self.shares_f_cnt_down and last is not None and self.queue[0]["f_cnt"] <= last

    def send_head(self) -> Json | None:
        """Takes the head of the queue as sent."""
        if not self.queue:
            return None
        item = self.queue.pop(0)
        self.last_sent_f_cnt = item["f_cnt"]
        if self.shares_f_cnt_down:
            self.last_n_f_cnt_down = item["f_cnt"]
        self.waiting = item if item.get("confirmed") else None
        return item

    def send_mac_commands(self) -> bool:
        """The network sends MAC commands on FPort 0; True when that took a counter which the queue shares."""
        self.last_n_f_cnt_down = 0 if self.last_n_f_cnt_down is None else self.last_n_f_cnt_down + 1
        return self.shares_f_cnt_down

    def evict(self) -> Json:
        """Empties the queue and returns it as ApplicationInvalidatedDownlinks."""
        lost, self.queue = self.queue, []
        return {"downlinks": lost, "last_f_cnt_down": self.last_n_f_cnt_down or 0, "session_key_id": self.key_id}


@dataclass
class Sessions:
    """A device's sessions: `pending` from a join to the first uplink after it, which makes it `current`."""

    current: Session | None = None
    pending: Session | None = None

    @property
    def all(self) -> list[Session]:
        return [session for session in (self.current, self.pending) if session is not None]

    @property
    def newest(self) -> Session | None:
        """The one the device has."""
        return self.pending or self.current

    def named(self, key_id: str) -> Session | None:
        return next((session for session in self.all if session.key_id == key_id), None)

    def confirm(self) -> None:
        """An uplink in the pending session ends the current one, and its queue with it."""
        if self.pending is not None:
            self.current, self.pending = self.pending, None

    def queue(self, items: list[Json], *, replace: bool) -> None:
        """The Network Server's queue operation: all of `items` go to the sessions they name, or none does."""
        if len(items) > 2 * CAPACITY:
            raise _over_capacity()
        before = [(session, session.queue) for session in self.all]
        for session, queue in before:
            session.queue = [] if replace else list(queue)
        try:
            self._match(items)
        except ApiError:
            for session, queue in before:
                session.queue = queue
            raise

    def _match(self, items: list[Json]) -> None:
        details = [self._error_details()]
        for session in self.all:
            least = session.min_f_cnt_down
            for item in items:
                if item["session_key_id"] != session.key_id:
                    continue
                length = len(base64.b64decode(item.get("frm_payload", "")))
                if length > LONGEST_PAYLOAD:
                    raise ApiError(INVALID_ARGUMENT, "pkg/networkserver:application_downlink_too_long",
                                   "application downlink payload length `{length}` exceeds maximum '{max}'",
                                   {"length": length, "max": LONGEST_PAYLOAD})  # fmt: skip
                if item["f_cnt"] < least:
                    raise ApiError(INVALID_ARGUMENT, "pkg/networkserver:f_cnt_too_low",
                                   "FCnt `{f_cnt}` is lower than minimum of `{min_f_cnt}`",
                                   {"f_cnt": item["f_cnt"], "min_f_cnt": least}, details)  # fmt: skip
                least = item["f_cnt"] + 1
                session.queue.append(item)
        if any(self.named(item["session_key_id"]) is None for item in items):
            raise ApiError(NOT_FOUND, "pkg/networkserver:unknown_session", "unknown session", details=details)
        if any(len(session.queue) > CAPACITY for session in self.all):
            raise _over_capacity()

    def _error_details(self) -> Json:
        details: Json = {}
        for prefix, session in self._prefixed():
            details |= {
                f"{prefix}dev_addr": session.dev_addr, f"{prefix}session_key_id": session.key_id,
                f"{prefix}min_f_cnt_down": session.min_f_cnt_down,
            }  # fmt: skip
        return errors.downlink_queue_details(messages.proto3(details))

    def learn(self, details: Json) -> None:
        """The Application Server takes its counters from a refusal's DownlinkQueueOperationErrorDetails."""
        for prefix, session in self._prefixed():
            session.last_a_f_cnt_down = max(details.get(f"{prefix}min_f_cnt_down", 0) - 1, 0)

    def _prefixed(self) -> list[tuple[str, Session]]:
        both = ("", self.current), ("pending_", self.pending)
        return [(prefix, session) for prefix, session in both if session is not None]


def _over_capacity() -> ApiError:
    return ApiError(RESOURCE_EXHAUSTED, "pkg/networkserver:downlink_queue_capacity", "downlink queue capacity exceeded")


# The Application Server ----------------------------------------------------------------------------------------------
def prepared(item: Json, formatters: Json) -> Json:
    """A copy ready to be queued: payload encoded or decoded by `formatters`, attempts counted, correlation id added.
    ApiError: no payload, too many attempts, or a formatter that fails to encode."""
    item = item | {"correlation_ids": [*item.get("correlation_ids", []), messages.correlation_id("as:downlink")]}
    if "frm_payload" not in item and "decoded_payload" not in item:
        raise no_payload()
    if "frm_payload" not in item:
        item = payload_formatters.encode_downlink(formatters, item)
    elif "decoded_payload" not in item:
        item = payload_formatters.decode_downlink(formatters, item)
    if item.get("confirmed"):
        item["confirmed_retry"] = {"attempt": 1} | item.get("confirmed_retry", {})
        if item["confirmed_retry"].get("max_attempts", 0) > MOST_ATTEMPTS:
            raise ApiError(INVALID_ARGUMENT, "pkg/applicationserver:downlink_max_retries_invalid",
                           "downlink maximum retries exceed configured maximum of {max}",
                           {"max": MOST_ATTEMPTS})  # fmt: skip
    return item


def no_payload() -> ApiError:
    return ApiError(INVALID_ARGUMENT, "pkg/applicationserver:no_payload", "no payload")


def operate(
    sessions: Sessions, items: list[Json], *, replace: bool = False, skips: Callable[[Session | None], bool],
    but: str = "",
) -> None:  # fmt: skip
    """Queues prepared items in every session but the one with the key id `but`. The Application Server numbers and
    encrypts them for each; where it `skips` payload crypto, the application did, and chose the session too. `skips`
    without a session tells what is configured, whatever the key: then the Network Server's refusal stands, else the
    Application Server learns its counters from it and tries again."""
    if any(not item.get("f_port") for item in items):
        raise ApiError(INVALID_ARGUMENT, "pkg/applicationserver:no_f_port", "no FPort")
    receiving = [session for session in sessions.all if session.key_id != but]
    if not receiving:
        raise ApiError(FAILED_PRECONDITION, "pkg/applicationserver:no_device_session",
                       "no device session; check device activation")  # fmt: skip
    before = [(session, session.last_a_f_cnt_down) for session in sessions.all]
    try:
        try:
            sessions.queue(_encrypted(receiving, items, skips), replace=replace)
        except ApiError as error:
            if not error.source.endswith(":f_cnt_too_low") or skips(None):
                raise
            sessions.learn(error.details[0])
            sessions.queue(_encrypted(receiving, items, skips), replace=replace)
    except ApiError:
        for session, last in before:
            session.last_a_f_cnt_down = last
        raise


def _encrypted(sessions: list[Session], items: list[Json], skips: Callable[[Session | None], bool]) -> list[Json]:
    """The items for the Network Server, all of them once for each session. With skipped crypto too, so that a downlink
    which names its session comes twice while a second session is pending, and its counter is refused the second time:
    the Stack (3.32) behaves so until the first uplink after a rejoin."""
    result = []
    for session in sessions:
        skipped = skips(session)
        for item in items:
            named = item.get("session_key_id") if skipped else None
            f_cnt = item.get("f_cnt", 0) if skipped else session.last_a_f_cnt_down + 1
            sent = {name: value for name, value in item.items() if name not in _OF_THE_APPLICATION_SERVER}
            sent |= {"session_key_id": named or session.key_id, "f_cnt": f_cnt}
            result.append(sent if skipped else session.crypt(sent))
            session.last_a_f_cnt_down = f_cnt
    return result


def tried_again(item: Json) -> Json | None:
    """A confirmed downlink that was not acknowledged, for its next attempt, and None when there is none left."""
    retry = item["confirmed_retry"]
    return item if retry["attempt"] <= retry.get("max_attempts", DEFAULT_ATTEMPTS) else None
