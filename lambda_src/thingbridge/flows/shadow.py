"""Writing the shadow `lorawan`: with each message, or at intervals. What is written is decided in `shadow`."""

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from thingbridge.aws.queues import Queue
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.aws.shadows import ShadowFull, Shadows
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import BadInput, Busy, Refused
from thingbridge.shadow import order, pacing, room, times
from thingbridge.shadow.notices import Notices
from thingbridge.shadow.order import NewestStates
from thingbridge.shadow.pacing import Row, ScheduledWrite
from thingbridge.shadow.state import DECODED_PAYLOAD, ShadowSettings

ATTEMPTS: Final = 12
LONGEST_PAUSE: Final = 0.05
"""Attempts to read and write a shadow that others write too, and the longest random pause in seconds."""

FULL: Final = "the shadow has no room for all members that the decoder has returned: the oldest are removed"


class ShadowWriter(Protocol):
    """Writes the state that a message reports."""

    def write(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> None:
        """Write a state, now or later. Raises Busy, Misconfigured or Refused."""


@dataclass(frozen=True)
class RecordedShadows:
    """Shadow writes whose refusal is recorded on the thing instead of raised: the message itself is delivered.

    A shadow is read only when it is full, or for a state that may be older than it. Every method raises Busy or
    Misconfigured.
    """

    shadows: Shadows
    log: ThingsLog
    notices: Notices = field(default_factory=Notices)
    sleep: Callable[[float], None] = time.sleep

    def report(self, thing_name: str, state: Mapping[str, Any], received_at: str | None = None) -> None:
        """Merge a state into the shadow. Its oldest decoded members are removed if it is full."""
        try:
            self.merge(thing_name, state)
        except ShadowFull as error:
            # What else gives way depends on what the shadow has, so now it is read.
            self._merge_by_version(thing_name, state, received_at, refusal=error)

    def report_newer(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> None:
        """Merge what is newer than the shadow, as `report` does, and only into the version that it was compared with.

        Raises Busy when others write the shadow before each attempt.
        """
        self._merge_by_version(thing_name, state, received_at)

    def merge(self, thing_name: str, state: Mapping[str, Any]) -> None:
        """Merge a state into the shadow without reading it. Raises ShadowFull.

        A refused state with a decoder's output is tried once more without it.
        """
        if not state:
            return
        try:
            self.shadows.report(thing_name, state)
        except ShadowFull:
            raise
        except Refused as error:
            self.merge(thing_name, self.reduced(thing_name, state, error))

    def reduced(self, thing_name: str, state: Mapping[str, Any], error: Refused) -> dict[str, Any]:
        """Record a refusal. Returns what can be tried instead, the state without its decoder's output, or nothing."""
        self.log.record(thing_name, "ERROR", "shadow_not_written", fields=list(state), reason=str(error))
        rest = {name: value for name, value in state.items() if name != DECODED_PAYLOAD}
        return rest if DECODED_PAYLOAD in state else {}

    def record_removed(self, thing_name: str) -> None:
        """Record that the oldest members of a decoded payload give way."""
        self.log.record(thing_name, "WARN", "decoded_payload_full", reason=FULL)

    def record_not_readable(self, thing_name: str, error: BadInput) -> None:
        """Record that the stored state of a shadow begins again, because it can't be read."""
        self.log.record(thing_name, "ERROR", "shadow_state_not_readable", reason=str(error))

    def _merge_by_version(
        self, thing_name: str, state: Mapping[str, Any], received_at: str | None, refusal: Refused | None = None
    ) -> None:
        """`refusal`: why AWS IoT refused a full shadow; None while it is not known to be full."""
        targets = list(room.TARGETS)
        for _ in range(ATTEMPTS):
            newer: Mapping[str, Any] = state
            try:
                document = self._document(thing_name)
                newer = order.newer_fields(state, received_at, document)
                fit = room.made(document, newer, targets[0]) if refusal and targets else room.Made(newer, ())
                if refusal and newer and not fit.removed:
                    break  # Nothing is left that could give way.
                if not newer or self.shadows.report(thing_name, fit.state, version=document.get("version")):
                    if fit.removed and self.notices.first(thing_name, FULL):
                        self.record_removed(thing_name)
                    return
                self.sleep(random.uniform(0, LONGEST_PAUSE))
            except ShadowFull as error:
                targets = targets[1:] if refusal else targets
                refusal = error
                if not targets:
                    break
            except Refused as error:
                refusal = error
                break
        else:
            raise Busy(f"write the shadow of {thing_name}: {ATTEMPTS} attempts met a concurrent write")
        if rest := self.reduced(thing_name, newer, refusal):
            self._merge_by_version(thing_name, rest, received_at)

    def _document(self, thing_name: str) -> dict[str, Any]:
        document = self.shadows.document(thing_name)
        if document is None:
            # Created empty first: only a shadow that exists has a version to compare with.
            self.shadows.report(thing_name, {})
            document = self.shadows.document(thing_name)
        return document or {}


@dataclass(frozen=True)
class ImmediateShadowWriter:
    """Writes the newer fields of each message: without reading the shadow if the message is in time."""

    shadows: RecordedShadows
    newest: NewestStates = field(default_factory=NewestStates)
    now: Callable[[], float] = time.time

    def write(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> None:
        """Write a state now. Raises Busy or Misconfigured."""
        now = self.now()
        at = times.believable(received_at, now)
        if at and DECODED_PAYLOAD in state:
            # The order of decoded payloads shows in the shadow even if it has no metrics.
            state = {order.LAST_SEEN: at, **state}
        if times.is_late(at, now) or self.newest.has_newer(thing_name, state, at):
            self.shadows.report_newer(thing_name, state, at)
        else:
            self.shadows.report(thing_name, state, at)
        self.newest.written(thing_name, state, at)


@dataclass(frozen=True)
class PacedShadowWriter:
    """Writes what changed at the interval of `settings` for each thing, whichever execution environment runs."""

    shadows: RecordedShadows
    states: ShadowStates
    queue: Queue
    settings: ShadowSettings
    now: Callable[[], float] = time.time

    def write(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> None:
        """Store a state, and write it if the interval has passed. Raises Busy or Misconfigured.

        A row that can't be read begins again with this state: the message was published, and must not come again.
        """
        now = self.now()
        # A message without a time is as new as its arrival. The time also identifies the owner of a write.
        arrival = time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(now))
        at = times.believable(received_at, now) or arrival
        interval, before = self.settings.min_interval_seconds, Row()
        fault: BadInput | None = None

        def receive(text: str | None) -> str:
            nonlocal before, fault
            try:
                before, fault = Row.read(text), None
            except BadInput as error:
                before, fault = Row(), error
            return pacing.receive(before, state, at, at, now, interval).text()

        row = Row.read(self.states.change(thing_name, receive, now))
        if fault:
            self.shadows.record_not_readable(thing_name, fault)
        if row.forgotten and not before.forgotten:
            self.shadows.record_removed(thing_name)
        if row.scheduled is None or row.scheduled.owner != at:
            return
        if seconds := pacing.delay(row.scheduled, now):
            self._defer(thing_name, row.scheduled, seconds)
        else:
            self._write_row(thing_name, row, now)

    def write_scheduled(self, message: str) -> None:
        """Handle a deferred write `{"thing", "owner"}`, unless it was done before.

        Raises BadInput, Busy, Misconfigured or Refused.
        """
        try:
            deferred = json.loads(message)
            thing_name, owner = str(deferred["thing"]), str(deferred["owner"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadInput("message", "must be a deferred write, with thing and owner") from error
        text = self.states.read(thing_name)
        try:
            row = Row.read(text)
        except BadInput as error:
            raise BadInput("row", f"of {thing_name} can't be read") from error
        if row.scheduled and row.scheduled.owner == owner:
            self._write_row(thing_name, row, self.now())

    def _write_row(self, thing_name: str, row: Row, now: float) -> None:
        # A desired state that was sent is reported as the decoded one, without this row.
        shared = frozenset({DECODED_PAYLOAD} if self.settings.delta_f_port else ())
        row = self._merge(thing_name, row, now, shared)
        interval = self.settings.min_interval_seconds
        next_owner, deferred = str(uuid.uuid4()), False

        def wrote(text: str | None) -> str:
            nonlocal deferred
            after = pacing.wrote(row, _read(text, row), next_owner, now, interval)
            if after.scheduled and after.scheduled.owner == next_owner and not deferred:
                # Deferred before it is stored: a stored write that is in no queue would never be done.
                self._defer(thing_name, after.scheduled, pacing.delay(after.scheduled, now))
                deferred = True
            return after.text()

        self.states.change(thing_name, wrote, now)

    def _merge(self, thing_name: str, row: Row, now: float, shared: frozenset[str]) -> Row:
        """Write what is due. Returns the row that was written, a shorter one if the shadow is full.

        The row has the times of its members, so the shadow is not read. What still does not fit is recorded.
        """
        try:
            self.shadows.merge(thing_name, pacing.unwritten(row, now, shared))
        except ShadowFull:
            longer = row
            row = Row.read(
                self.states.change(thing_name, lambda text: pacing.shortened(_read(text, longer)).text(), now)
            )
            if row.forgotten and not longer.forgotten:
                self.shadows.record_removed(thing_name)
            state: Mapping[str, Any] = pacing.unwritten(row, now, shared)
            while state:
                try:
                    self.shadows.merge(thing_name, state)
                    break
                except ShadowFull as error:
                    state = self.shadows.reduced(thing_name, state, error)
        return row

    def _defer(self, thing_name: str, scheduled: ScheduledWrite, seconds: int) -> None:
        self.queue.send_delayed(json.dumps({"thing": thing_name, "owner": scheduled.owner}), seconds)


def _read(text: str | None, row: Row) -> Row:
    """The row as it is stored; as it was if it has expired in the meantime, or can't be read."""
    try:
        return Row.read(text) if text else row
    except BadInput:
        return row
