"""What is published and reported about readings: records, rejections, notifications, and the state in the shadow."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.devices.topics import Source
from thingbridge.errors import BadInput
from thingbridge.telemetry import levels
from thingbridge.telemetry.alerts import Change, Row
from thingbridge.telemetry.readings import AHEAD_MS, Reading, rfc3339
from thingbridge.telemetry.schema import NORMAL, Field

ALERT_CHANGED: Final = "alert_changed"
"""Field of the shadow: when the last change of level in it was decided. An older state does not replace a newer one."""

_LONGEST_SUBJECT: Final = 99
"""Amazon SNS `Publish`, parameter `Subject`: less than 100 characters of ASCII."""


@dataclass(frozen=True)
class Notification:
    """A message for Amazon SNS. `attributes`: text by name, for filter policies of subscriptions."""

    subject: str
    body: str
    attributes: Mapping[str, str]
    group: str
    deduplication_id: str


def alert_level(reading: Reading, fields: Mapping[str, Field], row: Row | None) -> str | None:
    """The most severe level of the fields of a reading, in the order in which the type lists its levels.

    `row`: what is kept after the reading, None if it was not evaluated. A reading that is not the newest has the level
    of its values for themselves. None: no field of the reading has levels.
    """
    measured = {name: each for name, each in fields.items() if name in reading.values}
    if not measured:
        return None
    ranks: list[tuple[int, str]] = []
    for name, each in measured.items():
        kept = row.fields.get(name) if row else None
        newest = kept is not None and kept.newest == reading.at
        level = kept.level if kept and newest else levels.level_of(each, reading.values[name])
        names = [one.name for one in each.levels]
        if level in names:
            ranks.append((names.index(level), level))
    return min(ranks)[1] if ranks else NORMAL


def record(reading: Reading, level: str | None, now: int) -> bytes:
    """The record of a reading: all that the device sent, and what was found out. `level` None: it has none."""
    found = {
        "device": reading.source.device,
        "type": reading.source.type_name,
        "alert_level": level,
        "measured_timestamp": None if reading.at is None else rfc3339(reading.at),
        "aws_timestamp": reading.received_at,
        "processed_timestamp": rfc3339(now),
    }
    return json.dumps({**reading.body, **found}, separators=(",", ":")).encode()


def rejection(source: Source, error: BadInput, now: int) -> bytes:
    """Why a reading was refused."""
    answer = {
        "device": source.device,
        "type": source.type_name,
        "field": error.field,
        "reason": error.reason,
        "processed_timestamp": rfc3339(now),
    }
    return json.dumps(answer, separators=(",", ":")).encode()


def notification(source: Source, change: Change, fields: Mapping[str, Field], stack_name: str) -> Notification:
    """The notification of a change of level."""
    field = fields.get(change.field, Field())
    identifier = change.deduplication_id(source.device)
    body = {
        "stack": stack_name,
        "device": source.device,
        "type": source.type_name,
        "field": change.field,
        "value": change.value,
        "unit": field.unit,
        "alert_level": change.level,
        "previous_level": change.before,
        "measured_timestamp": rfc3339(change.at),
        "deduplication_id": identifier,
    }
    attributes = {
        "stack": stack_name,
        "device": source.device,
        "type": source.type_name,
        "field": change.field,
        "alert_level": change.level,
        "deduplication_id": identifier,
    }
    subject = f"{change.level}: {change.field} {change.value:g} of {source.device}"
    return Notification(subject[:_LONGEST_SUBJECT], json.dumps(body), attributes, source.device, identifier)


def shadow_state(row: Row) -> dict[str, Any]:
    """What the shadow of a device reports after the last change of level."""
    alerting = {name: each.level for name, each in row.fields.items() if each.level != NORMAL}
    last_alert = max((each.alert_at for each in row.fields.values()), default=0)
    last_normal = max((each.normal_at for each in row.fields.values()), default=0)
    return {
        "alert_active": bool(alerting),
        # null removes a field that is no longer at a level of alert.
        "alert_levels": {name: alerting.get(name) for name in row.fields},
        **{f"alert_{name}": each.alert_value for name, each in row.fields.items() if each.alert_value is not None},
        **({"last_alert": rfc3339(last_alert)} if last_alert else {}),
        **({"last_normal_reading": rfc3339(last_normal)} if last_normal else {}),
        ALERT_CHANGED: rfc3339(row.decided),
    }


def is_reported(document: Mapping[str, Any] | None, row: Row, now: int) -> bool:
    """Whether a shadow document (`GetThingShadow`) has this state, or a newer one. `now`: Unix milliseconds.

    The device may write its own shadow: what is not a time up to now says nothing.
    """
    state = (document or {}).get("state")
    reported = state.get("reported") if isinstance(state, dict) else None
    changed = reported.get(ALERT_CHANGED) if isinstance(reported, dict) else None
    return isinstance(changed, str) and rfc3339(row.decided) <= changed <= rfc3339(now + AHEAD_MS)
