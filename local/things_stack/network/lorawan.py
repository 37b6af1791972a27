"""LoRaWAN key derivation, payload encryption and key wrapping, as in end devices and the Join Server. Pure."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_wrap


def _aes(key: bytes, blocks: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES128(key), modes.ECB()).encryptor()  # noqa: S305 - LoRaWAN's own construction
    return encryptor.update(blocks) + encryptor.finalize()


def app_s_key(mac_version: str, root_key: bytes, join_nonce: int, net_id: int, join_eui: str, dev_nonce: int) -> bytes:
    """The 16-byte AppSKey of a session. Before LoRaWAN 1.1 it is derived from AppNonce, NetID and DevNonce (1.0.3
    §6.2.5), from 1.1 on from JoinNonce, JoinEUI and DevNonce (1.1 §6.2.5). `join_eui` is 16 hex digits."""
    head = b"\x02" + join_nonce.to_bytes(3, "little")
    middle = bytes.fromhex(join_eui)[::-1] if mac_version == "MAC_V1_1" else net_id.to_bytes(3, "little")
    return _aes(root_key, (head + middle + dev_nonce.to_bytes(2, "little")).ljust(16, b"\0"))


def nwk_s_key(root_key: bytes, join_nonce: int, net_id: int, dev_nonce: int) -> bytes:
    """The 16-byte NwkSKey of a session before LoRaWAN 1.1 (1.0.3 §6.2.5)."""
    nonces = join_nonce.to_bytes(3, "little") + net_id.to_bytes(3, "little") + dev_nonce.to_bytes(2, "little")
    return _aes(root_key, (b"\x01" + nonces).ljust(16, b"\0"))


def crypt_frm_payload(key: bytes, dev_addr: str, f_cnt: int, payload: bytes, *, downlink: bool) -> bytes:
    """Encrypts or decrypts an FRMPayload (LoRaWAN 1.0.3 §4.3.3). `dev_addr`: 8 hex digits, `f_cnt`: all 32 bits."""
    head = b"\x01\0\0\0\0" + bytes([downlink]) + bytes.fromhex(dev_addr)[::-1] + f_cnt.to_bytes(4, "little") + b"\0"
    blocks = b"".join(head + bytes([i]) for i in range(1, -(-len(payload) // 16) + 1))
    return bytes(a ^ b for a, b in zip(payload, _aes(key, blocks), strict=False))


def wrap(kek: bytes, key: bytes) -> bytes:
    """RFC 3394 key wrap: 24 bytes for a 16-byte key."""
    return aes_key_wrap(kek, key)
