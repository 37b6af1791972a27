"""A session key in its envelope (`KeyEnvelope` of The Things Stack's `keys.proto`, as JSON): opened and sealed.

| Envelope | Key |
|---|---|
| `key`, 32 hex digits | as it is |
| `encrypted_key`, base64, without `kek_label` | as it is |
| `encrypted_key` with `kek_label` | wrapped with the key of that label (RFC 3394) |

Importing this module imports `cryptography`.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import keywrap

from thingbridge.errors import Refused
from thingbridge.lorawan.payload_crypto import KEY_BYTES


class KeyNotReadable(Refused):
    """The key can't be read from its envelope. The text says why, and contains neither the key nor a label.

    `label`: that of the key it is wrapped with, None if it is not wrapped.
    """

    def __init__(self, reason: str, label: str | None = None) -> None:
        super().__init__(reason)
        self.label = label


def app_s_key(envelope: Mapping[str, Any], key_encryption_key: Callable[[str], bytes | None]) -> bytes:
    """The 16 bytes of the key in an envelope.

    `key_encryption_key(label)` returns the key encryption key of a label, None for an unknown label. Raises
    KeyNotReadable for an unknown label, a key that was wrapped with another key, or something that is not a key.
    """
    if plain := envelope.get("key"):
        return _sixteen_bytes(_from_hex(plain))
    encrypted = _from_base64(envelope.get("encrypted_key"))
    label = envelope.get("kek_label")
    if not label:
        return _sixteen_bytes(encrypted)
    kek = key_encryption_key(str(label))
    if kek is None:
        raise KeyNotReadable("the AppSKey is wrapped with another key than this stack's", str(label))
    try:
        return _sixteen_bytes(keywrap.aes_key_unwrap(kek, encrypted))
    except (keywrap.InvalidUnwrap, ValueError) as error:
        raise KeyNotReadable("the AppSKey was not wrapped with this stack's current key", str(label)) from error


def wrapped(key: bytes, key_encryption_key: bytes, label: str) -> dict[str, str]:
    """The envelope of a key, wrapped with the key encryption key of a label."""
    encrypted_key = keywrap.aes_key_wrap(key_encryption_key, key)
    return {"encrypted_key": base64.b64encode(encrypted_key).decode(), "kek_label": label}


def is_wrapped(envelope: object) -> bool:
    """Whether an envelope may be stored: it can't be opened without the key that its label names."""
    return isinstance(envelope, Mapping) and bool(envelope.get("kek_label")) and not envelope.get("key")


def _sixteen_bytes(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise KeyNotReadable(f"the AppSKey has {len(key)} bytes instead of {KEY_BYTES}")
    return key


# `from None`: the causes would show the value.


def _from_hex(value: object) -> bytes:
    try:
        return bytes.fromhex(str(value))
    except ValueError:
        raise KeyNotReadable("the AppSKey is not in hex digits") from None


def _from_base64(value: object) -> bytes:
    try:
        return base64.b64decode(str(value or ""), validate=True)
    except (binascii.Error, ValueError):
        raise KeyNotReadable("the wrapped AppSKey is not base64") from None
