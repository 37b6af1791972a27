"""Writing the shadow `lorawan` at intervals; with each message: `flows.shadow`. What is written: `shadow`."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from thingbridge.aws.queues import Queue
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.aws.shadows import ShadowFull
from thingbridge.errors import BadInput, Busy, Refused
from thingbridge.flows.shadow import RecordedShadows
from thingbridge.shadow import pacing, times
from thingbridge.shadow.pacing import Row, ScheduledWrite
from thingbridge.shadow.state import DECODED_PAYLOAD, ShadowSettings


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
        at = times.believable(received_at, now)[0] or arrival
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
        row, done = self._merge(thing_name, row, now, shared)
        interval = self.settings.min_interval_seconds
        next_owner, deferred = str(uuid.uuid4()), False

        def wrote(text: str | None) -> str:
            nonlocal deferred
            after = (pacing.wrote if done else pacing.refused)(row, _read(text, row), next_owner, now, interval)
            if after.scheduled and after.scheduled.owner == next_owner and not deferred:
                # Deferred before it is stored: a stored write that is in no queue would never be done.
                self._defer(thing_name, after.scheduled, pacing.delay(after.scheduled, now))
                deferred = True
            return after.text()

        self.states.change(thing_name, wrote, now)

    def _merge(self, thing_name: str, row: Row, now: float, shared: frozenset[str]) -> tuple[Row, bool]:
        """Write what is due. Returns the row that was written, a shorter one if the shadow is full, and whether it was.

        The row has the times of its members, so the shadow is not read. What still does not fit is recorded.
        """
        due = pacing.unwritten(row, now, shared)
        try:
            return row, not due or self.shadows.merge(thing_name, due)
        except ShadowFull:
            longer = row
            row = Row.read(
                self.states.change(thing_name, lambda text: pacing.shortened(_read(text, longer)).text(), now)
            )
            if row.forgotten and not longer.forgotten:
                self.shadows.record_removed(thing_name)
            state: Mapping[str, Any] = pacing.unwritten(row, now, shared)
            if not state:
                return row, True
            while state:
                try:
                    return row, self.shadows.merge(thing_name, state)
                except ShadowFull as error:
                    state = self.shadows.reduced(thing_name, state, error)
            return row, False

    def _defer(self, thing_name: str, scheduled: ScheduledWrite, seconds: int) -> None:
        try:
            self.queue.send_delayed(json.dumps({"thing": thing_name, "owner": scheduled.owner}), seconds)
        except Refused as error:
            # All of it is this product's own: nothing that a sender could correct, and a row waits for its write.
            raise Busy(str(error)) from error


def _read(text: str | None, row: Row) -> Row:
    """The row as it is stored; as it was if it has expired in the meantime, or can't be read."""
    try:
        return Row.read(text) if text else row
    except BadInput:
        return row
