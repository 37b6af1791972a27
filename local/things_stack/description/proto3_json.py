"""Values in proto3 JSON as The Things Stack prints them: times, bytes, and messages without their zero values."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

_STRUCTS = ("decoded_payload", "data", "attributes")
"""Free-form fields, whose zero values are kept."""


def rfc3339(nanoseconds: int) -> str:
    """Unix nanoseconds as an RFC 3339 time: UTC, without the trailing zeros of the fraction."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    digits = f".{fraction:09d}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{digits}Z"


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def without_zero_values(message: Json) -> Json:
    """`message` without zero and empty values, as proto3 JSON prints it; free-form structs are left unchanged."""
    result: Json = {}
    for name, value in message.items():
        printed = value
        if name not in _STRUCTS and isinstance(value, dict):
            printed = without_zero_values(value)
        elif isinstance(value, list):
            printed = [without_zero_values(item) if isinstance(item, dict) else item for item in value]
        if printed is not None and printed != 0 and printed not in ("", [], {}):
            result[name] = printed
    return result
