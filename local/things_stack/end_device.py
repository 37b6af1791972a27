"""What is inside an end device: its security session, its frame counter, and what it understood of what it received.

The other end of the encryption: nothing here is known to the Network Server, and the AppSKey only to who holds it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from local.things_stack import lorawan, messages
from local.things_stack.messages import Json

LAST_F_CNT = 2**32 - 1


@dataclass
class EndDevice:
    """`next_f_cnt_up` is what its next uplink carries, all 32 bits; `received` what it decrypted, oldest first."""

    app_s_key: bytes = b""
    dev_addr: str = ""
    next_f_cnt_up: int = 0
    received: list[Json] = field(default_factory=list)

    def join(self, app_s_key: bytes, dev_addr: str) -> None:
        """Begins a session; the one before is forgotten."""
        self.app_s_key, self.dev_addr, self.next_f_cnt_up = app_s_key, dev_addr, 0

    def send(self, payload: bytes) -> tuple[int, bytes]:
        """The FCntUp and the encrypted FRMPayload of the next uplink. OverflowError: the counter is used up, and the
        device must join again (LoRaWAN 1.0.3 §4.3.1.5)."""
        f_cnt = self.next_f_cnt_up
        if f_cnt > LAST_F_CNT:
            raise OverflowError("the frame counter is used up: the device must join again")
        self.next_f_cnt_up += 1
        return f_cnt, lorawan.crypt_frm_payload(self.app_s_key, self.dev_addr, f_cnt, payload, downlink=False)

    def receive(self, dev_addr: str, f_port: int, f_cnt: int, payload: bytes, *, confirmed: bool) -> None:
        """Decrypts an FRMPayload and keeps what comes out, sense or not; another session's frame is not for it."""
        if dev_addr == self.dev_addr:
            plain = lorawan.crypt_frm_payload(self.app_s_key, dev_addr, f_cnt, payload, downlink=True)
            self.received.append({
                "f_port": f_port, "f_cnt": f_cnt, "confirmed": confirmed, "frm_payload": messages.base64_of(plain),
            })  # fmt: skip
