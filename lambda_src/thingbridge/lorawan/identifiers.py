"""Identifiers and keys of LoRaWAN and The Things Stack: their grammar, and the one spelling used here.

Spelling: EUIs and keys are upper-case hex digits without separators, device ids are lower case.
Grammar of ids: The Things Stack `identifiers.proto`; EUI-64 and keys: LoRaWAN 1.0.3 §6.2.
"""

import re
from typing import Final, NamedTuple

from thingbridge.errors import BadInput

_EUI: Final = re.compile(r"[0-9A-F]{16}")
_KEY: Final = re.compile(r"[0-9A-F]{32}")
_CLAIM_CODE: Final = re.compile(r"[0-9A-Z]{1,32}")
_TTS_ID: Final = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,}")
TTS_ID_MAX_LENGTH: Final = 36


class EndDeviceIdentifiers(NamedTuple):
    """The identifiers of a device. `dev_eui` and `join_eui` are None for a device without them (ABP, multicast)."""

    device_id: str
    dev_eui: str | None
    join_eui: str | None


def eui(field: str, value: object) -> str:
    """An EUI-64 (DevEUI, JoinEUI, AppEUI) as 16 upper-case hex digits. Raises BadInput that names `field`."""
    text = _upper(value)
    if not _EUI.fullmatch(text):
        raise BadInput(field, "must be 16 hexadecimal digits")
    return text


def root_key(field: str, value: object) -> str:
    """An AES-128 root key (AppKey, NwkKey) as 32 upper-case hex digits. The error never shows the value.

    The all-zero key is rejected, as by the Join Server.
    """
    text = _upper(value)
    if not _KEY.fullmatch(text):
        raise BadInput(field, "must be 32 hexadecimal digits")
    if not text.strip("0"):
        raise BadInput(field, "must not be all zeros")
    return text


def claim_authentication_code(field: str, value: object) -> str:
    """A claim authentication code in upper case (TTS `deviceclaimingserver.proto`). The error never shows it."""
    text = _upper(value)
    if not _CLAIM_CODE.fullmatch(text):
        raise BadInput(field, "must be 1 to 32 letters and digits")
    return text


def device_id(field: str, value: object) -> str:
    """A device id of The Things Stack: 3 to 36 lower-case letters, digits and single inner dashes."""
    if not isinstance(value, str) or not is_device_id(value):
        raise BadInput(
            field, f"must be 3 to {TTS_ID_MAX_LENGTH} lower-case letters, digits and single dashes between them"
        )
    return value


def is_device_id(text: str) -> bool:
    """Whether a text can be a device id of The Things Stack."""
    return len(text) <= TTS_ID_MAX_LENGTH and _TTS_ID.fullmatch(text) is not None


def _upper(value: object) -> str:
    """A text in upper case, empty for anything but ASCII: the upper case of a ligature or a sharp s is two letters."""
    return value.upper() if isinstance(value, str) and value.isascii() else ""


def is_gateway_id(text: str) -> bool:
    """Whether a text can be a gateway id of The Things Stack, whose grammar is that of device ids."""
    return is_device_id(text)


def default_device_id(dev_eui: str) -> str:
    """The device id of a device without a chosen one: `eui-` and the DevEUI in lower case."""
    return f"eui-{dev_eui.lower()}"
