"""A gateway on Semtech's UDP packet forwarder: it sends what devices transmit, and lets them hear what it is to send.

Nothing is sent over the air: devices hear a frame at the time for which it is scheduled or, where nothing depends on
that, as soon as the Gateway Server hands it over.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.things_stack.network.packet_forwarder import Kind, NoPacket, Packet, decode

KEEPALIVE = 5.0
"""Seconds between two requests for downlinks."""
ANSWERED_WITHIN = 10.0
"""Seconds."""
LONGEST_WAIT = 60.0
"""Seconds: what is scheduled for later is late, in the 32 bits of the clock."""
ACKNOWLEDGED_AFTER = 0.1
"""Seconds that an acknowledgement of a downlink is on its way, as from any gateway that is not on the same machine: one
that arrives before the Network Server has noted what it has scheduled is dropped, and no `downlink_sent` is published.
"""

Hear = Callable[[bytes, dict[str, Any]], None]
"""Takes a frame and its `txpk`."""


class Unreachable(OSError):
    """No Gateway Server answers at the address."""


@dataclass(frozen=True)
class Radio:
    """How an uplink is sent: MHz, data rate, dBm, dB."""

    frequency: float = 868.1
    data_rate: str = "SF7BW125"
    rssi: int = -71
    snr: float = 7.5


class Gateway:
    """The gateway with an EUI (16 hex digits), connected from `start` to `stop`. `on_time`: whether a frame is heard at
    its time. The Network Server of the Stack relies on it: it acknowledges no uplink that comes before the downlink to
    an earlier one is due."""

    def __init__(self, host: str, port: int, eui: str, *, on_time: bool) -> None:
        self.eui, self._address, self._on_time = eui, f"{host}:{port}", on_time
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(family, kind, protocol)
        self._socket.connect(address)
        self._socket.settimeout(0.1)
        self._listeners: list[Hear] = []
        self._answered: set[bytes] = set()
        self._refused = False
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"gateway {eui}")

    def start(self) -> None:
        """Unreachable: nothing answers."""
        self._thread.start()
        self._wait_for(self._send(Kind.PULL_DATA))

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def listen(self, hear: Hear) -> None:
        """A device in reach of the gateway."""
        self._listeners.append(hear)

    @staticmethod
    def clock() -> int:
        """The gateway's clock: microseconds, in 32 bits."""
        return time.monotonic_ns() // 1000 % 2**32

    def receive(self, frame: bytes, at: int, radio: Radio | None = None) -> None:
        """Hands over a frame that a device sent `at` a time of the gateway's clock."""
        radio = radio or Radio()
        rxpk = {"tmst": at, "chan": 0, "rfch": 0, "freq": radio.frequency, "stat": 1, "modu": "LORA",
                "datr": radio.data_rate, "codr": "4/5", "rssi": radio.rssi, "lsnr": radio.snr, "size": len(frame),
                "data": base64.b64encode(frame).decode()}  # fmt: skip
        self._wait_for(self._send(Kind.PUSH_DATA, content={"rxpk": [rxpk]}))

    def _send(self, kind: Kind, token: bytes = b"", content: dict[str, Any] | None = None) -> bytes:
        token = token or secrets.token_bytes(2)
        self._answered.discard(token)
        self._socket.send(Packet(kind, token, self.eui, content).encode())
        return token

    def _wait_for(self, token: bytes) -> None:
        with self._changed:
            self._changed.wait_for(lambda: token in self._answered or self._refused, ANSWERED_WITHIN)
            if token not in self._answered:
                raise Unreachable(f"no Gateway Server answers at {self._address} (UDP)")

    def _run(self) -> None:
        pulled = time.monotonic()
        while not self._stopping.is_set():
            if time.monotonic() > pulled + KEEPALIVE:
                self._send(Kind.PULL_DATA)
                pulled = time.monotonic()
            try:
                packet = decode(self._socket.recv(65_535))
            except (TimeoutError, NoPacket):
                continue
            except ConnectionRefusedError:
                with self._changed:
                    self._refused = True
                    self._changed.notify_all()
                continue
            if packet.kind is Kind.PULL_RESP and packet.content:
                self._after(ACKNOWLEDGED_AFTER if self._on_time else 0.0, self._acknowledge, packet.token)
                self._schedule(packet.content["txpk"])
            else:
                with self._changed:
                    self._answered.add(packet.token)
                    self._changed.notify_all()

    def _schedule(self, txpk: dict[str, Any]) -> None:
        """Lets devices hear a frame at once, or at its time."""
        wait = 0.0
        if self._on_time and "tmst" in txpk and not txpk.get("imme"):
            wait = (txpk["tmst"] - self.clock()) % 2**32 / 10**6
        self._after(wait if wait < LONGEST_WAIT else 0.0, self._hear, txpk)

    @staticmethod
    def _after(seconds: float, call: Callable[[Any], None], argument: Any) -> None:
        if seconds <= 0:
            call(argument)
            return
        timer = threading.Timer(seconds, call, [argument])
        timer.daemon = True
        timer.start()

    def _acknowledge(self, token: bytes) -> None:
        with contextlib.suppress(OSError):  # The gateway may have been stopped meanwhile.
            self._send(Kind.TX_ACK, token, {"txpk_ack": {"error": "NONE"}})

    def _hear(self, txpk: dict[str, Any]) -> None:
        frame = base64.b64decode(txpk["data"])
        for hear in self._listeners:
            hear(frame, txpk)
