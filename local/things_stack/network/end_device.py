"""The end device itself: its security session, its frame counter, and the downlinks that it received and decrypted.

This is the other end of the encryption: the Network Server has no access to this state.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from local.things_stack.description.proto3_json import Json, base64_of
from local.things_stack.network import lorawan

LAST_F_CNT = 2**32 - 1


@dataclass
class EndDevice:
    """`next_f_cnt_up` is the counter of the next uplink, all 32 bits; `received` holds decrypted downlinks, oldest
    first."""

    app_s_key: bytes = b""
    dev_addr: str = ""
    next_f_cnt_up: int = 0
    received: list[Json] = field(default_factory=list)
    battery: Json | None = None
    """What the device last reported of its battery, as in `last_battery_percentage`."""

    def join(self, app_s_key: bytes, dev_addr: str) -> None:
        """Starts a session and discards the previous one."""
        self.app_s_key, self.dev_addr, self.next_f_cnt_up = app_s_key, dev_addr, 0

    def send(self, payload: bytes) -> tuple[int, bytes]:
        """The FCntUp and the encrypted FRMPayload of the next uplink. OverflowError: the counter is exhausted, and the
        device must join again (LoRaWAN 1.0.3 §4.3.1.5)."""
        f_cnt = self.next_f_cnt_up
        if f_cnt > LAST_F_CNT:
            raise OverflowError("the frame counter is exhausted: the device must join again")
        self.next_f_cnt_up += 1
        return f_cnt, lorawan.crypt_frm_payload(self.app_s_key, self.dev_addr, f_cnt, payload, downlink=False)

    def receive(self, dev_addr: str, f_port: int, f_cnt: int, payload: bytes, *, confirmed: bool) -> None:
        """Decrypts an FRMPayload and stores the result without checking it. Ignores frames of other sessions."""
        if dev_addr == self.dev_addr:
            plain = lorawan.crypt_frm_payload(self.app_s_key, dev_addr, f_cnt, payload, downlink=True)
            self.received.append({
                "f_port": f_port, "f_cnt": f_cnt, "confirmed": confirmed, "frm_payload": base64_of(plain),
            })  # fmt: skip

    def receive_own(self, dev_addr: str, f_cnt: int) -> None:
        """Receives a frame without a payload: MAC commands of the network, or an acknowledgement."""
