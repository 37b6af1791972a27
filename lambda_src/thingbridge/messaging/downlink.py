"""A downlink request of an application: read, validated, and translated for The Things Stack.

Public fields: `bytes` (base64 FRMPayload) or `payload` (object for the device's downlink encoder), `fPort`,
`confirmed`, `highPriority` or `priority`, `classBC`, `correlationIDs`. Limits: The Things Stack `messages.proto`.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from thingbridge.errors import BadInput, Refused
from thingbridge.lorawan import identifiers
from thingbridge.messaging import rule_payload, topics

PRIORITIES: Final = ("LOWEST", "LOW", "BELOW_NORMAL", "NORMAL", "ABOVE_NORMAL", "HIGH", "HIGHEST")
"""`TxSchedulePriority`. `highPriority` means HIGH; HIGHEST has to be requested by name."""

MAX_DOWNLINKS: Final = 100
"""Downlinks in one request. Under end-to-end encryption each takes a frame counter, whether or not it is queued."""

MAX_PAYLOAD_BYTES: Final = 255
MAX_CORRELATION_ID_LENGTH: Final = 100
MAX_LEVELS: Final = 50
"""The deepest nesting of objects and lists in a request."""

MAX_REJECTION_BYTES: Final = 128 * 1024
"""AWS IoT quota "maximum publish payload size"."""

FORBIDDEN_F_PORT: Final = 224
"""LoRaWAN reserves FPort 224 for its certification test protocol (LoRaWAN 1.0.3 §4.3.2)."""


_GATEWAYS: Final = "must be a list of gateway IDs, each with its antenna and group if needed, as in gateway:1:2"
_INDEX: Final = re.compile(r"[0-9]{1,9}")

MARK: Final = "thingbridge:"
"""Beginning of the correlation id by which the downlinks of a request are found again in the queue of their device."""

LATEST: Final = 253_402_300_800_000
"""Milliseconds since 1970 that no message was received at: the year 10000."""


class NotSendable(Refused):
    """A downlink can't be sent. The text is for the sender of its request: it names nothing of the AWS account."""


@dataclass(frozen=True)
class ReceivedRequest:
    """A request before validation: which thing it is for is known even if the rest is invalid.

    `thing_name` is None if the request names no thing. `body` is None if the payload is not a usable JSON object, and
    `fault` says why. `mark` is the same each time the request is handled, and differs from that of every other request.
    `received_at`: when the rule received it, in seconds since 1970; None if unknown. `content`: topic and payload as
    they were published, which every stack of the account receives alike.
    """

    thing_name: str | None
    replace: bool
    body: Mapping[str, Any] | None
    fault: BadInput | None
    mark: str = ""
    received_at: float | None = None
    content: str = ""


def receive(event: Mapping[str, Any]) -> ReceivedRequest:
    """Read the rule's output `{"topic": str, "payload": base64, "receivedAt": Unix milliseconds}`.

    Raises nothing: a fault is returned in `fault`.
    """
    origin = mark(event), received_at(event), f"{event.get('topic')} {event.get('payload')}"
    topic = topics.downlink_request(event.get("topic"))
    if topic is None:
        reason = f"{event.get('topic')} is not a topic for downlink requests"
        return ReceivedRequest(None, False, None, BadInput("topic", reason), *origin)
    body: dict[str, Any] | None = None
    fault: BadInput | None = None
    try:
        body = _sendable(rule_payload.json_object(rule_payload.raw(event), MAX_LEVELS))
    except BadInput as error:
        fault = error
    name = topic.thing_name if topic.thing_name is not None else (body or {}).get("thingName")
    if not isinstance(name, str) or not topics.THING_NAME.fullmatch(name):
        name, fault = None, fault or BadInput("thingName", "must be the name of a thing")
    return ReceivedRequest(name, topic.replace, body, fault, *origin)


def received_at(event: Mapping[str, Any]) -> float | None:
    """When the rule received the message of its output, in seconds since 1970; None if the output does not say so."""
    at = event.get("receivedAt")
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < LATEST:
        return None
    return at / 1000


def mark(event: Mapping[str, Any]) -> str:
    """The mark of all downlinks of one rule output: it depends on topic, payload and the time of receipt alone."""
    return _mark(event.get("topic"), event.get("payload"), event.get("receivedAt"))


def mark_of_returned(downlink: Mapping[str, Any]) -> str:
    """The mark of a downlink that is queued again: its session and its counter in it identify it."""
    return _mark(downlink.get("session_key_id"), downlink.get("f_cnt", 0))


def _mark(*parts: object) -> str:
    return MARK + hashlib.sha256("\n".join(map(str, parts)).encode(errors="surrogatepass")).hexdigest()[:32]


def marked(downlink: Mapping[str, Any], own: str) -> dict[str, Any]:
    """An `ApplicationDownlink` with this mark as its only one; its other correlation ids stay."""
    others = [each for each in downlink.get("correlation_ids") or () if not str(each).startswith(MARK)]
    return {**downlink, "correlation_ids": [*others, own]}


def marks(downlinks: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The marks of `ApplicationDownlink` objects."""
    return frozenset(
        str(each)
        for downlink in downlinks
        for each in downlink.get("correlation_ids") or ()
        if str(each).startswith(MARK)
    )


def parse(request: ReceivedRequest) -> tuple[Mapping[str, Any], ...]:
    """The `ApplicationDownlink` objects of a request: one downlink, or several under `downlinks`.

    Raises BadInput that names the field, or the fault that `receive` found.
    """
    body = request.body
    if request.fault or body is None:
        raise request.fault or BadInput("payload", "is missing")
    if "downlinks" not in body:
        return (_downlink(body, ""),)
    several = body["downlinks"]
    if not isinstance(several, list) or not (several or request.replace):
        raise BadInput("downlinks", "must be a list of downlinks; only a replace may be empty, which clears the queue")
    if len(several) > MAX_DOWNLINKS:
        raise BadInput(
            "downlinks", f"has {len(several)} downlinks, the limit is {MAX_DOWNLINKS}: send several requests"
        )
    read = []
    for index, each in enumerate(several):
        if not isinstance(each, dict):
            raise BadInput(f"downlinks[{index}]", "must be an object")
        read.append(_downlink(each, f"downlinks[{index}]."))
    return tuple(read)


def rejection(request: ReceivedRequest, stack_name: str, field: str | None, reason: str) -> tuple[str, bytes]:
    """Topic and body of the answer to a request that can't be carried out.

    The body repeats the request as it was read, so that its sender can identify it, and has the mark of its downlinks:
    The Things Stack publishes what it refuses too, with that correlation id. A request that names no thing is answered
    on `lorawan/downlink/rejected`.
    """
    topic = (
        topics.public(request.thing_name, topics.DOWNLINK_REJECTED)
        if request.thing_name
        else f"{topics.PUBLIC_BASE}/{topics.DOWNLINK_REJECTED}"
    )
    answer = {
        "stackName": stack_name,
        "field": field,
        "reason": reason,
        "correlationID": request.mark,
        "request": request.body,
    }
    encoded = json.dumps(answer).encode()
    if len(encoded) > MAX_REJECTION_BYTES:
        encoded = json.dumps({**answer, "request": None}).encode()
    return topic, encoded


def _sendable(body: dict[str, Any]) -> dict[str, Any]:
    """The body, if it can be written as JSON again, to The Things Stack and in an answer. Raises BadInput."""
    try:
        json.dumps(body, allow_nan=False)
    except ValueError as error:
        raise BadInput("payload", "contains a number that JSON can't represent") from error
    return body


def _downlink(body: Mapping[str, Any], at: str) -> dict[str, Any]:
    return {
        "f_port": _f_port(body.get("fPort", 1), f"{at}fPort"),
        **_payload(body, at),
        "confirmed": _flag(body, "confirmed", at),
        "priority": _priority(body, at),
        **_class_b_c(body.get("classBC"), f"{at}classBC"),
        **_correlation_ids(body.get("correlationIDs"), f"{at}correlationIDs"),
    }


def _f_port(value: object, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 255 or value == FORBIDDEN_F_PORT:
        raise BadInput(field, f"must be a whole number from 1 to 255, but not {FORBIDDEN_F_PORT}")
    return value


def _payload(body: Mapping[str, Any], at: str) -> dict[str, Any]:
    given = {"bytes", "payload"} & body.keys()
    if len(given) != 1:
        raise BadInput(f"{at}bytes", "give either bytes (base64) or payload (an object for the encoder)")
    if "payload" in given:
        if not isinstance(body["payload"], dict):
            raise BadInput(f"{at}payload", "must be an object")
        return {"decoded_payload": body["payload"]}
    try:
        size = len(base64.b64decode(body["bytes"], validate=True))
    except (binascii.Error, TypeError, ValueError) as error:
        raise BadInput(f"{at}bytes", "must be base64") from error
    if size > MAX_PAYLOAD_BYTES:
        raise BadInput(f"{at}bytes", f"has {size} bytes, the limit is {MAX_PAYLOAD_BYTES}")
    return {"frm_payload": body["bytes"]}


def _flag(body: Mapping[str, Any], field: str, at: str) -> bool:
    value = body.get(field, False)
    if not isinstance(value, bool):
        raise BadInput(f"{at}{field}", "must be true or false")
    return value


def _priority(body: Mapping[str, Any], at: str) -> str:
    high = _flag(body, "highPriority", at)
    value = body.get("priority", "HIGH" if high else "NORMAL")
    if value not in PRIORITIES:
        raise BadInput(f"{at}priority", f"must be one of {', '.join(PRIORITIES)}")
    return str(value)


def _class_b_c(value: object, field: str) -> dict[str, Any]:
    """`{"gateways": [gateway, …], "absoluteTime": RFC 3339}` → `class_b_c` of an `ApplicationDownlink`."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not value or value.keys() - {"gateways", "absoluteTime"}:
        raise BadInput(field, "must be an object with gateways, absoluteTime or both")
    settings: dict[str, Any] = {}
    if "gateways" in value:
        gateways = value["gateways"]
        if not isinstance(gateways, list) or not all(isinstance(each, str) for each in gateways):
            raise BadInput(f"{field}.gateways", _GATEWAYS)
        settings["gateways"] = [_gateway(each, f"{field}.gateways") for each in gateways]
    if "absoluteTime" in value:
        settings["absolute_time"] = _time(value["absoluteTime"], f"{field}.absoluteTime")
    return {"class_b_c": settings}


def _gateway(text: str, field: str) -> dict[str, Any]:
    """`gtw1`, `gtw1:1` or `gtw1:1:2` → `ClassBCGatewayIdentifiers`: id, antenna, group (as in TTS's CLI)."""
    gateway_id, *indexes = text.split(":")
    if not identifiers.is_gateway_id(gateway_id) or len(indexes) > 2 or not all(map(_INDEX.fullmatch, indexes)):
        raise BadInput(field, _GATEWAYS)
    named = zip(("antenna_index", "group_index"), map(int, indexes), strict=False)
    return {"gateway_ids": {"gateway_id": gateway_id}, **dict(named)}


def _time(value: object, field: str) -> str:
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        raise BadInput(field, "must be a time such as 2026-01-31T12:00:00Z") from error
    if at.tzinfo is None:
        raise BadInput(field, "must have an offset, such as Z for UTC")
    return str(value)


def _correlation_ids(value: object, field: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, list) or not all(
        isinstance(each, str) and 0 < len(each) <= MAX_CORRELATION_ID_LENGTH for each in value
    ):
        raise BadInput(field, f"must be a list of texts of 1 to {MAX_CORRELATION_ID_LENGTH} characters")
    return {"correlation_ids": value}
