"""A reading as the rule passes it on: who published it, when it was taken, and what it contains."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from thingbridge.devices.topics import Source
from thingbridge.errors import BadInput
from thingbridge.messaging import rule_payload
from thingbridge.telemetry.schema import ReadingType, is_number

MAX_LEVELS: Final = 50
"""The deepest nesting of objects and lists in a reading."""

AHEAD_MS: Final = 60_000
"""How far the clock of a device may be ahead of AWS IoT. A time further ahead would make all later readings late ones,
so it is not used."""

EARLIEST_MS: Final = 1_420_070_400_000
"""2015-01-01: an earlier time comes from a clock that was not set."""

LATEST_MS: Final = 253_402_300_800_000
"""The year 10000, in which no message is received."""

_MS_FROM: Final = 100_000_000_000
"""Numbers from here on are Unix milliseconds, smaller ones seconds: as seconds it would be the year 5138."""

_LONGEST_QUOTED: Final = 128


@dataclass(frozen=True)
class Reading:
    """An accepted reading.

    `at`: when it was taken, by the clock of the device, or else when AWS IoT received it, in Unix milliseconds; None if
    neither is known. `received_at`: likewise, by AWS IoT. `clock`: why the time of the device is not used; None if it
    is, or if the device sent none. `values`: those of the fields of its type.
    """

    source: Source
    body: Mapping[str, Any]
    values: Mapping[str, float]
    at: int | None
    received_at: int | None
    clock: str | None


def receive(event: Mapping[str, Any], source: Source, types: Mapping[str, ReadingType]) -> Reading:
    """Read the rule's output `{"topic": str, "payload": base64, "aws_timestamp": Unix milliseconds}`.

    Raises BadInput for a reading that its type does not permit, or that names another device as its own.
    """
    body = _json_object(event)
    claimed = body.get("device")
    if claimed is not None and claimed != source.device:
        reason = f"is {_quoted(claimed)}, but the reading was published by {source.device}"
        raise BadInput("device", reason)
    type_ = types.get(source.type_name)
    if type_ is None:
        known = ", ".join(sorted(types)) or "none"
        raise BadInput("type", f"{_quoted(source.type_name)} is not a type of readings; there are: {known}")
    received_at = _received_at(event.get("aws_timestamp"))
    at, clock = _taken_at(body.get("timestamp"), received_at)
    return Reading(source, body, type_.check(body), at, received_at, clock)


def rfc3339(at: int) -> str:
    """Unix milliseconds as text that sorts by time: `2026-01-02T03:04:05.678Z`."""
    moment = datetime.fromtimestamp(at // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z"


def _json_object(event: Mapping[str, Any]) -> dict[str, Any]:
    body = rule_payload.json_object(rule_payload.raw(event), MAX_LEVELS)
    try:
        json.dumps(body, allow_nan=False)
    except ValueError as error:
        raise BadInput("payload", "contains NaN or Infinity, which are not JSON") from error
    return body


def _received_at(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and EARLIEST_MS <= value < LATEST_MS else None


def _taken_at(timestamp: object, received_at: int | None) -> tuple[int | None, str | None]:
    """When a reading was taken, and why the device's own time is not used."""
    if timestamp is None:
        return received_at, None
    at = _milliseconds(timestamp)
    if at is None:
        return received_at, "timestamp is neither a time in RFC 3339 nor in Unix seconds or milliseconds"
    if at < EARLIEST_MS:
        return received_at, "timestamp is before 2015: the clock of the device is not set"
    if received_at is not None and at > received_at + AHEAD_MS:
        return received_at, f"timestamp is {(at - received_at) // 1000} seconds ahead of AWS IoT"
    return at, None


def _milliseconds(timestamp: object) -> int | None:
    if isinstance(timestamp, int | float) and is_number(timestamp):
        at = int(timestamp if timestamp >= _MS_FROM else timestamp * 1000)
    elif isinstance(timestamp, str):
        try:
            moment = datetime.fromisoformat(timestamp)
            at = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            return None
    else:
        return None
    return at if 0 <= at < LATEST_MS else None


def _quoted(value: object) -> str:
    return ascii(value)[:_LONGEST_QUOTED] if isinstance(value, str) else "not text"
