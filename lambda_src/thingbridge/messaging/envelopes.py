"""What AWS wraps around a message that failed: the shapes that a dead-letter queue holds, and the message inside.

A message that a function failed on is in its dead-letter queue as it was sent. A message that a rule could not pass on
is there as the document of the rule's error action (AWS IoT Developer Guide, "Error handling (error action)"), and an
event that a function failed on after an asynchronous invocation as Lambda's record of it (AWS Lambda Developer Guide,
"Adding a destination"). All of them return to the queue by the same redrive, so the reader of a queue knows all three.
"""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, Final

from thingbridge.messaging import rule_payload

RuleOutput = Callable[[str, bytes], str]
"""What a rule passes on of the bytes that were published on a topic, as the text of a message."""

_DEEPEST: Final = 5
"""A record can contain a document that contains a record; AWS makes no more levels than these."""


def unwrap(body: str, rule_output: RuleOutput = rule_payload.output) -> str:
    """The message inside `body`, as its queue receives it; `body` itself when nothing is wrapped around it.

    `rule_output`: what the rule that feeds the queue would have passed on.
    """
    for _ in range(_DEEPEST):
        inner = _inner(body, rule_output)
        if inner is None:
            return body
        body = inner
    return body


def unwrap_event(event: dict[str, Any]) -> dict[str, Any]:
    """The rule's output inside an event that a function is invoked with: the event itself, unless it was a failure."""
    if "payload" in event:
        return event
    inner = _read(unwrap(json.dumps(event)))
    return inner if isinstance(inner, dict) else event


def _inner(body: str, rule_output: RuleOutput) -> str | None:
    match _read(body):
        case {"requestContext": dict(), "requestPayload": payload}:
            return payload if isinstance(payload, str) else json.dumps(payload)
        case {"ruleName": str(), "topic": str(topic), "base64OriginalPayload": str(payload)}:
            try:
                return rule_output(topic, base64.b64decode(payload, validate=True))
            except binascii.Error:
                return None
    return None


def _read(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
