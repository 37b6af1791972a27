"""Downlink: an application's request becomes downlinks in the queue of The Things Stack.

A bad request is answered on `…/downlink/rejected`, and so is one that has waited for too long. A request for a thing of
another stack is left to that stack; which stack answers for a thing of none is decided in `flows.unowned_requests`, and
in which order requests are handled in `flows.downlink_order`.
"""

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from thingbridge.aws.broker import Broker
from thingbridge.aws.things import Thing, Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import BadInput, Deferred
from thingbridge.flows import end_devices
from thingbridge.flows.downlink_formatters import DownlinkFormatters
from thingbridge.flows.unowned_requests import UnownedRequests
from thingbridge.messaging import downlink
from thingbridge.messaging.downlink import NotSendable, ReceivedRequest
from thingbridge.pacing import Pace
from thingbridge.registry.attributes import DeviceReference, reference
from thingbridge.registry.events import belongs_to
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ApiKeyRefused, NotFound, ThingsStackBusy, ThingsStackRefused
from thingbridge.things_stack.transport import MARGIN

Rejection = BadInput | NotSendable | ThingsStackRefused | ApiKeyRefused
REJECTIONS: Final = (BadInput, NotSendable, ThingsStackRefused, ApiKeyRefused)
"""What the sender of a request learns. Errors of AWS are not among them: they name roles and resources of the account,
and a permission that was granted a moment ago may be in effect when the request is handled again."""

REPEATED_AFTER: Final = 5.0
"""Seconds after its receipt, from which on a message may have been handled before: a queue repeats it after some
seconds."""

PATIENCE: Final = 5.0
"""Seconds for which a push is tried again, so that one device holds up no other for longer; after that, its requests
are delivered again."""

LEAST_SECONDS: Final = 20.0
"""Seconds that must be left to begin a push: it may be waited for, repeated, and its outcome recorded."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 4.0
"""Seconds between attempts of a push whose outcome is unknown."""


Answer = TypeVar("Answer")


class Scheduler(Protocol):
    """Where downlinks are queued: `DownlinkQueue`, or the one of `flows.end_to_end_encryption.downlinks`."""

    def schedule(
        self,
        device: DeviceReference,
        downlinks: Sequence[Mapping[str, Any]],
        *,
        replace: bool = False,
        repeated: bool = False,
    ) -> None:
        """Push marked `ApplicationDownlink` objects to the device's queue, or replace the queue by them.

        `repeated`: they may have been queued before, and are looked for in the queue first.
        """


@dataclass(frozen=True)
class DownlinkQueue:
    """The downlink queues of an application whose payloads The Things Stack encrypts."""

    things_stack: ThingsStack
    formatters: DownlinkFormatters
    patience: float = PATIENCE
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def schedule(
        self,
        device: DeviceReference,
        downlinks: Sequence[Mapping[str, Any]],
        *,
        replace: bool = False,
        repeated: bool = False,
    ) -> None:
        """Push or replace. Without an answer, it is repeated only for downlinks that the queue does not hold."""
        left, pause, until = downlinks, FIRST_PAUSE, self.now() + self.patience
        while True:
            if repeated and not (left := not_queued(self.things_stack, device, left)) and downlinks:
                return
            try:
                on_device(self.things_stack, device, partial(self._push, left, replace))
                return
            except ThingsStackBusy as error:
                wait = pause * random.uniform(0.5, 1.0)
                time_left = min(self.things_stack.remaining_seconds() - MARGIN, until - self.now())
                if not error.uncertain or wait >= time_left:
                    raise
                repeated = True
                self.sleep(wait)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _push(self, downlinks: Sequence[Mapping[str, Any]], replace: bool, device_id: str) -> None:
        """Raises BadInput for a payload that would be sent as an empty frame."""
        if any("frm_payload" not in each for each in downlinks):
            self.formatters.check(self.things_stack, device_id)
        self.things_stack.downlink_queue.schedule(device_id, downlinks, replace=replace)


@dataclass(frozen=True)
class PacedQueue:
    """Another queue, at the pace that the application's limit permits."""

    queue: Scheduler
    things_stack: ThingsStack
    pace: Pace

    def schedule(
        self,
        device: DeviceReference,
        downlinks: Sequence[Mapping[str, Any]],
        *,
        replace: bool = False,
        repeated: bool = False,
    ) -> None:
        """Wait, then push or replace. Raises Deferred when the invocation is too short to wait."""
        if not self.pace.wait(self.things_stack.remaining_seconds() - LEAST_SECONDS):
            raise Deferred(f"push downlinks of {device.device_id}: the pace of the application permits it later")
        try:
            self.queue.schedule(device, downlinks, replace=replace, repeated=repeated)
        finally:
            self.pace.follow(self.things_stack.downlink_queue.limit_per_minute)


def schedule(
    things_stack: ThingsStack, device: DeviceReference, downlinks: Sequence[Mapping[str, Any]], *, replace: bool
) -> None:
    """Push `ApplicationDownlink` objects to the device's queue, or replace the queue by them, once.

    One call when the device has the id that the thing names, or the default one; otherwise it is looked up by its
    DevEUI. Raises NotFound when the application has no such device, or what the Application Server refuses.
    """
    on_device(
        things_stack,
        device,
        lambda device_id: things_stack.downlink_queue.schedule(device_id, downlinks, replace=replace),
    )


def not_queued(
    things_stack: ThingsStack, device: DeviceReference, downlinks: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """Those of the marked downlinks that the queue of the device does not hold. Raises like `schedule`."""
    queued = downlink.marks(on_device(things_stack, device, things_stack.downlink_queue.queued))
    return [each for each in downlinks if not downlink.marks([each]) & queued]


def on_device(things_stack: ThingsStack, device: DeviceReference, operation: Callable[[str], Answer]) -> Answer:
    """Call an operation of the Application Server with the device's id, which may have to be looked up."""
    try:
        return operation(device.device_id)
    except NotFound as error:
        # The session was not found, not the device.
        if error.answer.name == "unknown_session":
            raise
        found = None if device.named else end_devices.resolve(things_stack, device)
        if found is None:
            raise
        return operation(found.device_id)


@dataclass(frozen=True)
class Rejections:
    """Answers to requests that can't be carried out: published for their sender, and recorded on the thing."""

    stack_name: str
    broker: Broker
    log: ThingsLog

    def reject(self, request: ReceivedRequest, error: Rejection) -> None:
        """Publish on `…/downlink/rejected` and record. Raises Busy, Misconfigured or Refused."""
        field, reason = (error.field, error.reason) if isinstance(error, BadInput) else (None, str(error))
        topic, answer = downlink.rejection(request, self.stack_name, field, reason)
        self.broker.publish(topic, answer)
        self.log.record(
            request.thing_name, "ERROR", "downlink_rejected", field=field, reason=reason, correlation_id=request.mark
        )


@dataclass(frozen=True)
class DownlinkRequests:
    """The flow of a request, which is rejected when it was received more than `maximum_age_seconds` ago."""

    stack_name: str
    things: Things
    queue: Scheduler
    unowned: UnownedRequests
    rejections: Rejections
    maximum_age_seconds: float = math.inf
    now: Callable[[], float] = time.time

    def handle(self, event: Mapping[str, Any], *, repeated: bool = False) -> None:
        """Handle the rule's output `{"topic", "payload", "receivedAt"}`. `repeated`: it may have been handled before.

        Raises Busy, Misconfigured or Refused, as AWS answers, so that the request is retried.
        """
        request = downlink.receive(event)
        thing = self.things.describe(request.thing_name) if request.thing_name else None
        if thing is None or not belongs_to(thing.attributes, self.stack_name):
            if answer := self.unowned.answer(request, thing):
                self.rejections.reject(request, answer)
            return
        try:
            self._check_age(request)
            self._queue(request, thing, repeated)
        except REJECTIONS as error:
            self.rejections.reject(request, error)

    def _check_age(self, request: ReceivedRequest) -> None:
        """Raises NotSendable for a request that is older than its sender expects.

        It may be in the device's queue all the same, if no answer of The Things Stack came back.
        """
        if request.received_at is not None and self.now() - request.received_at > self.maximum_age_seconds:
            raise NotSendable(
                f"was not confirmed by The Things Stack within {self.maximum_age_seconds:g} seconds, and is not sent "
                f"any more: send it again if it is still wanted"
            )

    def _queue(self, request: ReceivedRequest, thing: Thing, repeated: bool) -> None:
        downlinks = [downlink.marked(each, request.mark) for each in downlink.parse(request)]
        self.queue.schedule(reference(thing.attributes), downlinks, replace=request.replace, repeated=repeated)


def is_late(received_at: float | None, now: float) -> bool:
    """Whether a message, received then (seconds since 1970; None if unknown), may have been handled before."""
    return received_at is not None and now - received_at > REPEATED_AFTER
