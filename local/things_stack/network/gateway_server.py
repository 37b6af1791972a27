"""The Gateway Server: gateways connect with Semtech's UDP packet forwarder. What frames mean is in `air_interface`.

Any gateway may connect, registered or not. A downlink goes to the address from which its gateway last pulled.
"""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections import deque
from typing import Any

from local.things_stack.description.proto3_json import Json
from local.things_stack.network.air_interface import AirInterface, Reception
from local.things_stack.network.dropped import Dropped
from local.things_stack.network.network import Network
from local.things_stack.network.packet_forwarder import Kind, NoPacket, Packet, decode
from local.things_stack.servers import Servers

_LARGEST = 65_535


class GatewayServer:
    """Listens on `port` of `host` (0: a free one) from `start` to `stop`; the port is bound immediately. `dropped` has
    the reasons for which frames and packets were dropped, oldest first."""

    def __init__(self, host: str, port: int, servers: Servers, lock: threading.RLock, network: Network) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._air = AirInterface(servers, lock, network, self.transmit)
        self._gateways: dict[str, tuple[str, int]] = {}
        self._thread = threading.Thread(target=self._receive_all, daemon=True, name="gateway-server")
        self._stopping = False
        self.dropped: deque[str] = deque(maxlen=1000)

    @property
    def address(self) -> str:
        """host:port, UDP."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Idempotent, and allowed before `start`."""
        if self._thread.is_alive():
            self._stopping = True
            self._socket.sendto(b"", self._socket.getsockname())  # ends the wait for a packet
            self._thread.join()
        self._socket.close()

    def transmit(self, gateway_eui: str, txpk: Json) -> None:
        """Sends a frame by a gateway; dropped when the gateway pulls none."""
        if gateway_eui in self._gateways:
            packet = Packet(Kind.PULL_RESP, secrets.token_bytes(2), content={"txpk": txpk})
            self._socket.sendto(packet.encode(), self._gateways[gateway_eui])
        else:
            self.dropped.append(f"a downlink dropped: gateway {gateway_eui} pulls none")

    def _receive_all(self) -> None:
        while True:
            raw, address = self._socket.recvfrom(_LARGEST)
            if self._stopping:
                return
            try:
                self._receive(decode(raw), address)
            except NoPacket as error:
                self.dropped.append(str(error))

    def _receive(self, packet: Packet, address: tuple[str, int]) -> None:
        if packet.kind is Kind.PULL_DATA:
            self._gateways[packet.gateway_eui] = address
            self._socket.sendto(Packet(Kind.PULL_ACK, packet.token).encode(), address)
        elif packet.kind is Kind.PUSH_DATA:
            self._socket.sendto(Packet(Kind.PUSH_ACK, packet.token).encode(), address)
            self._receive_frames(packet)

    def _receive_frames(self, packet: Packet) -> None:
        for rxpk in _list((packet.content or {}).get("rxpk", [])):
            if not isinstance(rxpk, dict):
                self.dropped.append(f"a frame of gateway {packet.gateway_eui} dropped: not an object")
            elif rxpk.get("stat") == 1 and rxpk.get("modu") == "LORA":  # the checksum of the frame is right
                try:
                    self._air.receive(Reception(packet.gateway_eui, rxpk, time.time_ns()))
                except Dropped as error:
                    self.dropped.append(str(error))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise NoPacket("rxpk is not a list")
    return value
