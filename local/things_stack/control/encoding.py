"""Arguments and results of the control API as JSON, and back."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

BYTES = "base64"


def encoded(value: Any) -> Any:
    """`value` as JSON: dataclasses as objects, bytes as `{"base64": …}`, keys that are pairs joined with "/".

    Other requests may add to a mapping or list meanwhile: each is read as it is when it is reached.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encoded(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return {BYTES: base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {
            "/".join(key) if isinstance(key, tuple) else str(key): encoded(item) for key, item in list(value.items())
        }
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [encoded(item) for item in list(value)]
    return value


def decoded(value: Any) -> Any:
    """`value` with every `{"base64": …}` replaced by bytes."""
    if isinstance(value, dict):
        if set(value) == {BYTES}:
            return base64.b64decode(value[BYTES])
        return {key: decoded(item) for key, item in value.items()}
    return [decoded(item) for item in value] if isinstance(value, list) else value
