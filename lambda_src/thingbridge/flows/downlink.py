"""Downlink: an application's request becomes downlinks in the queue of The Things Stack.

A bad request is answered on `…/downlink/rejected`; a request for a thing of another stack is left to that stack.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from thingbridge.aws.broker import Broker
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import BadInput, Misconfigured, Refused
from thingbridge.flows import end_devices
from thingbridge.messaging import downlink
from thingbridge.messaging.downlink import ReceivedRequest
from thingbridge.registry.attributes import DeviceReference, reference
from thingbridge.registry.events import belongs_to
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import NotFound


class Scheduler(Protocol):
    """Where downlinks are queued: `DownlinkQueue`, or the one of `flows.end_to_end_encryption.downlinks`."""

    def schedule(
        self, device: DeviceReference, downlinks: Sequence[Mapping[str, Any]], *, replace: bool = False
    ) -> None:
        """Push `ApplicationDownlink` objects to the device's queue, or replace the queue by them."""


@dataclass(frozen=True)
class DownlinkQueue:
    """The downlink queues of an application whose payloads The Things Stack encrypts."""

    things_stack: ThingsStack

    def schedule(
        self, device: DeviceReference, downlinks: Sequence[Mapping[str, Any]], *, replace: bool = False
    ) -> None:
        """Push or replace, as the function `schedule`."""
        schedule(self.things_stack, device, downlinks, replace=replace)


def schedule(
    things_stack: ThingsStack, device: DeviceReference, downlinks: Sequence[Mapping[str, Any]], *, replace: bool
) -> None:
    """Push `ApplicationDownlink` objects to the device's queue, or replace the queue by them.

    One call when the device has the id that the thing names, or the default one; otherwise it is looked up by its
    DevEUI. Raises NotFound when the application has no such device, or what the Application Server refuses.
    """
    try:
        things_stack.downlink_queue.schedule(device.device_id, downlinks, replace=replace)
    except NotFound as error:
        # The session was not found, not the device.
        if error.answer.name == "unknown_session":
            raise
        found = None if device.named else end_devices.resolve(things_stack, device)
        if found is None:
            raise
        things_stack.downlink_queue.schedule(found.device_id, downlinks, replace=replace)


@dataclass(frozen=True)
class Rejections:
    """Answers to requests that can't be carried out: published for their sender, and recorded on the thing."""

    stack_name: str
    broker: Broker
    log: ThingsLog

    def reject(self, request: ReceivedRequest, error: BadInput | Refused | Misconfigured) -> None:
        """Publish on `…/downlink/rejected` and record. Raises Busy, Misconfigured or Refused."""
        field, reason = (error.field, error.reason) if isinstance(error, BadInput) else (None, str(error))
        topic, answer = downlink.rejection(request, self.stack_name, field, reason)
        self.broker.publish(topic, answer)
        self.log.record(request.thing_name, "ERROR", "downlink_rejected", field=field, reason=reason)


@dataclass(frozen=True)
class DownlinkRequests:
    """The flow of a request."""

    stack_name: str
    things: Things
    queue: Scheduler
    rejections: Rejections

    def handle(self, event: dict[str, Any]) -> None:
        """Handle the rule's output `{"topic", "payload"}`. Raises Busy, so that the request is retried."""
        request = downlink.receive(event)
        try:
            thing = self.things.describe(request.thing_name) if request.thing_name else None
            if thing and not belongs_to(thing.attributes, self.stack_name):
                return
            downlinks = downlink.parse(request)
            if thing is None:
                raise BadInput("thingName", "there is no thing of this name")
            self.queue.schedule(reference(thing.attributes), downlinks, replace=request.replace)
        except (BadInput, Refused, Misconfigured) as error:
            self.rejections.reject(request, error)
