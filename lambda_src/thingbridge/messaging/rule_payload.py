"""The output of a topic rule: the published bytes, whatever they are.

The rules select `encode(*, 'base64')` instead of `*`. So a payload that is not JSON reaches the function as well, and
JSON keeps every byte, which the rules engine does not guarantee for `*`.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from thingbridge.errors import BadInput

MAX_LEVELS: Final = 100
"""The deepest nesting of objects and lists in a payload: deeper ones could not be processed recursively."""


def output(topic: str, published: bytes) -> str:
    """The output of such a rule for bytes published on a topic, as the text of a message."""
    return json.dumps({"topic": topic, "payload": base64.b64encode(published).decode()})


def raw(event: Mapping[str, Any]) -> bytes:
    """The published bytes of `{"payload": base64}`, empty without the field. Raises BadInput."""
    try:
        return base64.b64decode(event.get("payload") or "", validate=True)
    except (TypeError, ValueError) as error:
        raise BadInput("payload", "the rule's output is not base64") from error


def json_object(payload: bytes, levels: int = MAX_LEVELS) -> dict[str, Any]:
    """Decode a JSON object in UTF-8 that has at most `levels` levels. Raises BadInput that says what it is instead."""
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise BadInput("payload", "is not JSON") from error
    if not isinstance(body, dict):
        raise BadInput("payload", "is JSON, but not an object")
    # Counted before it is looked at: nearly every message has so few objects and lists that it can't be too deep.
    if payload.count(b"{") + payload.count(b"[") > levels and is_deeper_than(levels, body):
        raise BadInput("payload", f"is nested deeper than {levels} levels")
    return body


def is_deeper_than(levels: int, value: Any) -> bool:
    """Whether objects and lists are nested in each other deeper than so many levels. It does not recurse itself."""
    level = [value]
    for _ in range(levels):
        level = [
            each
            for part in level
            for each in (part.values() if isinstance(part, dict) else part)
            if isinstance(each, dict | list)
        ]
        if not level:
            return False
    return True
