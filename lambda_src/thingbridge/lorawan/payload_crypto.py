"""Encryption of the FRMPayload with the application session key.

LoRaWAN 1.0.3 §4.3.3 and 1.1 §4.3.3: the payload is combined with the key stream S = AES(AppSKey, A_1) | AES(AppSKey,
A_2) | … of the blocks A_i = 01 | 00000000 | direction | DevAddr | FCnt | 00 | i, addresses and counters in little
endian. Encrypting and decrypting are the same operation. Importing this module imports `cryptography`, which only
functions under end-to-end encryption have.
"""

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_BYTES: Final = 16
_UP: Final = 0
_DOWN: Final = 1


def crypt_uplink(app_s_key: bytes, dev_addr: str, f_cnt: int, frm_payload: bytes) -> bytes:
    """Encrypt or decrypt the FRMPayload of an uplink.

    `app_s_key` 16 bytes; `dev_addr` 8 hex digits; `f_cnt` the whole counter, 0 to 4294967295.
    """
    return _crypt(app_s_key, _UP, dev_addr, f_cnt, frm_payload)


def crypt_downlink(app_s_key: bytes, dev_addr: str, f_cnt: int, frm_payload: bytes) -> bytes:
    """Encrypt or decrypt the FRMPayload of a downlink; arguments as for an uplink."""
    return _crypt(app_s_key, _DOWN, dev_addr, f_cnt, frm_payload)


def _crypt(app_s_key: bytes, direction: int, dev_addr: str, f_cnt: int, frm_payload: bytes) -> bytes:
    first_block = b"".join(
        (
            b"\x01\0\0\0\0",
            direction.to_bytes(1),
            bytes.fromhex(dev_addr)[::-1],
            f_cnt.to_bytes(4, "little"),
            b"\0\x01",
        )
    )
    # The blocks A_i are those of counter mode starting at A_1: no payload is so long that i needs a second byte.
    cipher = Cipher(algorithms.AES128(app_s_key), modes.CTR(first_block))
    return cipher.encryptor().update(frm_payload)
