"""The air interface: what gateways receive becomes joins and uplinks of the network, what the network sends is a frame.

A device that joins here is outside of the simulation. It has its keys and counters, the network checks integrity codes,
frame counters and DevNonces, and answers in the receive windows. Only LoRaWAN 1.0.x, in Europe, and the first gateway
that received a frame: the copies of others count as repeated. Sources: LoRaWAN 1.0.3; the Stack's joinserver.go and
networkserver/grpc_gsns.go.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from local.things_stack.description.proto3_json import Json, base64_of, rfc3339
from local.things_stack.network import frames, join_server, lorawan
from local.things_stack.network.dropped import Dropped
from local.things_stack.network.end_device import EndDevice
from local.things_stack.network.frames import DataFrame, JoinAccept, JoinRequest
from local.things_stack.network.network import Network
from local.things_stack.servers import DeviceKey, Servers

RX1_DELAY = 5
"""Seconds from an uplink to its first receive window, of data and of a join-accept, as The Things Stack sets it."""
RX2_DATA_RATE = 3
RX2 = {"freq": 869.525, "datr": "SF9BW125"}

Transmit = Callable[[str, Json], None]
"""Sends a `txpk` by the gateway with an EUI."""


@dataclass(frozen=True)
class Reception:
    """A frame as a gateway received it, at `received_at` (Unix nanoseconds); `rxpk` as in the packet forwarder."""

    gateway_eui: str
    rxpk: Json
    received_at: int

    def in_rx1(self, frame: bytes) -> Json:
        """The `txpk` of an answer in the first receive window."""
        at = (self.rxpk["tmst"] + RX1_DELAY * 10**6) % 2**32
        return _txpk(frame, {"imme": False, "tmst": at, "freq": self.rxpk["freq"], "datr": self.rxpk["datr"]})

    def rx_metadata(self) -> Json:
        rssi, gateway_id = self.rxpk.get("rssi", 0), f"eui-{self.gateway_eui.lower()}"
        return {
            "gateway_ids": {"gateway_id": gateway_id, "eui": self.gateway_eui}, "timestamp": self.rxpk["tmst"],
            "rssi": rssi, "channel_rssi": rssi, "snr": self.rxpk.get("lsnr", 0),
            "uplink_token": base64_of(f"{gateway_id}:{self.rxpk['tmst']}".encode()),
            "received_at": rfc3339(self.received_at),
        }  # fmt: skip

    def settings(self) -> Json:
        factor, _, bandwidth = self.rxpk["datr"].removeprefix("SF").partition("BW")
        lora = {"bandwidth": int(bandwidth) * 1000, "spreading_factor": int(factor),
                "coding_rate": self.rxpk.get("codr", "4/5")}  # fmt: skip
        return {"data_rate": {"lora": lora}, "frequency": str(round(self.rxpk["freq"] * 10**6)),
                "timestamp": self.rxpk["tmst"]}  # fmt: skip


@dataclass
class RemoteDevice(EndDevice):
    """An end device on the air, in the place of a simulated one. `uplink` is the frame that it sent last, with all bits
    of its counter; `windows`: its receive windows, while they are open."""

    transmit: Transmit = field(kw_only=True)
    gateway_eui: str = ""
    nwk_s_keys: dict[str, bytes] = field(default_factory=dict)
    """DevAddr → NwkSKey."""
    uplink: DataFrame | None = None
    windows: Reception | None = None
    status_known: bool = False
    """Whether the device has answered the request for its status."""
    unacknowledged: bool = False

    def hear(self, uplink: DataFrame, reception: Reception) -> None:
        """The network received a frame in a session of the device."""
        self.uplink, self.windows, self.gateway_eui = uplink, reception, reception.gateway_eui
        self.dev_addr, self.unacknowledged = uplink.dev_addr, uplink.confirmed
        if any(command == frames.DEV_STATUS for command, _ in frames.mac_commands(uplink.f_opts, frames.FROM_DEVICE)):
            self.status_known = True

    @property
    def requests(self) -> bytes:
        """The MAC commands that the network sends until the device answers them."""
        return b"" if self.status_known else bytes([frames.DEV_STATUS])

    def send(self, payload: bytes) -> tuple[int, bytes]:
        """The counter and the payload as they were received: the device itself has encrypted it."""
        assert self.uplink is not None
        self.next_f_cnt_up = self.uplink.f_cnt + 1
        return self.uplink.f_cnt, payload

    def receive(self, dev_addr: str, f_port: int, f_cnt: int, payload: bytes, *, confirmed: bool) -> None:
        self._transmit(DataFrame(True, dev_addr, f_cnt, f_port, payload, confirmed=confirmed))

    def receive_own(self, dev_addr: str, f_cnt: int) -> None:
        self._transmit(DataFrame(True, dev_addr, f_cnt))

    def _transmit(self, frame: DataFrame) -> None:
        """In the first receive window if it is open; otherwise at once, as to Class C."""
        frame = replace(frame, f_opts=self.requests, ack=self.unacknowledged)
        raw = frame.encode(self.nwk_s_keys[frame.dev_addr])
        windows, self.windows, self.unacknowledged = self.windows, None, False
        self.transmit(self.gateway_eui, windows.in_rx1(raw) if windows else _txpk(raw, {"imme": True, **RX2}))


class AirInterface:
    """The frames of all gateways of `network`. `transmit` sends one."""

    def __init__(self, servers: Servers, lock: threading.RLock, network: Network, transmit: Transmit) -> None:
        self._servers, self._lock, self._network, self._transmit = servers, lock, network, transmit
        self._devices: dict[DeviceKey, RemoteDevice] = {}

    def receive(self, reception: Reception) -> None:
        """Dropped: no device of this network sent this, it repeats a counter or nonce, or a server lacks something."""
        try:
            raw = base64.b64decode(reception.rxpk["data"], validate=True)
            if frames.m_type(raw) == frames.JOIN_REQUEST:
                self._join(raw, frames.decode_join_request(raw), reception)
            else:
                self._uplink(*frames.decode_data(raw), reception)
        except (KeyError, TypeError, ValueError) as error:
            raise Dropped(f"a frame from gateway {reception.gateway_eui} dropped: {error}") from error

    def _join(self, raw: bytes, request: JoinRequest, reception: Reception) -> None:
        with self._lock:
            device = self._requesting(request)
            root_key, version = join_server.root_key(self._servers, device)
            if raw != request.encode(root_key):
                raise Dropped(f"join-request of {device[1]} dropped: its MIC does not match the root key")
            if version == "MAC_V1_1":
                raise Dropped(f"join-request of {device[1]} dropped: LoRaWAN 1.1 is not simulated on the air")
            join_server.use_dev_nonce(self._servers.join, device, request.dev_nonce, version)
            remote = self._devices.setdefault(device, RemoteDevice(transmit=self._transmit))
            self._network.activations.replace_end_device(device, remote)
        # Publishing waits for brokers, which must not happen under the lock.
        self._network.join(*device, dev_nonce=request.dev_nonce)
        with self._lock:
            session = self._network.activations.sessions(device).pending
            if session is None:
                raise Dropped(f"join-request of {device[1]} dropped: the device was deleted")
            net_id = self._network.net_id
            remote.nwk_s_keys[session.dev_addr] = lorawan.nwk_s_key(
                root_key, session.join_nonce, int(net_id, 16), request.dev_nonce
            )
            remote.windows, remote.unacknowledged = None, False
            accept = JoinAccept(session.join_nonce, net_id, session.dev_addr, RX1_DELAY, RX2_DATA_RATE)
            self._transmit(reception.gateway_eui, reception.in_rx1(accept.encode(root_key)))

    def _uplink(self, frame: DataFrame, mic: bytes, reception: Reception) -> None:
        with self._lock:
            device, remote, f_cnt = self._sender(frame, mic)
            remote.hear(replace(frame, f_cnt=f_cnt), reception)
        self._network.uplink(
            *device, f_port=frame.f_port or None, frm_payload=frame.frm_payload if frame.f_port else b"",
            confirmed=frame.confirmed, ack=frame.ack, rx_metadata=[reception.rx_metadata()],
            settings=reception.settings(),
        )  # fmt: skip
        if remote.windows is not None and remote.requests:
            self._network.invalidate_queue(*device)
        remote.windows = None

    def _requesting(self, request: JoinRequest) -> DeviceKey:
        for device, record in self._servers.network.devices.items():
            if (record["ids"].get("join_eui"), record["ids"].get("dev_eui")) == (request.join_eui, request.dev_eui):
                return device
        raise Dropped(f"join-request of {request.dev_eui} dropped: no device has these EUIs")

    def _sender(self, frame: DataFrame, mic: bytes) -> tuple[DeviceKey, RemoteDevice, int]:
        """The device that signed an uplink, and all 32 bits of its counter."""
        if frame.downlink:
            raise Dropped("a downlink of another gateway dropped")
        for device, session in self._network.activations.addressed(frame.dev_addr):
            remote = self._devices.get(device)
            if remote is None or frame.dev_addr not in remote.nwk_s_keys:
                continue
            pending = self._network.activations.sessions(device).pending is session
            f_cnt = _all_bits(frame.f_cnt, -1 if pending else session.last_f_cnt_up)
            if frame.is_signed(mic, remote.nwk_s_keys[frame.dev_addr], f_cnt):
                return device, remote, f_cnt
        raise Dropped(f"uplink from {frame.dev_addr} dropped: no session signs it with a counter that is not used yet")


def _all_bits(sent: int, last: int) -> int:
    """The lowest counter above `last` that ends with the 16 bits that were sent (LoRaWAN 1.0.3 §4.3.1.5)."""
    least = last + 1
    return least + (sent - least) % 2**16


def _txpk(frame: bytes, when: Json) -> Json:
    return when | {"rfch": 0, "powe": 14, "modu": "LORA", "codr": "4/5", "ipol": True, "ncrc": True,
                   "datr": when["datr"], "size": len(frame), "data": base64_of(frame)}  # fmt: skip
