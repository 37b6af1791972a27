"""Seals: how this stack recognises a downlink of its own when The Things Stack returns it.

Whoever may publish on the stack's topics can forge a message with returned downlinks, and choose their payload if he
knows that of another downlink: a payload is encrypted by XOR. A seal is a correlation id that only the stack can make.
Which downlinks are returned is in `downlinks`.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

from thingbridge.encryption.messages import frame_counter, payload_bytes

SEAL: Final = "thingbridge-seal:"
"""How the correlation id begins. The Things Stack allows 100 characters."""

_PURPOSE: Final = b"thingbridge seal of downlinks"
_HEX_DIGITS: Final = 32


def sealing_key(key_encryption_key: bytes) -> bytes:
    """The key of seals, derived from the stack's key encryption key."""
    return hmac.digest(key_encryption_key, _PURPOSE, hashlib.sha256)


def sealed(downlink: Mapping[str, Any], device: str, key: bytes) -> dict[str, Any]:
    """An encrypted `ApplicationDownlink` with its seal, in place of any other one.

    `device`: the key of the device's sessions. The seal covers it, and the session, counter, FPort, payload and whether
    it is confirmed.
    """
    others = [each for each in downlink.get("correlation_ids") or () if not str(each).startswith(SEAL)]
    return {**downlink, "correlation_ids": [*others, _seal(downlink, device, key)]}


def is_sealed(downlink: Mapping[str, Any], device: str, key: bytes) -> bool:
    """Whether a returned downlink is as this stack queued it for this device. Raises BadInput, like `is_readable`."""
    correlation_ids = downlink.get("correlation_ids")
    if not isinstance(correlation_ids, list):
        return False
    seal = _seal(downlink, device, key).encode()
    return any(hmac.compare_digest(str(each).encode(errors="replace"), seal) for each in correlation_ids)


def _seal(downlink: Mapping[str, Any], device: str, key: bytes) -> str:
    parts = (
        device,
        downlink.get("session_key_id"),
        frame_counter(downlink),
        downlink.get("f_port"),
        bool(downlink.get("confirmed")),
        payload_bytes(downlink.get("frm_payload")).hex(),
    )
    text = "\n".join(map(str, parts)).encode(errors="surrogatepass")
    return SEAL + hmac.new(key, text, hashlib.sha256).hexdigest()[:_HEX_DIGITS]
