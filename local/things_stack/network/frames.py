"""PHYPayloads of LoRaWAN 1.0.x, as they are sent over the air: join-request, join-accept and data frames. Pure.

Encoding, decoding, and message integrity codes. Which key, counter and session a frame belongs to is decided by its two
ends. Source: LoRaWAN 1.0.3 §4 and §6.2. The Rejoin-requests and the second integrity code of LoRaWAN 1.1 are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from local.things_stack.network import lorawan

JOIN_REQUEST, JOIN_ACCEPT = 0b000, 0b001
_UNCONFIRMED, _CONFIRMED = (0b010, 0b011), (0b100, 0b101)
"""MType of a data frame, up and down."""
_ADR, _ADR_ACK_REQ, _ACK, _PENDING, _F_OPTS_LEN = 0x80, 0x40, 0x20, 0x10, 0x0F
_MIC = 4
_SHORTEST_DATA, _JOIN_REQUEST_LENGTH, _JOIN_ACCEPT_LENGTHS = 12, 23, (17, 33)

LINK_CHECK, LINK_ADR, DUTY_CYCLE, RX_PARAM_SETUP, DEV_STATUS = range(0x02, 0x07)
NEW_CHANNEL, RX_TIMING_SETUP, TX_PARAM_SETUP, DL_CHANNEL = range(0x07, 0x0B)
DEVICE_TIME = 0x0D
FROM_NETWORK = {
    LINK_CHECK: 2, LINK_ADR: 4, DUTY_CYCLE: 1, RX_PARAM_SETUP: 4, DEV_STATUS: 0, NEW_CHANNEL: 5, RX_TIMING_SETUP: 1,
    TX_PARAM_SETUP: 1, DL_CHANNEL: 4, DEVICE_TIME: 5,
}  # fmt: skip
"""MAC command of the network → bytes that follow its identifier (1.0.3 §5)."""
FROM_DEVICE = {
    LINK_CHECK: 0, LINK_ADR: 1, DUTY_CYCLE: 0, RX_PARAM_SETUP: 1, DEV_STATUS: 2, NEW_CHANNEL: 1, RX_TIMING_SETUP: 0,
    TX_PARAM_SETUP: 0, DL_CHANNEL: 1, DEVICE_TIME: 0,
}  # fmt: skip
"""MAC command of a device → bytes that follow its identifier."""


class Malformed(ValueError):
    """Bytes that are not a frame of the expected type."""


@dataclass(frozen=True)
class JoinRequest:
    """EUIs are 16 upper-case hex digits."""

    join_eui: str
    dev_eui: str
    dev_nonce: int

    def encode(self, root_key: bytes) -> bytes:
        body = bytes([JOIN_REQUEST << 5]) + _little(self.join_eui) + _little(self.dev_eui)
        body += self.dev_nonce.to_bytes(2, "little")
        return body + _cmac(root_key, body)


@dataclass(frozen=True)
class JoinAccept:
    """`net_id` is 6, `dev_addr` 8 hex digits; `rx1_delay` in seconds. `cf_list` is empty or has 16 bytes."""

    join_nonce: int
    net_id: str
    dev_addr: str
    rx1_delay: int = 1
    dl_settings: int = 0
    cf_list: bytes = b""

    def encode(self, root_key: bytes) -> bytes:
        head = bytes([JOIN_ACCEPT << 5])
        body = self.join_nonce.to_bytes(3, "little") + _little(self.net_id) + _little(self.dev_addr)
        body += bytes([self.dl_settings, self.rx1_delay]) + self.cf_list
        decryptor = _ecb(root_key).decryptor()  # so that a device needs only the encryption
        return head + decryptor.update(body + _cmac(root_key, head + body)) + decryptor.finalize()


@dataclass(frozen=True)
class DataFrame:
    """An uplink or a downlink. `f_cnt` has all 32 bits, or the 16 that are sent after `decode`; `frm_payload` is
    encrypted; `f_opts` are MAC commands; no `f_port` means no payload. `pending`: more downlinks wait, or the device
    is in Class B."""

    downlink: bool
    dev_addr: str
    f_cnt: int
    f_port: int | None = None
    frm_payload: bytes = b""
    f_opts: bytes = b""
    confirmed: bool = False
    ack: bool = False
    adr: bool = False
    adr_ack_req: bool = False
    pending: bool = False

    def encode(self, nwk_s_key: bytes) -> bytes:
        body = self._body()
        return body + self._mic(nwk_s_key, body)

    def is_signed(self, mic: bytes, nwk_s_key: bytes, f_cnt: int) -> bool:
        """Whether `mic` is that of this frame with the session key and all 32 bits of its counter."""
        frame = replace(self, f_cnt=f_cnt)
        return f_cnt & 0xFFFF == self.f_cnt & 0xFFFF and frame._mic(nwk_s_key, frame._body()) == mic

    def _body(self) -> bytes:
        m_type = (_CONFIRMED if self.confirmed else _UNCONFIRMED)[self.downlink]
        flags = {_ADR: self.adr, _ADR_ACK_REQ: self.adr_ack_req, _ACK: self.ack, _PENDING: self.pending}
        control = sum(flag for flag, is_set in flags.items() if is_set) | len(self.f_opts)
        head = bytes([m_type << 5]) + _little(self.dev_addr) + bytes([control])
        head += (self.f_cnt & 0xFFFF).to_bytes(2, "little") + self.f_opts
        return head if self.f_port is None else head + bytes([self.f_port]) + self.frm_payload

    def _mic(self, nwk_s_key: bytes, body: bytes) -> bytes:
        block = b"\x49\0\0\0\0" + bytes([self.downlink]) + _little(self.dev_addr) + self.f_cnt.to_bytes(4, "little")
        return _cmac(nwk_s_key, block + bytes([0, len(body)]) + body)


def m_type(raw: bytes) -> int:
    """The message type. Malformed: no bytes at all."""
    if not raw:
        raise Malformed("an empty frame")
    return raw[0] >> 5


def decode_join_request(raw: bytes) -> JoinRequest:
    """Malformed: another type or length. The integrity code is checked by comparing with `encode`."""
    if m_type(raw) != JOIN_REQUEST or len(raw) != _JOIN_REQUEST_LENGTH:
        raise Malformed("not a join-request")
    return JoinRequest(_big(raw[1:9]), _big(raw[9:17]), int.from_bytes(raw[17:19], "little"))


def decode_join_accept(raw: bytes, root_key: bytes) -> JoinAccept:
    """Malformed: another type or length, or for a device with another key."""
    if m_type(raw) != JOIN_ACCEPT or len(raw) not in _JOIN_ACCEPT_LENGTHS:
        raise Malformed("not a join-accept")
    encryptor = _ecb(root_key).encryptor()
    content = encryptor.update(raw[1:]) + encryptor.finalize()
    body, mic = content[:-_MIC], content[-_MIC:]
    if _cmac(root_key, raw[:1] + body) != mic:
        raise Malformed("a join-accept of another device")
    return JoinAccept(int.from_bytes(body[:3], "little"), _big(body[3:6]), _big(body[6:10]), body[11] or 1, body[10],
                      body[12:])  # fmt: skip


def decode_data(raw: bytes) -> tuple[DataFrame, bytes]:
    """The frame with the 16 bits of its counter that are sent, and its integrity code. Malformed: not a data frame."""
    kind = m_type(raw)
    if kind not in (*_UNCONFIRMED, *_CONFIRMED) or len(raw) < _SHORTEST_DATA:
        raise Malformed("not a data frame")
    body, mic = raw[:-_MIC], raw[-_MIC:]
    control = body[5]
    rest = 8 + (control & _F_OPTS_LEN)
    if rest > len(body):
        raise Malformed("a data frame with cut MAC commands")
    frame = DataFrame(
        downlink=kind in (_UNCONFIRMED[1], _CONFIRMED[1]), dev_addr=_big(body[1:5]),
        f_cnt=int.from_bytes(body[6:8], "little"), f_port=body[rest] if len(body) > rest else None,
        frm_payload=body[rest + 1 :], f_opts=body[8:rest], confirmed=kind in _CONFIRMED, ack=bool(control & _ACK),
        adr=bool(control & _ADR), adr_ack_req=bool(control & _ADR_ACK_REQ), pending=bool(control & _PENDING),
    )  # fmt: skip
    return frame, mic


def crypt(frame: DataFrame, key: bytes) -> bytes:
    """The payload of a frame that has all bits of its counter, decrypted or encrypted."""
    return lorawan.crypt_frm_payload(key, frame.dev_addr, frame.f_cnt, frame.frm_payload, downlink=frame.downlink)


def mac_commands(raw: bytes, lengths: Mapping[int, int]) -> list[tuple[int, bytes]]:
    """Identifiers and contents of MAC commands, up to the first that is not in `lengths` or is cut."""
    found, at = [], 0
    while at < len(raw) and raw[at] in lengths and at + lengths[raw[at]] < len(raw):
        end = at + 1 + lengths[raw[at]]
        found.append((raw[at], raw[at + 1 : end]))
        at = end
    return found


def _cmac(key: bytes, message: bytes) -> bytes:
    code = CMAC(algorithms.AES128(key))
    code.update(message)
    return code.finalize()[:_MIC]


def _ecb(key: bytes) -> Cipher[modes.ECB]:
    return Cipher(algorithms.AES128(key), modes.ECB())  # noqa: S305 - LoRaWAN's own construction


def _little(digits: str) -> bytes:
    return bytes.fromhex(digits)[::-1]


def _big(raw: bytes) -> str:
    return raw[::-1].hex().upper()
