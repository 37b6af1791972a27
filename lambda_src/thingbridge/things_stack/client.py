"""A client of The Things Stack for one application: its areas of the API over one transport."""

from collections.abc import Callable

from thingbridge.things_stack.activation_settings import ActivationSettings
from thingbridge.things_stack.application import Application
from thingbridge.things_stack.downlink_queue import DownlinkQueue
from thingbridge.things_stack.end_devices import EndDevices
from thingbridge.things_stack.packages import ApplicationPackages
from thingbridge.things_stack.pubsubs import PubSubs
from thingbridge.things_stack.transport import Transport
from thingbridge.things_stack.webhooks import Webhooks


class ThingsStack:
    """The areas of the API for one application; every operation raises like `Transport.call`."""

    def __init__(self, application_id: str, transport: Transport) -> None:
        self.application_id = application_id
        self.transport = transport
        self.application = Application(transport, application_id)
        self.activation_settings = ActivationSettings(transport, application_id)
        self.downlink_queue = DownlinkQueue(transport, application_id)
        self.end_devices = EndDevices(transport, application_id)
        self.packages = ApplicationPackages(transport, application_id)
        self.pubsubs = PubSubs(transport, application_id)
        self.webhooks = Webhooks(transport, application_id)

    @property
    def cluster_host(self) -> str:
        """The bare host of the cluster."""
        return self.transport.cluster_host

    @property
    def remaining_seconds(self) -> Callable[[], float]:
        """How long the caller may still take."""
        return self.transport.remaining_seconds
