"""The messages The Things Stack publishes to applications (`ApplicationUp`), built to the letter of its JSON.

Rules: snake_case, zero and empty values left out, EUIs upper-case hexadecimal, bytes base64, 64-bit integers as
strings, RFC 3339 times with nanoseconds. What is published when is `network`'s to decide.
"""

from __future__ import annotations

import base64
import json
import math
import secrets
import time
from dataclasses import dataclass
from typing import Any

from local.things_stack.servers import rfc3339

Json = dict[str, Any]

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
"""Kind of message → topic below `thethings/lorawan/<stack>`. `uplink_normalized` is published by no pub/sub."""

_STRUCTS = ("decoded_payload", "data", "attributes")
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass
class Published:
    """A message as it went out: its kind ("raw": bytes of any sort), the topic below the base topic, the message, and
    when it left (Unix seconds, set on delivery)."""

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
    """`<what>:<ULID>`, as the Stack marks every event that led to a message."""
    number = (time.time_ns() // 10**6 << 80) | secrets.randbits(80)
    return f"{what}:" + "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def proto3(message: Json) -> Json:
    """`message` without zero and empty values, as proto3 JSON prints it; free-form structs stay as they are."""
    result: Json = {}
    for name, value in message.items():
        printed = value
        if name not in _STRUCTS and isinstance(value, dict):
            printed = proto3(value)
        elif isinstance(value, list):
            printed = [proto3(item) if isinstance(item, dict) else item for item in value]
        if printed is not None and printed != 0 and printed not in ("", [], {}):
            result[name] = printed
    return result


def application_up(ids: Json, kind: str, content: Json, correlation_ids: list[str], received_at: int) -> Json:
    """An ApplicationUp of `kind`. `received_at` in Unix nanoseconds."""
    head = {"end_device_ids": ids, "correlation_ids": correlation_ids, "received_at": rfc3339(received_at)}
    return proto3(head) | {kind: proto3(content)}


def airtime(payload_bytes: int, spreading_factor: int = 7, bandwidth: int = 125000) -> str:
    """Time on air of an uplink with coding rate 4/5 and CRC, such as "0.056576s" (Semtech AN1200.13)."""
    symbol = 2**spreading_factor / bandwidth
    low_rate = 1 if symbol > 0.016 else 0
    bits = 8 * (payload_bytes + 13) - 4 * spreading_factor + 28 + 16
    symbols = 8 + max(math.ceil(bits / (4 * (spreading_factor - 2 * low_rate))) * 5, 0)
    return f"{(12.25 + symbols) * symbol:.6f}s"


def rx_metadata(count: int, *, rssi: float, snr: float, packet_broker: bool, received_at: int) -> list[Json]:
    """Receptions by `count` gateways, the best first (`rssi` in dBm, `snr` in dB; each further gateway 3 dB less).
    With `packet_broker` they belong to another network, which names its gateways to Packet Broker."""
    metadata = []
    for i in range(count):
        gateway_id, eui = f"gateway-{i + 1}", f"58A0CBFFFE80{i + 1:04X}"
        reception: Json = {
            "gateway_ids": {"gateway_id": gateway_id, "eui": eui}, "time": rfc3339(received_at),
            "timestamp": received_at // 1000 % 2**32, "rssi": rssi - 3 * i, "channel_rssi": rssi - 3 * i,
            "snr": snr - 3 * i,
            "uplink_token": base64_of(f"{gateway_id}:{received_at}".encode()), "received_at": rfc3339(received_at),
        }  # fmt: skip
        if packet_broker:
            reception["gateway_ids"] = {"gateway_id": "packetbroker"}
            reception["packet_broker"] = {
                "message_id": correlation_id("pb").removeprefix("pb:"), "forwarder_net_id": "000013",
                "forwarder_tenant_id": "neighbour", "forwarder_cluster_id": "eu2.cloud.thethings.industries",
                "forwarder_gateway_eui": eui, "forwarder_gateway_id": gateway_id, "home_network_net_id": "000013",
                "home_network_tenant_id": "ttn", "home_network_cluster_id": "eu1.cloud.thethings.network",
            }  # fmt: skip
        metadata.append(reception)
    return metadata


def settings(received_at: int, spreading_factor: int = 7) -> Json:
    """The radio settings of an uplink in Europe."""
    lora = {"bandwidth": 125000, "spreading_factor": spreading_factor, "coding_rate": "4/5"}
    return {"data_rate": {"lora": lora}, "frequency": "868100000", "timestamp": received_at // 1000 % 2**32,
            "time": rfc3339(received_at)}  # fmt: skip
