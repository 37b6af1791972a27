"""The messages that The Things Stack publishes to applications (`ApplicationUp`), exactly as its JSON has them.

Rules: snake_case, zero and empty values omitted, EUIs upper-case hexadecimal, bytes base64, 64-bit integers as strings,
RFC 3339 times with nanoseconds. When a message is published is decided in `network` and `downlink_queues`.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass

from local.things_stack.description.proto3_json import Json, rfc3339, without_zero_values

TOPICS = {
    "uplink_message": "uplink",
    "join_accept": "join",
    "downlink_ack": "downlink/ack",
    "downlink_nack": "downlink/nack",
    "downlink_sent": "downlink/sent",
    "downlink_failed": "downlink/failed",
    "downlink_queued": "downlink/queued",
    "downlink_queue_invalidated": "downlink/invalidated",
    "location_solved": "location/solved",
    "service_data": "service/data",
}
"""Kind of message → topic below `thethings/lorawan/<stack>`. No pub/sub publishes `uplink_normalized`."""

RECEIVED = ("gs:uplink", "rpc:/ttn.lorawan.v3.GsNs/HandleUplink")
TO_APPLICATION = "rpc:/ttn.lorawan.v3.NsAs/HandleUplink"
SCHEDULED = (
    "gs:tx_ack", "ns:transmission", "rpc:/ttn.lorawan.v3.GsNs/ReportTxAcknowledgment",
    "rpc:/ttn.lorawan.v3.NsGs/ScheduleDownlink",
)  # fmt: skip
"""Kinds of correlation ids: of what an uplink leads to, of what the Network Server reports to the Application Server,
and of a transmitted downlink."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass
class Published:
    """A published message: its kind ("raw": arbitrary bytes), the topic below the base topic, the message, and when it
    was published (Unix seconds, set on delivery)."""

    application_id: str
    kind: str
    topic: str
    message: Json
    published_at: float = 0
    raw: bytes | None = None

    @property
    def body(self) -> bytes:
        return json.dumps(self.message, separators=(",", ":")).encode() if self.raw is None else self.raw


def correlation_id(what: str) -> str:
    """`<what>:<ULID>`, with which the Stack marks every event that led to a message."""
    number = (time.time_ns() // 10**6 << 80) | secrets.randbits(80)
    return f"{what}:" + "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def application_up(ids: Json, kind: str, content: Json, correlation_ids: list[str], received_at: int) -> Json:
    """An ApplicationUp of `kind`; `received_at` in Unix nanoseconds."""
    head = {"end_device_ids": ids, "correlation_ids": correlation_ids, "received_at": rfc3339(received_at)}
    return without_zero_values(head) | {kind: without_zero_values(content)}
