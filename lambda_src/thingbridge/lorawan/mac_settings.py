"""Settings of the MAC layer: how they are written, and their values.

Sources: LoRaWAN Regional Parameters (receive windows); The Things Stack `lorawan.proto`, `RxDelay`.
"""

import re
from typing import Final

from thingbridge.errors import BadInput

LONGEST_RX_DELAY: Final = 15

_RX_DELAY: Final = re.compile(r"(?:RX_DELAY_)?([0-9]|1[0-5])", re.IGNORECASE)
_FLAGS: Final = {"true": True, "false": False}


def flag(field: str, value: str) -> bool:
    """`true` or `false`, in upper or lower case. Raises BadInput."""
    try:
        return _FLAGS[value.lower()]
    except KeyError:
        raise BadInput(field, "must be true or false") from None


def rx_delay(field: str, value: str) -> int:
    """`5` or `RX_DELAY_5` → seconds from the end of an uplink to the first receive window. Raises BadInput.

    0 means one second, as in LoRaWAN 1.0.3 §5.7.
    """
    found = _RX_DELAY.fullmatch(value)
    if not found:
        raise BadInput(field, f"must be 1 to {LONGEST_RX_DELAY}, in seconds")
    return int(found[1]) or 1
