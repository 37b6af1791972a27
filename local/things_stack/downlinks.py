"""A session's downlink queue: what may enter it, the frame counters, confirmed downlinks and their retries.

Plain state without time or publishing. Sources: the Stack's applicationserver.go (downlinkQueueOp, handleDownlinkNack),
payload.go and networkserver/grpc_asns.go (matchApplicationDownlinks).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from local.things_stack import errors, messages
from local.things_stack.errors import FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, ApiError

Json = dict[str, Any]

CAPACITY = 10_000
LONGEST_PAYLOAD = 242
"""Bytes: the longest application payload of the fastest data rate."""
DEFAULT_ATTEMPTS, MOST_ATTEMPTS = 8, 32


@dataclass
class DownlinkQueue:
    """The queued ApplicationDownlinks, head first; `waiting` is a confirmed one that was sent and awaits its ack."""

    items: list[Json] = field(default_factory=list)
    last_f_cnt: int = 0
    waiting: Json | None = None

    @staticmethod
    def no_device_session() -> ApiError:
        return ApiError(FAILED_PRECONDITION, "pkg/applicationserver:no_device_session",
                        "no device session; check device activation")  # fmt: skip

    @staticmethod
    def prepared(item: Json, formatters: Json) -> Json:
        """A copy ready to be queued: payload there or encoded, FPort there, attempts counted, correlation id added.
        A downlink formatter is stood in for by one that gives the compact JSON of `decoded_payload`."""
        item = dict(item)
        if "frm_payload" not in item and "decoded_payload" not in item:
            raise ApiError(INVALID_ARGUMENT, "pkg/applicationserver:no_payload", "no payload")
        if "frm_payload" not in item and formatters.get("down_formatter", "FORMATTER_NONE") != "FORMATTER_NONE":
            encoded = json.dumps(item["decoded_payload"], separators=(",", ":")).encode()
            item["frm_payload"] = messages.base64_of(encoded)
        if item.get("confirmed"):
            item["confirmed_retry"] = {"attempt": 1} | item.get("confirmed_retry", {})
            if item["confirmed_retry"].get("max_attempts", 0) > MOST_ATTEMPTS:
                raise ApiError(INVALID_ARGUMENT, "pkg/applicationserver:downlink_max_retries_invalid",
                               "downlink maximum retries exceed configured maximum of {max}",
                               {"max": MOST_ATTEMPTS})  # fmt: skip
        if not item.get("f_port"):
            raise ApiError(INVALID_ARGUMENT, "pkg/applicationserver:no_f_port", "no FPort")
        item["correlation_ids"] = [*item.get("correlation_ids", []), messages.correlation_id("as:downlink")]
        return item

    def add(self, items: list[Json], key_id: str, dev_addr: str, *, replace: bool, skips_crypto: bool) -> list[Json]:
        """Queues all of `items` or none; returns them as queued. With `skips_crypto` the application has numbered them
        and chosen the session itself."""
        kept = [] if replace else self.items
        if len(kept) + len(items) > CAPACITY:
            raise ApiError(
                RESOURCE_EXHAUSTED, "pkg/networkserver:downlink_queue_capacity", "downlink queue capacity exceeded"
            )
        last, queued = self.last_f_cnt, []
        for item in items:
            length = len(base64.b64decode(item.get("frm_payload", "")))
            if length > LONGEST_PAYLOAD:
                raise ApiError(INVALID_ARGUMENT, "pkg/networkserver:application_downlink_too_long",
                               "application downlink payload length `{length}` exceeds maximum '{max}'",
                               {"length": length, "max": LONGEST_PAYLOAD})  # fmt: skip
            if skips_crypto:
                self._check_session(item, key_id, dev_addr, last + 1)
            last = item["f_cnt"] if skips_crypto else last + 1
            queued.append(item | {"f_cnt": last, "session_key_id": key_id})
        self.items, self.last_f_cnt = kept + queued, last
        return queued

    def _check_session(self, item: Json, key_id: str, dev_addr: str, least: int) -> None:
        details = [errors.downlink_queue_details(dev_addr, key_id, least)]
        if item.get("session_key_id", key_id) != key_id:
            raise ApiError(NOT_FOUND, "pkg/networkserver:unknown_session", "unknown session", details=details)
        if item.get("f_cnt", 0) < least:
            raise ApiError(INVALID_ARGUMENT, "pkg/networkserver:f_cnt_too_low",
                           "FCnt `{f_cnt}` is lower than minimum of `{min_f_cnt}`",
                           {"f_cnt": item.get("f_cnt", 0), "min_f_cnt": least}, details)  # fmt: skip

    def take_over(self, old: DownlinkQueue, key_id: str) -> None:
        """Numbers another session's items for this one."""
        for item in old.items:
            self.last_f_cnt += 1
            self.items.append(item | {"f_cnt": self.last_f_cnt, "session_key_id": key_id})

    def invalidate(self, *, keep: bool) -> list[Json]:
        """The network took the next frame counter: the queue moves up by one, or is lost and returned."""
        if keep:
            self.items = [item | {"f_cnt": item["f_cnt"] + 1} for item in self.items]
            self.last_f_cnt += 1
            return []
        lost, self.items = self.items, []
        self.last_f_cnt = lost[0]["f_cnt"] if lost else self.last_f_cnt + 1
        return lost

    def head(self) -> Json | None:
        return self.items.pop(0) if self.items else None

    def sent(self, item: Json) -> None:
        self.waiting = item if item.get("confirmed") else None

    def settle(self, ack: bool, key_id: str, *, retry: bool) -> Json | None:
        """The confirmed downlink an uplink acknowledges or not; if not, it is queued again while attempts remain."""
        item, self.waiting = self.waiting, None
        if item is not None and not ack and retry:
            attempt = item["confirmed_retry"]["attempt"] + 1
            item = item | {"confirmed_retry": item["confirmed_retry"] | {"attempt": attempt}}
            if attempt <= item["confirmed_retry"].get("max_attempts", DEFAULT_ATTEMPTS):
                self.last_f_cnt += 1
                self.items.append(item | {"f_cnt": self.last_f_cnt, "session_key_id": key_id})
        return item
