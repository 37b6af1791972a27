"""Writing the shadow `lorawan`, at once or when it is its turn; part of the functions `upstream` and `shadow`."""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from thingbridge.aws_iot import data_plane, queues, things_log
from thingbridge.aws_iot.shadow_states import ShadowStates
from thingbridge.errors import Refused
from thingbridge.messaging import shadow_pacing
from thingbridge.messaging.shadow import DECODED_PAYLOAD, SHADOW_NAME
from thingbridge.messaging.shadow_order import NewestStates
from thingbridge.messaging.shadow_pacing import Row, Turn
from thingbridge.settings import ShadowSettings


def write(log_group: str, thing_name: str, state: Mapping[str, Any]) -> None:
    """Merge a state into the shadow. What AWS refuses is recorded: a message is delivered without its shadow too.

    Refused with a decoder's output, it is tried once more without. Raises Busy or Misconfigured.
    """
    if not state:
        return
    try:
        data_plane.report(thing_name, SHADOW_NAME, state)
    except Refused as error:
        things_log.record(log_group, thing_name, "ERROR", "shadow_not_written", fields=list(state), reason=str(error))
        if DECODED_PAYLOAD in state:
            write(log_group, thing_name, {name: value for name, value in state.items() if name != DECODED_PAYLOAD})


@dataclass
class EachMessage:
    """Writes with each message what nothing newer has been written for."""

    log_group: str
    _newest: NewestStates = field(default_factory=NewestStates)

    def __call__(self, thing_name: str, state: Mapping[str, Any], told_at: str | None) -> None:
        """Raises Busy or Misconfigured."""
        write(self.log_group, thing_name, self._newest.news(thing_name, state, told_at))
        self._newest.written(thing_name, state, told_at)


@dataclass
class InTurn:
    """Writes what changed, as often as `settings` allow for each thing, whichever sandbox the messages meet."""

    log_group: str
    states: ShadowStates
    queue_url: str
    settings: ShadowSettings

    def __call__(self, thing_name: str, state: Mapping[str, Any], told_at: str | None) -> None:
        """Take a state over, and write it when nothing was written lately. Raises Busy or Misconfigured."""
        now = time.time()
        # A message that does not tell its time is as new as its arrival.
        at = told_at or time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(now))

        def receive(text: str | None) -> str:
            row = Row.read(text) if text else Row()
            return shadow_pacing.receive(row, state, at, at, now, self.settings.min_interval_seconds).text()

        row = Row.read(self.states.change(thing_name, receive, now))
        if row.turn is None or row.turn.ticket != at:
            return
        if seconds := shadow_pacing.delay(row.turn, now):
            self._put_off(thing_name, row.turn, seconds)
        else:
            self._take(thing_name, row, now)

    def take_turn(self, message: str) -> None:
        """Write what a queued turn is about, unless it was taken before. Raises Busy, Misconfigured or Refused."""
        turn = json.loads(message)
        text = self.states.read(turn["thing"])
        row = Row.read(text) if text else Row()
        if row.turn and row.turn.ticket == turn["ticket"]:
            self._take(turn["thing"], row, time.time())

    def _take(self, thing_name: str, row: Row, now: float) -> None:
        # Sent desired states are reported as decoded ones, without this row.
        shared = frozenset({DECODED_PAYLOAD} if self.settings.delta_f_port else ())
        write(self.log_group, thing_name, shadow_pacing.unwritten(row, now, shared))
        interval = self.settings.min_interval_seconds
        following, queued = str(uuid.uuid4()), False

        def wrote(text: str | None) -> str:
            nonlocal queued
            after = shadow_pacing.wrote(row, Row.read(text) if text else row, following, now, interval)
            if after.turn and after.turn.ticket == following and not queued:
                # Queued before it is stored: a turn that is stored and not queued would be taken by nobody.
                self._put_off(thing_name, after.turn, shadow_pacing.delay(after.turn, now))
                queued = True
            return after.text()

        self.states.change(thing_name, wrote, now)

    def _put_off(self, thing_name: str, turn: Turn, seconds: int) -> None:
        queues.send_later(self.queue_url, json.dumps({"thing": thing_name, "ticket": turn.ticket}), seconds)
