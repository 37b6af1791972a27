"""Telemetry: a reading of a device becomes a record, and a change of its level a notification.

A reading passes the stages of `Telemetry.handle` in this order. A quiet reading costs two calls: a write of its
device's row in the table, and the publish of its record; of a type without levels, only the publish. From time to time
the device's settings are read. A change costs, in addition, a read and a write of the shadow, a notification, an entry
in the device's log, and a second write of the row.
"""

import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from thingbridge import metrics
from thingbridge.aws.broker import Broker
from thingbridge.aws.notifications import Notifications
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things_log import ThingsLog
from thingbridge.devices import topics
from thingbridge.devices.topics import Source
from thingbridge.errors import BadInput, Busy, Refused
from thingbridge.shadow.notices import Notices
from thingbridge.telemetry import alerts, device_settings, readings, reports
from thingbridge.telemetry.alerts import Change, Claim, Row
from thingbridge.telemetry.device_settings import DeviceSettings
from thingbridge.telemetry.readings import Reading
from thingbridge.telemetry.schema import NORMAL, Field, Metrics, ReadingType

ATTEMPTS: Final = 12
LONGEST_PAUSE: Final = 0.05
"""Attempts to write a shadow that its device writes too, and the longest random pause in seconds."""

MAX_REMEMBERED: Final = 10_000
"""Devices whose settings are remembered in one execution environment: about 5 MB."""

SILENT_INTERVALS: Final = 3
"""A device that sends nothing for more than so many of its reporting intervals was silent."""

TYPE_DIMENSION: Final = "DeviceType"
DEVICE_DIMENSION: Final = "Device"
LEVEL_DIMENSION: Final = "AlertLevel"


class RememberedSettings:
    """The settings of devices, each read from its shadow at most once in `kept_for` seconds."""

    def __init__(self, shadows: Shadows, kept_for: float, now: Callable[[], float] = time.time) -> None:
        self._shadows, self._kept_for, self._now = shadows, kept_for, now
        self._known: dict[tuple[str, str], tuple[float, DeviceSettings]] = {}

    def of(self, source: Source, type_: ReadingType) -> DeviceSettings:
        """The settings of a device. Raises Busy, Misconfigured or Refused."""
        until, settings = self._known.get((source.device, source.type_name), (0.0, DeviceSettings()))
        return settings if self._now() < until else self.read(source, type_)

    def read(self, source: Source, type_: ReadingType) -> DeviceSettings:
        """The settings as they are now. Raises Busy, Misconfigured or Refused."""
        settings = device_settings.read(self._shadows.document(source.device), type_)
        key = (source.device, source.type_name)
        self._known.pop(key, None)
        if len(self._known) >= MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = (self._now() + self._kept_for, settings)
        return settings


@dataclass(frozen=True)
class Evaluation:
    """The levels after a reading. `changes`: those that this invocation reports; `fields`: by the own thresholds."""

    row: Row
    changes: Sequence[Change]
    fields: Mapping[str, Field]


@dataclass(frozen=True)
class Telemetry:
    """The flow of a reading. `notifications` None: nobody is notified."""

    stack_name: str
    types: Mapping[str, ReadingType]
    settings: RememberedSettings
    states: ShadowStates
    shadows: Shadows
    broker: Broker
    notifications: Notifications | None
    log: ThingsLog
    notices: Notices = field(default_factory=Notices)
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def handle(self, event: dict[str, Any]) -> None:
        """Handle the rule's output `{"topic", "payload", "aws_timestamp"}`.

        Raises Busy or Misconfigured, so that it is retried.
        """
        source = topics.source(event.get("topic"), self.stack_name)
        if source is None:
            reason = "is not a topic that a device publishes readings on"
            self.log.record(None, "ERROR", "reading_dropped", topic=event.get("topic"), reason=reason)
            return
        try:
            reading = readings.receive(event, source, self.types)
        except BadInput as error:
            self._reject(source, error)
            return
        if reading.clock and self.notices.first(source.device, "timestamp"):
            self.log.record(source.device, "WARN", "timestamp_not_used", reason=reading.clock)
        type_ = self.types[source.type_name]
        evaluation = self._evaluate(reading, type_)
        self._publish(reading, type_, evaluation)
        if evaluation:
            self._report(source, type_, evaluation)

    def _reject(self, source: Source, error: BadInput) -> None:
        answer = reports.rejection(source, error, self._now_ms())
        self.broker.publish(topics.rejected(self.stack_name, source.device), answer)
        self.log.record(source.device, "ERROR", "reading_refused", type=source.type_name, reason=str(error))
        refused, at = {"ReadingsRefused": 1}, self.now()
        # Of the stack as well, whatever its types want: an alarm watches it, and some refusals name no known type.
        metrics.emit(self.stack_name, refused, at)
        self._count(source, refused, at)

    # Levels

    def _evaluate(self, reading: Reading, type_: ReadingType) -> Evaluation | None:
        """What the reading means for the levels of its device; None if it has none, or is not active."""
        fields = {name: each for name, each in type_.alerting.items() if name in reading.values}
        if not fields:
            return None
        if reading.at is None:
            # Only a message that a rule could not pass on, and only if its device sends no time.
            self.log.record(reading.source.device, "WARN", "reading_not_ordered", reason="when it was taken is unknown")
            return None
        settings = self.settings.of(reading.source, type_)
        for fault in settings.faults:
            if self.notices.first(reading.source.device, fault):
                self.log.record(reading.source.device, "WARN", "device_setting_not_used", reason=fault)
        return self._store(reading, type_, fields, settings) if settings.active else None

    def _store(
        self, reading: Reading, type_: ReadingType, fields: Mapping[str, Field], settings: DeviceSettings
    ) -> Evaluation:
        device, at, claim = reading.source.device, reading.at or 0, Claim(str(uuid.uuid4()), self._now_ms())
        before = Row()
        fault: BadInput | None = None

        def receive(text: str | None) -> str:
            nonlocal before, fault, settings
            before, fault = _read(text)
            if settings.version < before.settings_version:
                # Another execution environment knows newer settings: with both in use, the level would flap.
                settings = self.settings.read(reading.source, type_)
            after = alerts.receive(before, settings.applied_to(fields), reading.values, at, claim)
            return replace(after, settings_version=settings.version).text()

        row, _ = _read(self.states.change(device, receive, self.now()))
        if fault:
            self.log.record(device, "ERROR", "alert_state_not_readable", reason=str(fault))
        self._record_silence(device, before, at, settings)
        return Evaluation(row, row.claimed_by(claim.by), settings.applied_to(fields))

    def _record_silence(self, device: str, before: Row, at: int, settings: DeviceSettings) -> None:
        silent = (at - before.newest) / 1000
        if before.newest and settings.reporting_interval and silent > SILENT_INTERVALS * settings.reporting_interval:
            self.log.record(device, "WARN", "device_was_silent", seconds=round(silent))

    # Outcome

    def _publish(self, reading: Reading, type_: ReadingType, evaluation: Evaluation | None) -> None:
        source, row = reading.source, evaluation.row if evaluation else None
        fields = evaluation.fields if evaluation else type_.alerting
        level = reports.alert_level(reading, fields, row)
        try:
            self.broker.publish(topics.record(self.stack_name, source), reports.record(reading, level, self._now_ms()))
        except Refused as error:
            self.log.record(source.device, "ERROR", "record_not_published", reason=str(error))
        at = self.now() if reading.at is None else reading.at / 1000
        self._count(source, {"Readings": 1, "AlertChanges": len(evaluation.changes) if evaluation else 0}, at)
        if type_.metrics is Metrics.DEVICE and reading.values:
            dimensions = {TYPE_DIMENSION: source.type_name, DEVICE_DIMENSION: source.device}
            metrics.emit(self.stack_name, reading.values, at, dimensions=dimensions, unit="None")

    def _report(self, source: Source, type_: ReadingType, evaluation: Evaluation) -> None:
        """Report the changes of level that this invocation has claimed: in the shadow, then by a notification."""
        changes, device = evaluation.changes, source.device
        if not changes:
            return
        settings = device_settings.read(self._report_in_shadow(device, evaluation.row), type_)
        notified = self.notifications is not None and settings.alert_enabled and settings.active
        for change in changes:
            if self.notifications and notified:
                self._notify(self.notifications, source, change, evaluation.fields)
            level = "INFO" if change.level == NORMAL else "WARN"
            outcome = {"field": change.field, "alert_level": change.level, "previous_level": change.before}
            self.log.record(device, level, "alert_level_changed", notified=notified, **outcome)
            self._count(source, {"LevelChanges": 1}, self.now(), {LEVEL_DIMENSION: change.level})
        self.states.change(device, lambda text: alerts.completed(_read(text)[0], changes).text(), self.now())

    def _notify(
        self, notifications: Notifications, source: Source, change: Change, fields: Mapping[str, Field]
    ) -> None:
        message = reports.notification(source, change, fields, self.stack_name)
        notifications.publish(
            message.subject,
            message.body,
            message.attributes,
            group=message.group,
            deduplication_id=message.deduplication_id,
        )

    def _report_in_shadow(self, device: str, row: Row) -> dict[str, Any] | None:
        """Write the state of the row, unless the shadow has a newer one. Returns the shadow as it was read."""
        for _ in range(ATTEMPTS):
            document = self.shadows.document(device)
            if document is None:
                # Created empty first: only a shadow that exists has a version to compare with.
                self.shadows.report(device, {})
                continue
            if reports.is_reported(document, row, self._now_ms()):
                return document
            try:
                if self.shadows.report(device, reports.shadow_state(row), version=document.get("version")):
                    return document
            except Refused as error:
                self.log.record(device, "ERROR", "shadow_not_written", reason=str(error))
                return document
            self.sleep(random.uniform(0, LONGEST_PAUSE))
        raise Busy(f"write the shadow of {device}: {ATTEMPTS} attempts met a concurrent write")

    def _count(
        self, source: Source, counts: Mapping[str, int], at: float, dimensions: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        type_ = self.types.get(source.type_name)
        if type_ and type_.metrics is not Metrics.NONE:
            metrics.emit(self.stack_name, counts, at, dimensions={TYPE_DIMENSION: source.type_name, **dimensions})

    def _now_ms(self) -> int:
        return int(self.now() * 1000)


def _read(text: str | None) -> tuple[Row, BadInput | None]:
    """A stored row; an empty one, and the fault, for one that can't be read: it begins again with this reading."""
    try:
        return Row.read(text), None
    except BadInput as error:
        return Row(), error
