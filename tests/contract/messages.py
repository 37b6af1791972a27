"""The recorded bodies of messages to an application with what is fact in them, and how a body is compared.

`tests/data/tts/messages.json` holds one message a line: its kind, and of its body the names of the fields and what
their values are. Values are kept where they are the fact: the name of an error, a priority, the kinds of correlation
ids. The bodies are those that the open source, v3.32.1, posted to a webhook.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data" / "tts" / "messages.json"

_KEPT = ("namespace", "name", "code", "@type", "priority")
_FORMS = {
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z",
    "duration": r"\d+(\.\d+)?s",
    "decimal": r"\d+(\.\d+)?",
    "hex": r"([0-9A-F]{6}|[0-9A-F]{8}|[0-9A-F]{16}|[0-9a-f]{32})",
    "base64": r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})",
}
"""Form of a text → its grammar, in the order in which they are tried."""
_IN_WORDS = ("device_id", "application_id", "gateway_id", "message_format", "coding_rate")
"""Texts of which only that is a fact."""


def recorded() -> Mapping[str, Any]:
    """Name of a message → the shape of its body."""
    messages: Mapping[str, Any] = json.loads(DATA.read_text())
    return messages


def shape(value: Any, name: str = "") -> Any:
    """A body with the form of each value in its place; the items of a list together."""
    if isinstance(value, Mapping):
        return {each: shape(item, each) for each, item in value.items()}
    if name == "correlation_ids":
        return sorted(each.rpartition(":")[0] for each in value)
    if isinstance(value, list):
        return [json.loads(each) for each in sorted({json.dumps(shape(item)) for item in value})]
    if isinstance(value, bool) or name in _KEPT:
        return value
    if isinstance(value, int | float):
        return "number"
    if name in _IN_WORDS:
        return "text"
    if re.fullmatch(_FORMS["hex"], value) and not re.fullmatch("frequency|.*f_cnt", name):
        return "hex"
    return next((form for form, grammar in _FORMS.items() if re.fullmatch(grammar, value)), "text")
