"""Gateways of the simulation on the packet forwarder's protocol. Devices: tests/contract/test_radio.py."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from local.things_stack import ThingsStack
from local.things_stack.network.frames import DataFrame, JoinRequest
from local.things_stack.network.packet_forwarder import Kind, NoPacket, Packet, decode
from tests.unit.things_stack_simulation.conftest import APP, DEV_EUI, DEVICE, JOIN_EUI

EUI = "58A0CBFFFE800001"
APP_KEY = bytes.fromhex("01" * 16)


class Forwarder:
    """A packet forwarder that shows every packet it gets."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((host, int(port)))
        self._socket.settimeout(5)

    def say(self, raw: bytes) -> None:
        self._socket.send(raw)

    def ask(self, kind: Kind, content: dict[str, Any] | None = None) -> Packet:
        self.say(Packet(kind, b"ab", EUI, content).encode())
        return decode(self._socket.recv(65_535))

    def receive(self, frame: bytes, **rxpk: Any) -> list[Packet]:
        """Forwards a frame. Returns the packets that came until it was handled: packets are handled in order."""
        received = {"tmst": 1_000_000, "freq": 868.1, "datr": "SF7BW125", "modu": "LORA", "stat": 1,
                    "data": base64.b64encode(frame).decode(), **rxpk}  # fmt: skip
        return self.push({"rxpk": [received]})

    def push(self, content: dict[str, Any]) -> list[Packet]:
        self.say(Packet(Kind.PUSH_DATA, b"ab", EUI, content).encode())
        self.say(Packet(Kind.PULL_DATA, b"zz", EUI).encode())
        packets = []
        while not packets or packets[-1].kind is not Kind.PULL_ACK:
            packets.append(decode(self._socket.recv(65_535)))
        return packets

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def forwarder(simulation: ThingsStack) -> Iterator[Forwarder]:
    forwarder = Forwarder(simulation.gateway_server.address)
    yield forwarder
    forwarder.close()


def test_each_packet_of_a_gateway_is_acknowledged_with_its_token(forwarder: Forwarder) -> None:
    assert forwarder.ask(Kind.PULL_DATA) == Packet(Kind.PULL_ACK, b"ab")
    assert forwarder.ask(Kind.PUSH_DATA, {"stat": {"rxnb": 1}}) == Packet(Kind.PUSH_ACK, b"ab")


@pytest.mark.parametrize("raw", [b"", b"\x01ab\x02" + bytes(8), b"\x02ab\x09", b"\x02ab\x00\x01", b"\x02ab\x05[]"])
def test_what_is_no_packet_is_no_packet(raw: bytes) -> None:
    with pytest.raises(NoPacket):
        decode(raw)


def test_a_server_survives_what_is_no_packet_and_no_frame(simulation: ThingsStack, forwarder: Forwarder) -> None:
    forwarder.say(b"\x02ab\x00" + bytes.fromhex(EUI) + b"{")
    forwarder.receive(b"\xff")
    forwarder.receive(b"", tmst=None, data=7)
    forwarder.push({"rxpk": "no list"})
    forwarder.push({"rxpk": [7]})
    assert forwarder.ask(Kind.PULL_DATA).kind is Kind.PULL_ACK
    assert len(simulation.gateway_server.dropped) == 5


def test_a_join_accept_is_for_the_window_five_seconds_after_the_request(
    simulation: ThingsStack, forwarder: Forwarder, device: str
) -> None:
    forwarder.ask(Kind.PULL_DATA)
    packets = forwarder.receive(JoinRequest(JOIN_EUI, DEV_EUI, 1).encode(APP_KEY), tmst=2**32 - 1)
    (txpk,) = (packet.content["txpk"] for packet in packets if packet.content)
    assert (txpk["tmst"], txpk["freq"], txpk["datr"], txpk["ipol"]) == (4_999_999, 868.1, "SF7BW125", True)
    assert [published.kind for published in simulation.network.published] == ["join_accept"]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (JoinRequest(JOIN_EUI, "A81758FFFE0312AC", 1).encode(APP_KEY), "no device has these EUIs"),
        (JoinRequest(JOIN_EUI, DEV_EUI, 1).encode(bytes(16)), "its MIC does not match the root key"),
        (DataFrame(False, "260B0000", 0, 1, b"\1").encode(APP_KEY), "no session signs it"),
        (DataFrame(True, "260B0000", 0, 1, b"\1").encode(APP_KEY), "a downlink of another gateway"),
    ],
    ids=["unknown device", "another key", "unknown address", "downlink"],
)
def test_a_frame_that_the_network_cannot_attribute_is_dropped_with_the_reason(
    simulation: ThingsStack, forwarder: Forwarder, device: str, frame: bytes, reason: str
) -> None:
    forwarder.receive(frame)
    (dropped,) = simulation.gateway_server.dropped
    assert reason in dropped
    assert not simulation.network.published


@pytest.mark.parametrize(
    ("version", "nonces", "reason"),
    [("MAC_V1_0_3", (2, 1, 2), "reuse_dev_nonce"), ("MAC_V1_0_4", (2, 1), "dev_nonce_too_small")],
)
def test_a_dev_nonce_is_used_once_and_from_1_0_4_on_only_rises(
    simulation: ThingsStack, forwarder: Forwarder, version: str, nonces: tuple[int, ...], reason: str
) -> None:
    simulation.register_device(APP, device_id=DEVICE, dev_eui=DEV_EUI, join_eui=JOIN_EUI, lorawan_version=version)
    for nonce in nonces:
        forwarder.receive(JoinRequest(JOIN_EUI, DEV_EUI, nonce).encode(APP_KEY))
    reasons = [each for each in simulation.gateway_server.dropped if "gateway" not in each]
    assert len(reasons) == 1
    assert reason in reasons[0]
    assert len(simulation.network.published) == len(nonces) - 1


def test_a_downlink_without_a_gateway_that_pulls_is_dropped(
    simulation: ThingsStack, forwarder: Forwarder, device: str
) -> None:
    forwarder.receive(JoinRequest(JOIN_EUI, DEV_EUI, 1).encode(APP_KEY))
    assert list(simulation.gateway_server.dropped) == [f"a downlink dropped: gateway {EUI} pulls none"]


def test_a_packet_is_written_as_the_protocol_has_it() -> None:
    packet = Packet(Kind.PUSH_DATA, b"\x01\x02", EUI, {"stat": {}})
    assert packet.encode() == b"\x02\x01\x02\x00" + bytes.fromhex(EUI) + json.dumps({"stat": {}}).encode()
    assert decode(packet.encode()) == packet
