"""What a message in a queue of failures says: why it failed, which thing it is about, and what it contains.

Its shapes are those that `envelopes` knows. What a person sees of the content has no keys and codes.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

HIDDEN: Final = "hidden"

MAX_LEVELS: Final = 100
"""The deepest nesting of objects and lists that is shown: whoever may publish decides how deep a message is."""

_KEY: Final = re.compile(r"(key|keys|secret|password|token|authenticationcode|privatekey)$")
"""The end of the names of fields with secrets, in lower case without underscores: `appKey`, `root_keys`, `nwk_key`."""

_NOT_SECRET: Final = frozenset({"sessionkeyid", "maxattributekey", "publickey"})

_VARIABLE: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{8,}\b|\d+", re.IGNORECASE)
"""What distinguishes two sentences about the same cause: EUIs, ids of requests, numbers."""

_THING: Final = re.compile(r"^lorawan/([^/]+)/|^\$aws/things/([^/]+)/|^\$aws/events/thing/([^/]+)/")
_NAMES: Final = ("thingName", "thing", "device_id", "deviceId", "deviceID", "devEUI")


@dataclass(frozen=True)
class FailedMessage:
    """A message that failed.

    `cause`: AWS's or the function's own sentence; None when the message itself does not say it. `topic`: the MQTT topic
    it was published on. `subject`: name of the thing, or id of the device, that it is about. `attempts`: invocations
    that failed. `content`: what was sent, without secrets: JSON if it is JSON, otherwise a text about it.
    """

    cause: str | None
    topic: str | None
    subject: str | None
    attempts: int | None
    content: Any


def read(body: str) -> FailedMessage:
    """A message as it lies in a queue. Every text is read: JSON in an unknown shape is its own content."""
    cause: str | None = None
    attempts: int | None = None
    value = _json(body)
    while isinstance(value, dict) and isinstance(value.get("requestContext"), dict) and "requestPayload" in value:
        context = value["requestContext"]
        cause = cause or _cause_of_record(value)
        attempts = attempts or _number(context.get("approximateInvokeCount"))
        payload = value["requestPayload"]
        value = _json(payload) if isinstance(payload, str) else payload
    topic = value.get("topic") if isinstance(value, dict) else None
    if isinstance(value, dict) and isinstance(value.get("ruleName"), str):
        cause = cause or _cause_of_rule(value)
        value = _content(value.get("base64OriginalPayload"))
    elif isinstance(value, dict) and isinstance(value.get("payload"), str) and topic:
        value = _content(value["payload"])
    elif isinstance(value, str):
        # Not shown: nothing says where in it a key may be.
        value = f"{len(value)} characters that are not JSON"
    topic = topic if isinstance(topic, str) else None
    return FailedMessage(cause, topic, _subject(topic, value), attempts, without_secrets(value))


def replayable(body: str) -> str:
    """The event that a function failed on, inside Lambda's record of it; any other message as it is.

    A record of a record would grow with each replay. The document of a rule stays, as the function reads it itself.
    """
    value = _json(body)
    while isinstance(value, dict) and isinstance(value.get("requestContext"), dict) and "requestPayload" in value:
        payload = value["requestPayload"]
        try:
            inner = payload if isinstance(payload, str) else json.dumps(payload)
        except RecursionError:
            return body
        body, value = inner, _json(inner)
    return body


def published(body: str) -> tuple[str, bytes] | None:
    """Topic and bytes of a message that a rule could not pass on; None for another message."""
    value = _json(body)
    if not isinstance(value, dict) or not isinstance(value.get("topic"), str):
        return None
    try:
        return value["topic"], base64.b64decode(str(value.get("base64OriginalPayload")), validate=True)
    except binascii.Error:
        return None


def alike(cause: str) -> str:
    """The cause without what differs between messages that failed for the same one."""
    return _VARIABLE.sub("…", cause)


def without_secrets(value: Any, levels: int = MAX_LEVELS) -> Any:
    """JSON with the values of keys, codes and tokens replaced, also in texts that are JSON; their presence may be seen.

    What is deeper than so many `levels` is replaced as well: it could not be printed.
    """
    if not levels and isinstance(value, dict | list):
        return f"nested deeper than {MAX_LEVELS} levels"
    match value:
        case dict():
            return {
                name: HIDDEN if _is_secret(name) and each else without_secrets(each, levels - 1)
                for name, each in value.items()
            }
        case list():
            return [without_secrets(each, levels - 1) for each in value]
        case str() if levels and value.lstrip()[:1] in ("{", "["):
            inner = _json(value)
            return value if isinstance(inner, str) else json.dumps(without_secrets(inner, levels - 1))
    return value


def _is_secret(name: object) -> bool:
    plain = str(name).replace("_", "").replace("-", "").lower()
    return bool(_KEY.search(plain)) and plain not in _NOT_SECRET


def _cause_of_record(record: Mapping[str, Any]) -> str | None:
    """AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations"."""
    answer = record.get("responsePayload")
    if isinstance(answer, dict) and answer.get("errorMessage"):
        return str(answer["errorMessage"])
    condition = record["requestContext"].get("condition")
    if condition == "EventAgeExceeded":
        return "the function could not be invoked in time: it was throttled, or failed until the event was too old"
    return None if condition is None else f"the function failed ({condition})"


def _cause_of_rule(document: Mapping[str, Any]) -> str | None:
    """AWS IoT Core Developer Guide, "Error handling (error action)": "Error action message format"."""
    failures = [each for each in document.get("failures") or [] if isinstance(each, dict)]
    texts = dict.fromkeys(
        f"rule {document['ruleName']}: {each.get('failedAction', 'its action')}: {each.get('errorMessage', 'failed')}"
        for each in failures
    )
    return "; ".join(texts) or f"rule {document['ruleName']}: its action failed"


def _content(encoded: object) -> Any:
    try:
        data = base64.b64decode(str(encoded), validate=True)
    except binascii.Error:
        return "not base64"
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return f"{len(data)} bytes that are not JSON"


def _subject(topic: str | None, content: Any) -> str | None:
    found = _THING.search(topic or "")
    if found:
        return next(each for each in found.groups() if each)
    for _ in range(3):
        if not isinstance(content, dict):
            return None
        for name in _NAMES:
            if isinstance(content.get(name), str) and content[name]:
                return str(content[name])
        content = content.get("end_device_ids")
    return None


def _json(text: object) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
