"""Field masks over the Stack's messages: copy the masked paths of one into another, show only the masked paths."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any


def lookup(message: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, None when it is absent."""
    at: Any = message
    for step in path.split("."):
        if not isinstance(at, dict) or step not in at:
            return None
        at = at[step]
    return at


def write(target: dict[str, Any], source: dict[str, Any], paths: Iterable[str]) -> None:
    """Gives `target` the value `source` has at each path; a path absent from `source` is cleared, as in the Stack."""
    for path in paths:
        value = lookup(source, path)
        *parents, last = path.split(".")
        at = target
        for step in parents:
            at = at.setdefault(step, {}) if value is not None else at.get(step, {})
        if value is None:
            at.pop(last, None)
        else:
            at[last] = copy.deepcopy(value)


def shown(message: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """A copy with `ids`, `created_at`, `updated_at` and the masked paths; what has no value is left out."""
    result: dict[str, Any] = {}
    present = [path for path in ("ids", "created_at", "updated_at", *paths) if lookup(message, path) is not None]
    write(result, message, present)
    return result
