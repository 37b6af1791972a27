"""Desired states: a changed desired state of the shadow `lorawan` becomes a downlink (`shadow.delta_f_port`).

Part of the capability `downlink`. Whether a delta calls for a downlink is decided in `shadow.delta`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import BadInput, Busy
from thingbridge.flows.downlink import REJECTIONS, Rejection, Rejections, Scheduler
from thingbridge.flows.shadow import RecordedShadows
from thingbridge.messaging import downlink as requests
from thingbridge.messaging.downlink import ReceivedRequest
from thingbridge.registry.attributes import reference
from thingbridge.registry.events import belongs_to
from thingbridge.shadow import delta as deltas
from thingbridge.shadow.delta import Change, Delta, Next, Note

PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between reads of a shadow that others are writing, or while an older change is being sent."""


def following_a_change(event: Mapping[str, Any], log: ThingsLog) -> Delta | None:
    """The delta that a rule outputs, if a changed desired state may have caused it; recorded if it can't be read."""
    try:
        delta = deltas.receive(event)
    except BadInput as error:
        log.record(None, "ERROR", "shadow_delta_not_readable", reason=str(error))
        return None
    return delta if delta.follows_a_change else None


@dataclass(frozen=True)
class DesiredStates:
    """The flow of a shadow delta. `f_port`: the FPort of the downlinks."""

    stack_name: str
    f_port: int
    things: Things
    shadows: Shadows
    recorded_shadows: RecordedShadows
    queue: Scheduler
    rejections: Rejections
    pauses: Sequence[float] = PAUSES
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def handle(self, event: Mapping[str, Any], *, repeated: bool = False) -> None:
        """Handle a delta as the rule outputs it, and send the change. Raises Busy, so that it is retried.

        `repeated`: it may have been handled before.
        """
        delta = following_a_change(event, self.rejections.log)
        if delta is None:
            return
        thing = self.things.describe(delta.thing_name)
        if thing is None or not belongs_to(thing.attributes, self.stack_name):
            return
        try:
            change = self._claim(delta)
        except BadInput as error:
            # No note in the shadow, because it is the shadow that can't be read.
            self._reject(delta, {}, requests.mark(event), error)
            return
        if change is None:
            return
        downlink = requests.marked(deltas.downlink(change, self.f_port), requests.mark(event))
        try:
            self.queue.schedule(reference(thing.attributes), (downlink,), repeated=repeated)
        except REJECTIONS as error:
            self._reject(delta, change.values, requests.mark(event), error)
            note = deltas.note(Note.REFUSED, change, delta, self.now(), str(error))
            self.recorded_shadows.report(delta.thing_name, note)
        else:
            self.recorded_shadows.report(delta.thing_name, deltas.sent(change, delta, self.now()))

    def _claim(self, delta: Delta) -> Change | None:
        """The change, if it is this delta's to send, and noted as being sent.

        Raises Busy while an older one is being sent, BadInput for a desired state that is not an object, or as AWS
        answers.
        """
        for pause in self.pauses:
            document = self.shadows.document(delta.thing_name)
            change = deltas.change(document) if document else None
            following = deltas.what_next(change, delta, self.now()) if change else Next.NOTHING
            if change is None or following is Next.NOTHING:
                return None
            if following is Next.SEND:
                note = deltas.note(Note.SENDING, change, delta, self.now())
                if self.shadows.report(delta.thing_name, note, version=change.version):
                    return change
            self.sleep(pause)
        raise Busy(f"send the desired state of {delta.thing_name}: another change is being sent")

    def _reject(self, delta: Delta, values: Mapping[str, Any], mark: str, error: Rejection) -> None:
        request = ReceivedRequest(delta.thing_name, False, {"desired": values, "version": delta.version}, None, mark)
        self.rejections.reject(request, error)
