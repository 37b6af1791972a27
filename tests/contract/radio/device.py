"""A LoRaWAN 1.0.x end device of Class A or C, in reach of one gateway.

It joins, encrypts, counts, checks what it hears, and answers MAC commands with its next uplink, as devices do. What it
heard is kept decrypted, for the tests to take.
"""

from __future__ import annotations

import base64
import secrets
import threading
from dataclasses import dataclass, replace
from typing import Any

from local.things_stack.network import frames, lorawan
from local.things_stack.network.frames import DataFrame, JoinAccept, JoinRequest, Malformed
from tests.contract.radio.gateway import Gateway, Radio

HEARD_WITHIN = 15.0
"""Seconds."""
_BATTERY_AND_MARGIN = bytes([200, 7])
_ANSWERS = {
    frames.LINK_ADR: b"\x07", frames.DUTY_CYCLE: b"", frames.RX_PARAM_SETUP: b"\x07",
    frames.DEV_STATUS: _BATTERY_AND_MARGIN, frames.NEW_CHANNEL: b"\x03", frames.RX_TIMING_SETUP: b"",
    frames.TX_PARAM_SETUP: b"", frames.DL_CHANNEL: b"\x03",
}  # fmt: skip
"""MAC command → content of the answer that accepts it (1.0.3 §5)."""
_MOST_F_OPTS = 15


@dataclass(frozen=True)
class Downlink:
    """A downlink as the device decrypted it. `delay`: seconds from its last uplink to this frame, None when it is sent
    without a receive window; `commands`: the MAC commands in it."""

    f_cnt: int
    f_port: int | None
    payload: bytes
    confirmed: bool
    ack: bool
    delay: float | None
    commands: tuple[int, ...]


class NotHeard(AssertionError):
    """The device waited in vain."""


class Device:
    """EUIs and `app_key` are hex digits."""

    def __init__(self, gateway: Gateway, *, device_id: str, join_eui: str, dev_eui: str, app_key: str) -> None:
        self.id, self.join_eui, self.dev_eui, self.app_key = device_id, join_eui, dev_eui, app_key
        self.dev_addr, self.app_s_key, self._nwk_s_key = "", b"", b""
        self.rx1_delay, self.next_f_cnt_up = 1, 0
        self._gateway, self._dev_nonce = gateway, secrets.randbelow(2**15)
        self._last_f_cnt_down, self._sent_at = -1, 0
        self._answers, self._owes_ack, self._joining = b"", False, False
        self._heard: list[Downlink] = []
        self._changed = threading.Condition()
        gateway.listen(self._hear)

    # On the air -------------------------------------------------------------------------------------------------------
    def join(self) -> None:
        """A new session. NotHeard: no join-accept."""
        self._dev_nonce += 1
        self.request_again()
        with self._changed:
            if not self._changed.wait_for(lambda: not self._joining, HEARD_WITHIN):
                raise NotHeard(f"{self.id} heard no join-accept")

    def request_again(self) -> None:
        """Sends a join-request with the DevNonce of the last one, if any, and does not wait."""
        self._joining = True
        request = JoinRequest(self.join_eui, self.dev_eui, self._dev_nonce)
        self._transmit(request.encode(bytes.fromhex(self.app_key)))

    def send(
        self, payload: bytes = b"", *, f_port: int | None = 1, confirmed: bool = False, ack: bool = True,
        radio: Radio | None = None,
    ) -> bytes:  # fmt: skip
        """The next uplink, with what the device owes: answers to MAC commands and, if `ack`, an acknowledgement.
        Returns the frame, so that it can be repeated."""
        with self._changed:
            frame = DataFrame(False, self.dev_addr, self.next_f_cnt_up, f_port, payload, self._answers[:_MOST_F_OPTS],
                              confirmed, ack=ack and self._owes_ack)  # fmt: skip
            self._answers, self._owes_ack = b"", False
            self.next_f_cnt_up += 1
        frame = replace(frame, frm_payload=frames.crypt(frame, self.app_s_key))
        raw = frame.encode(self._nwk_s_key)
        self._transmit(raw, radio)
        return raw

    def repeat(self, raw: bytes) -> None:
        """Sends the bytes of a frame, as whoever recorded it could."""
        self._gateway.receive(raw, self._gateway.clock())

    def heard(self, timeout: float = HEARD_WITHIN) -> Downlink:
        """The next downlink. NotHeard: none within `timeout` (seconds)."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._heard, timeout):
                raise NotHeard(f"{self.id} heard nothing")
            return self._heard.pop(0)

    def heard_payload(self, timeout: float = HEARD_WITHIN) -> Downlink:
        """The next downlink with an FPort: those of the network itself are passed over. NotHeard: none is heard."""
        while True:
            downlink = self.heard(timeout)
            if downlink.f_port:
                return downlink

    def decrypt(self, f_cnt: int, payload: str, *, downlink: bool = False) -> bytes:
        """An FRMPayload (base64) of the device's session, decrypted, or encrypted: the operation is its own inverse."""
        return frames.crypt(DataFrame(downlink, self.dev_addr, f_cnt, 1, base64.b64decode(payload)), self.app_s_key)

    def _transmit(self, raw: bytes, radio: Radio | None = None) -> None:
        self._sent_at = self._gateway.clock()  # before it is sent: the answer may come at once
        self._gateway.receive(raw, self._sent_at, radio)

    # What the gateway sends -------------------------------------------------------------------------------------------
    def _hear(self, raw: bytes, txpk: dict[str, Any]) -> None:
        try:
            if frames.m_type(raw) == frames.JOIN_ACCEPT:
                self._accept(frames.decode_join_accept(raw, bytes.fromhex(self.app_key)))
            else:
                self._receive(*frames.decode_data(raw), txpk)
        except Malformed:
            return  # to another device, or not to a device at all

    def _accept(self, accept: JoinAccept) -> None:
        root_key, net_id = bytes.fromhex(self.app_key), int(accept.net_id, 16)
        with self._changed:
            if not self._joining:
                return
            self.dev_addr, self.rx1_delay = accept.dev_addr, accept.rx1_delay
            self.app_s_key = lorawan.app_s_key(
                "MAC_V1_0_3", root_key, accept.join_nonce, net_id, self.join_eui, self._dev_nonce
            )
            self._nwk_s_key = lorawan.nwk_s_key(root_key, accept.join_nonce, net_id, self._dev_nonce)
            self.next_f_cnt_up, self._last_f_cnt_down, self._answers, self._owes_ack = 0, -1, b"", False
            self._joining = False
            self._changed.notify_all()

    def _receive(self, frame: DataFrame, mic: bytes, txpk: dict[str, Any]) -> None:
        with self._changed:
            least = self._last_f_cnt_down + 1
            frame = replace(frame, f_cnt=least + (frame.f_cnt - least) % 2**16)
            if not frame.downlink or frame.dev_addr != self.dev_addr:
                return
            if not frame.is_signed(mic, self._nwk_s_key, frame.f_cnt):
                return
            self._last_f_cnt_down, self._owes_ack = frame.f_cnt, frame.confirmed
            key = self._nwk_s_key if frame.f_port == 0 else self.app_s_key
            payload = frames.crypt(frame, key)
            commands = frames.mac_commands(payload if frame.f_port == 0 else frame.f_opts, frames.FROM_NETWORK)
            for command, content in commands:
                self._answer(command, content)
            delay = None if txpk.get("imme") else (txpk["tmst"] - self._sent_at) % 2**32 / 10**6
            heard = Downlink(
                frame.f_cnt, frame.f_port or None, b"" if frame.f_port == 0 else payload, frame.confirmed, frame.ack,
                delay, tuple(command for command, _ in commands),
            )  # fmt: skip
            self._heard.append(heard)
            self._changed.notify_all()

    def _answer(self, command: int, content: bytes) -> None:
        if command == frames.RX_TIMING_SETUP:
            self.rx1_delay = content[0] & 0x0F or 1
        if command in _ANSWERS:
            self._answers += bytes([command]) + _ANSWERS[command]
