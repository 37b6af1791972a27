"""The packets of Semtech's UDP packet forwarder, version 2, between a gateway and a Gateway Server. Pure.

Source: Lora-net/packet_forwarder, PROTOCOL.TXT (GWMP). What is in `rxpk` and `txpk` is decided by the two ends.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

VERSION = 2
_HEAD, _EUI = 4, 8


class Kind(IntEnum):
    PUSH_DATA = 0
    PUSH_ACK = 1
    PULL_DATA = 2
    PULL_RESP = 3
    PULL_ACK = 4
    TX_ACK = 5


_FROM_GATEWAY = (Kind.PUSH_DATA, Kind.PULL_DATA, Kind.TX_ACK)


class NoPacket(ValueError):
    """Bytes that are not a packet of this protocol."""


@dataclass(frozen=True)
class Packet:
    """`token` pairs a packet with its acknowledgement. `gateway_eui`: 16 hex digits, only from a gateway. `content` is
    the JSON object that some kinds carry."""

    kind: Kind
    token: bytes
    gateway_eui: str = ""
    content: dict[str, Any] | None = None

    def encode(self) -> bytes:
        eui = bytes.fromhex(self.gateway_eui) if self.kind in _FROM_GATEWAY else b""
        content = b"" if self.content is None else json.dumps(self.content).encode()
        return bytes([VERSION]) + self.token + bytes([self.kind]) + eui + content


def decode(raw: bytes) -> Packet:
    """NoPacket: another version or kind, cut, or not JSON."""
    if len(raw) < _HEAD or raw[0] != VERSION or raw[3] not in list(Kind):
        raise NoPacket("another protocol or version")
    kind, rest, eui = Kind(raw[3]), raw[_HEAD:], b""
    if kind in _FROM_GATEWAY:
        eui, rest = rest[:_EUI], rest[_EUI:]
        if len(eui) < _EUI:
            raise NoPacket("the gateway's EUI is cut")
    try:
        content = json.loads(rest) if rest.strip(b"\0") else None
    except ValueError as error:
        raise NoPacket(f"not JSON: {error}") from None
    if content is not None and not isinstance(content, dict):
        raise NoPacket("not a JSON object")
    return Packet(kind, raw[1:3], eui.hex().upper(), content)
