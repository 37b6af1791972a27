"""Field masks on the Stack's messages: copy the masked paths of one message to another, return only masked paths."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any


def value_at(message: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, None when it is absent."""
    at: Any = message
    for step in path.split("."):
        if not isinstance(at, dict) or step not in at:
            return None
        at = at[step]
    return at


def copy_paths(target: dict[str, Any], source: dict[str, Any], paths: Iterable[str]) -> None:
    """Copies the value at each path from `source` to `target`. A path absent from `source` is cleared, as in TTS."""
    for path in paths:
        value = value_at(source, path)
        *parents, last = path.split(".")
        at = target
        for step in parents:
            at = at.setdefault(step, {}) if value is not None else at.get(step, {})
        if value is None:
            at.pop(last, None)
        else:
            at[last] = copy.deepcopy(value)


def select(message: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """A copy with `ids`, `created_at`, `updated_at` and the masked paths, without those that have no value."""
    result: dict[str, Any] = {}
    present = [path for path in ("ids", "created_at", "updated_at", *paths) if value_at(message, path) is not None]
    copy_paths(result, message, present)
    return result
