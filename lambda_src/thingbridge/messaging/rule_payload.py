"""The output of a topic rule: the published bytes, whatever they are.

The rules select `encode(*, 'base64')` instead of `*`. So a payload that is not JSON reaches the function as well, and
JSON keeps every byte, which the rules engine does not guarantee for `*`.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from thingbridge.errors import BadInput


def output(topic: str, published: bytes) -> str:
    """The output of such a rule for bytes published on a topic, as the text of a message."""
    return json.dumps({"topic": topic, "payload": base64.b64encode(published).decode()})


def raw(event: Mapping[str, Any]) -> bytes:
    """The published bytes of `{"payload": base64}`, empty without the field. Raises BadInput."""
    try:
        return base64.b64decode(event.get("payload") or "", validate=True)
    except (binascii.Error, TypeError) as error:
        raise BadInput("payload", "the rule's output is not base64") from error


def json_object(payload: bytes) -> dict[str, Any]:
    """Decode a JSON object in UTF-8. Raises BadInput that says what it is instead."""
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise BadInput("payload", "is not JSON") from error
    if not isinstance(body, dict):
        raise BadInput("payload", "is JSON, but not an object")
    return body
