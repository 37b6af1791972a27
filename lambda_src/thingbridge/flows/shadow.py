"""Writing the shadow `lorawan` with each message; at intervals: `paced_shadow`. What is written: `shadow`."""

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from thingbridge.aws.shadows import ShadowFull, Shadows
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import BadInput, Busy, Refused
from thingbridge.shadow import order, room, times
from thingbridge.shadow.notices import Notices
from thingbridge.shadow.order import NewestStates
from thingbridge.shadow.state import DECODED_PAYLOAD

ATTEMPTS: Final = 12
LONGEST_PAUSE: Final = 0.05
"""Attempts to read and write a shadow that others write too, and the longest random pause in seconds."""

FULL: Final = "the shadow has no room for all members that the decoder has returned: the oldest are removed"


class ShadowWriter(Protocol):
    """Writes the state that a message reports."""

    def write(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> None:
        """Write a state, now or later. Raises Busy, Misconfigured or Refused."""


class RecordedShadows:
    """Shadow writes whose refusal is recorded on the thing instead of raised: the message itself is delivered.

    A shadow is read only when it is full, or for a state that may be older than it. Every method raises Busy or
    Misconfigured.
    """

    def __init__(self, shadows: Shadows, log: ThingsLog, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._shadows, self._log, self._sleep = shadows, log, sleep
        self._notices = Notices()

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

    def merge(self, thing_name: str, state: Mapping[str, Any]) -> bool:
        """Merge a state into the shadow without reading it. Raises ShadowFull.

        A refused state with a decoder's output is tried once more without it. Returns whether anything was written.
        """
        if not state:
            return False
        try:
            self._shadows.report(thing_name, state)
        except ShadowFull:
            raise
        except Refused as error:
            return self.merge(thing_name, self.reduced(thing_name, state, error))
        return True

    def reduced(self, thing_name: str, state: Mapping[str, Any], error: Refused) -> dict[str, Any]:
        """Record a refusal. Returns what can be tried instead, the state without its decoder's output, or nothing."""
        self._log.record(thing_name, "ERROR", "shadow_not_written", fields=list(state), reason=str(error))
        rest = {name: value for name, value in state.items() if name != DECODED_PAYLOAD}
        return rest if DECODED_PAYLOAD in state else {}

    def record_removed(self, thing_name: str) -> None:
        """Record that the oldest members of a decoded payload give way."""
        self._log.record(thing_name, "WARN", "decoded_payload_full", reason=FULL)

    def record_not_readable(self, thing_name: str, error: BadInput) -> None:
        """Record that the stored state of a shadow begins again, because it can't be read."""
        self._log.record(thing_name, "ERROR", "shadow_state_not_readable", reason=str(error))

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
                if not newer or self._shadows.report(thing_name, fit.state, version=document.get("version")):
                    if fit.removed and self._notices.first(thing_name, FULL):
                        self.record_removed(thing_name)
                    return
                self._sleep(random.uniform(0, LONGEST_PAUSE))
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
        document = self._shadows.document(thing_name)
        if document is None:
            # Created empty first: only a shadow that exists has a version to compare with.
            self._shadows.report(thing_name, {})
            document = self._shadows.document(thing_name)
        return document or {}


class ImmediateShadowWriter:
    """Writes the newer fields of each message: without reading the shadow if the message is in time."""

    def __init__(self, shadows: RecordedShadows, *, now: Callable[[], float] = time.time) -> None:
        self._shadows, self._now = shadows, now
        self._newest = NewestStates()

    def write(self, thing_name: str, state: Mapping[str, Any], received_at: str | None) -> None:
        """Write a state now. Raises Busy or Misconfigured."""
        now = self._now()
        at, late = times.believable(received_at, now)
        if at and DECODED_PAYLOAD in state:
            # The order of decoded payloads shows in the shadow even if it has no metrics.
            state = {order.LAST_SEEN: at, **state}
        if late or self._newest.has_newer(thing_name, state, at):
            self._shadows.report_newer(thing_name, state, at)
        else:
            self._shadows.report(thing_name, state, at)
        self._newest.written(thing_name, state, at)
