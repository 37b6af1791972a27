"""Writing the shadow `lorawan`: with each message, or at intervals."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from thingbridge.aws.queues import Queue
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import BadInput, Refused
from thingbridge.shadow import pacing
from thingbridge.shadow.order import NewestStates
from thingbridge.shadow.pacing import Row, ScheduledWrite
from thingbridge.shadow.state import DECODED_PAYLOAD, ShadowSettings


class ShadowWriter(Protocol):
    """Writes the state that a message reports."""

    def write(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> None:
        """Write a state, now or later. Raises Busy, Misconfigured or Refused."""


@dataclass(frozen=True)
class RecordedShadows:
    """Shadow writes whose refusal is recorded on the thing instead of raised: the message itself is delivered."""

    shadows: Shadows
    log: ThingsLog

    def report(self, thing_name: str, state: Mapping[str, Any]) -> None:
        """Merge a state into the shadow. Raises Busy or Misconfigured.

        A refused state with a decoder's output is tried once more without it.
        """
        if not state:
            return
        try:
            self.shadows.report(thing_name, state)
        except Refused as error:
            self.log.record(thing_name, "ERROR", "shadow_not_written", fields=list(state), reason=str(error))
            if DECODED_PAYLOAD in state:
                self.report(thing_name, {name: value for name, value in state.items() if name != DECODED_PAYLOAD})


@dataclass(frozen=True)
class ImmediateShadowWriter:
    """Writes the newer fields of each message."""

    shadows: RecordedShadows
    newest: NewestStates = field(default_factory=NewestStates)

    def write(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> None:
        """Write a state now. Raises Busy or Misconfigured."""
        self.shadows.report(thing_name, self.newest.newer_fields(thing_name, state, received_at))
        self.newest.written(thing_name, state, received_at)


@dataclass(frozen=True)
class PacedShadowWriter:
    """Writes what changed at the interval of `settings` for each thing, whichever execution environment runs."""

    shadows: RecordedShadows
    states: ShadowStates
    queue: Queue
    settings: ShadowSettings
    now: Callable[[], float] = time.time

    def write(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> None:
        """Store a state, and write it if the interval has passed. Raises Busy or Misconfigured."""
        now = self.now()
        # A message without a time is as new as its arrival. The time also identifies the owner of a write.
        at = received_at or time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(now))
        interval = self.settings.min_interval_seconds

        def receive(text: str | None) -> str:
            return pacing.receive(Row.read(text), state, at, at, now, interval).text()

        row = Row.read(self.states.change(thing_name, receive, now))
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
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput("row", f"of {thing_name} can't be read") from error
        if row.scheduled and row.scheduled.owner == owner:
            self._write_row(thing_name, row, self.now())

    def _write_row(self, thing_name: str, row: Row, now: float) -> None:
        # A desired state that was sent is reported as the decoded one, without this row.
        shared = frozenset({DECODED_PAYLOAD} if self.settings.delta_f_port else ())
        self.shadows.report(thing_name, pacing.unwritten(row, now, shared))
        interval = self.settings.min_interval_seconds
        next_owner, deferred = str(uuid.uuid4()), False

        def wrote(text: str | None) -> str:
            nonlocal deferred
            after = pacing.wrote(row, Row.read(text) if text else row, next_owner, now, interval)
            if after.scheduled and after.scheduled.owner == next_owner and not deferred:
                # Deferred before it is stored: a stored write that is in no queue would never be done.
                self._defer(thing_name, after.scheduled, pacing.delay(after.scheduled, now))
                deferred = True
            return after.text()

        self.states.change(thing_name, wrote, now)

    def _defer(self, thing_name: str, scheduled: ScheduledWrite, seconds: int) -> None:
        self.queue.send_delayed(json.dumps({"thing": thing_name, "owner": scheduled.owner}), seconds)
