"""A device's security sessions and their downlink queues, as the Network Server keeps them.

State without time or publishing: which downlinks a queue accepts, which frame counters are valid, and what is evicted.
Payloads are encrypted here; the Application Server's part is in `downlinks`. Sources: the Stack's
networkserver/grpc_asns.go (matchQueuedApplicationDownlinks, minAFCntDown) and networkserver/downlink.go
(generateDataDownlink).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from local.things_stack.description import errors
from local.things_stack.description.errors import INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, ApiError
from local.things_stack.description.proto3_json import Json, base64_of, without_zero_values
from local.things_stack.network import lorawan

CAPACITY = 10_000
"""Downlinks in the queue of each session."""
LONGEST_PAYLOAD = 242
"""Bytes: the longest application payload of the fastest data rate."""


@dataclass
class Session:
    """A security session. `envelope` is the AppSKey as issued by the Join Server (KeyEnvelope). Before LoRaWAN 1.1 the
    network and the application share one downlink counter (`shares_f_cnt_down`). `queue` holds encrypted
    ApplicationDownlinks, head first; `unacknowledged` is a confirmed downlink that was sent and awaits its ack."""

    key_id: str
    dev_addr: str
    envelope: Json
    started_at: str
    shares_f_cnt_down: bool
    join_nonce: int = 0
    last_f_cnt_up: int = 0
    last_a_f_cnt_down: int = 0
    """The last FCntDown that the Application Server assigned or accepted."""
    last_n_f_cnt_down: int | None = None
    """The last FCntDown that the Network Server used for MAC commands or, if the counter is shared, for a downlink."""
    last_sent_f_cnt: int | None = None
    next_status_f_cnt: int = 0
    """The counter of the uplink after which the network asks for the device's status again."""
    queue: list[Json] = field(default_factory=list)
    unacknowledged: Json | None = None

    @property
    def min_f_cnt_down(self) -> int:
        """The lowest FCntDown that the Network Server accepts. A shared counter starts at 1: the join-accept uses 0."""
        if self.shares_f_cnt_down:
            least = (self.last_n_f_cnt_down or 0) + 1
        else:
            least = 0 if self.last_sent_f_cnt is None else self.last_sent_f_cnt + 1
        return max(least, self.queue[-1]["f_cnt"] + 1 if self.queue else 0)

    def app_s_key(self) -> bytes:
        """The key, for the Application Server, which has no KEK of an application. ApiError: the key is wrapped."""
        if "kek_label" in self.envelope:
            raise ApiError(NOT_FOUND, "pkg/crypto/cryptoutil:key_not_found", "key with label `{label}` not found",
                           {"label": self.envelope["kek_label"]})  # fmt: skip
        return bytes.fromhex(self.envelope["key"])

    @property
    def wrapped(self) -> bool:
        return "kek_label" in self.envelope

    def crypt(self, item: Json) -> Json:
        """`item` with its payload encrypted, or decrypted if it was encrypted: the operation is its own inverse."""
        payload = base64.b64decode(item.get("frm_payload", ""))
        crypted = lorawan.crypt_frm_payload(self.app_s_key(), self.dev_addr, item["f_cnt"], payload, downlink=True)
        return item | {"frm_payload": base64_of(crypted)}

    # The Network Server's downlink slots -----------------------------------------------------------------------------
    def queue_is_stale(self) -> bool:
        """Whether the network used the counter of the queue's head itself, so that the queue can no longer be sent."""
        last = self.last_n_f_cnt_down
        return bool(self.queue) and self.shares_f_cnt_down and last is not None and self.queue[0]["f_cnt"] <= last

    def send_head(self) -> Json | None:
        """Removes the head of the queue and records it as sent; None when the queue is empty."""
        if not self.queue:
            return None
        item = self.queue.pop(0)
        self.last_sent_f_cnt = item["f_cnt"]
        if self.shares_f_cnt_down:
            self.last_n_f_cnt_down = item["f_cnt"]
        self.unacknowledged = item if item.get("confirmed") else None
        return item

    def send_mac_commands(self) -> bool:
        """The network sends MAC commands on FPort 0; True when this used a counter that the queue shares."""
        self.last_n_f_cnt_down = 0 if self.last_n_f_cnt_down is None else self.last_n_f_cnt_down + 1
        return self.shares_f_cnt_down

    def evict(self) -> Json:
        """Empties the queue and returns it as ApplicationInvalidatedDownlinks."""
        lost, self.queue = self.queue, []
        return {"downlinks": lost, "last_f_cnt_down": self.last_n_f_cnt_down or 0, "session_key_id": self.key_id}


@dataclass
class Sessions:
    """The sessions of a device: `pending` from a join to the first uplink after it, which makes it `current`. A device
    that did not receive the join-accept sends in its current session: the Network Server then drops the pending one,
    and the Application Server alone keeps it until the next join (`lost`)."""

    current: Session | None = None
    pending: Session | None = None
    lost: Session | None = None

    @property
    def all(self) -> list[Session]:
        return [session for session in (self.current, self.pending) if session is not None]

    @property
    def newest(self) -> Session | None:
        """The session that the device itself uses."""
        return self.pending or self.current

    def named(self, key_id: str) -> Session | None:
        return next((session for session in self.all if session.key_id == key_id), None)

    def confirm(self, dev_addr: str) -> None:
        """An uplink in the pending session ends the current session and its queue; one in the current session shows
        that the join failed."""
        if self.pending is None:
            return
        if self.pending.dev_addr == dev_addr:
            self.current, self.pending = self.pending, None
        else:
            self.lost, self.pending = self.pending, None

    def queue(self, items: list[Json], *, replace: bool) -> None:
        """The Network Server's queue operation: adds all of `items` to the sessions that they name, or none of them."""
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
                f"{prefix}dev_addr": base64_of(bytes.fromhex(session.dev_addr)),
                f"{prefix}session_key_id": session.key_id,
                f"{prefix}min_f_cnt_down": session.min_f_cnt_down,
            }  # fmt: skip
        return errors.downlink_queue_details(without_zero_values(details))

    def adopt_counters(self, details: Json) -> None:
        """Sets the Application Server's counters from the DownlinkQueueOperationErrorDetails of a rejection."""
        for prefix, session in self._prefixed():
            session.last_a_f_cnt_down = max(details.get(f"{prefix}min_f_cnt_down", 0) - 1, 0)

    def _prefixed(self) -> list[tuple[str, Session]]:
        both = ("", self.current), ("pending_", self.pending)
        return [(prefix, session) for prefix, session in both if session is not None]


def _over_capacity() -> ApiError:
    return ApiError(RESOURCE_EXHAUSTED, "pkg/networkserver:downlink_queue_capacity", "downlink queue capacity exceeded")
