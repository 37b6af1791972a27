"""What the shadow of a device says about its own alerts: `desired`, and where that says nothing, `reported`.

`<field>_threshold`: its own limit of a field; `alert_enabled`: whether its alerts are notified; `active`: whether its
readings raise alerts at all; `reporting_interval`: seconds between two readings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from thingbridge.telemetry import levels
from thingbridge.telemetry.schema import Field, ReadingType, is_number

THRESHOLD: Final = "_threshold"
ALERT_ENABLED: Final = "alert_enabled"
ACTIVE: Final = "active"
REPORTING_INTERVAL: Final = "reporting_interval"


@dataclass(frozen=True)
class DeviceSettings:
    """The settings of one device. `faults`: which settings can't be used, and why; the type's own are used instead.

    `version`: that of the shadow, 0 without one.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)
    alert_enabled: bool = True
    active: bool = True
    reporting_interval: float | None = None
    faults: Sequence[str] = ()
    version: int = 0

    def applied_to(self, fields: Mapping[str, Field]) -> dict[str, Field]:
        """Fields with the device's own thresholds."""
        return {
            name: levels.with_threshold(each, self.thresholds[name]) if name in self.thresholds else each
            for name, each in fields.items()
        }


def read(document: Mapping[str, Any] | None, type_: ReadingType) -> DeviceSettings:
    """The settings in a shadow document (`GetThingShadow`), for readings of a type."""
    state = (document or {}).get("state")
    parts = [state.get(part) for part in ("reported", "desired")] if isinstance(state, dict) else []
    merged: dict[str, Any] = {}
    for part in parts:
        merged |= {name: value for name, value in part.items() if value is not None} if isinstance(part, dict) else {}
    settings, faults = DeviceSettings(), []
    for name, each in type_.alerting.items():
        if (threshold := merged.get(f"{name}{THRESHOLD}")) is not None:
            if reason := each.fault(threshold):
                faults.append(f"{name}{THRESHOLD} {reason}")
            else:
                settings = replace(settings, thresholds={**settings.thresholds, name: threshold})
    flags = {name: merged.get(name, True) for name in (ALERT_ENABLED, ACTIVE)}
    faults += [f"{name} must be true or false" for name, value in flags.items() if not isinstance(value, bool)]
    settings = replace(settings, alert_enabled=flags[ALERT_ENABLED] is not False, active=flags[ACTIVE] is not False)
    if (interval := merged.get(REPORTING_INTERVAL)) is not None:
        if is_number(interval) and interval > 0:
            settings = replace(settings, reporting_interval=float(interval))
        else:
            faults.append(f"{REPORTING_INTERVAL} must be a number of seconds above 0")
    version = (document or {}).get("version")
    return replace(settings, faults=tuple(faults), version=version if isinstance(version, int) else 0)
