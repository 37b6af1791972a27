"""The integrations that applications have configured, and the delivery of every message to each of them.

A provider delivers messages to the application and, if it can, receives downlinks. The provider of a pub/sub, webhook
or package association is chosen here; each has a module of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from local.things_stack.description.proto3_json import Json
from local.things_stack.network.application_up import Published
from local.things_stack.providers.aws_access import AwsAccess
from local.things_stack.providers.aws_iot import AwsIotProvider
from local.things_stack.providers.mqtt import MqttProvider
from local.things_stack.providers.status import Status
from local.things_stack.providers.webhook import WebhookProvider

Push = Callable[[str, str, list[Json], bool], None]
"""Application id, device id, downlinks, whether they replace the queue. ApiError when the queue rejects them."""


Changed = Callable[[], None]
"""Called when a status has changed."""


class Provider(Protocol):
    """The interface of every kind of integration."""

    status: Status

    def start(self) -> None:
        """Connects in the background."""

    def stop(self) -> None:
        """Disconnects and ends the threads of `start`."""

    def deliver(self, published: Published, /) -> bool:
        """Delivers or queues one message; False when it is not delivered."""


class Integrations:
    """Every running integration by (kind, application id, id); kind is pubsub, webhook or package. `has_aws_iot`: the
    deployment has the provider `aws_iot`."""

    def __init__(self, aws: AwsAccess | None, push: Push, *, has_aws_iot: bool = True) -> None:
        self._aws, self._push, self._has_aws_iot = aws, push, has_aws_iot
        self._running: dict[tuple[str, str, str], Provider] = {}
        self._changed = threading.Condition()

    def start(self, kind: str, application_id: str, id_: str, record: Json) -> None:
        """Starts or restarts the integration with its current settings."""
        self.stop(kind, application_id, id_)
        provider = self._provider(kind, application_id, record)
        with self._changed:
            self._running[kind, application_id, id_] = provider
        provider.start()

    def stop(self, kind: str, application_id: str, id_: str) -> None:
        with self._changed:
            provider = self._running.pop((kind, application_id, id_), None)
        if provider is not None:
            provider.stop()

    def stop_all(self) -> None:
        for at in list(self._running):
            self.stop(*at)

    def deliver(self, published: Published) -> None:
        """Delivers a message to every integration of its application."""
        with self._changed:
            receivers = [provider for at, provider in self._running.items() if at[1] == published.application_id]
        for provider in receivers:
            if provider.deliver(published):
                provider.status.delivered += 1
            else:
                provider.status.undelivered += 1

    def status(self, application_id: str, id_: str) -> Status:
        """The status of the integration with this id. KeyError: none is running."""
        with self._changed:
            for (_, application, name), provider in self._running.items():
                if (application, name) == (application_id, id_):
                    return provider.status
        raise KeyError(f"{application_id} has no integration {id_}")

    def all(self) -> dict[str, Status]:
        """`<kind>/<application id>/<id>` → status."""
        with self._changed:
            return {"/".join(at): provider.status for at, provider in self._running.items()}

    def wait(self, application_id: str, id_: str, *, until: str | None = None, timeout: float = 10) -> Status:
        """Waits until the integration is connected or has failed, or until its state is `until`, for at most `timeout`
        seconds. Returns its status in either case."""
        status = self.status(application_id, id_)
        with self._changed:
            self._changed.wait_for(lambda: status.state == until if until else status.state != "connecting", timeout)
        return status

    def _provider(self, kind: str, application_id: str, record: Json) -> Provider:
        def push(device_id: str, downlinks: list[Json], replace: bool) -> None:
            self._push(application_id, device_id, downlinks, replace)

        status = Status()
        if kind == "webhook":
            return WebhookProvider(record, self._aws, status, self._notify)
        if "aws_iot" in record and self._has_aws_iot:
            return AwsIotProvider(record["aws_iot"], self._aws, status, push, self._notify)
        if "mqtt" in record:
            return MqttProvider(record, status, push, self._notify)
        return Unavailable(status, self._notify)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


class Unavailable:
    """A provider that is accepted, but that the deployment does not have or the simulation does not implement."""

    def __init__(self, status: Status, changed: Changed) -> None:
        self.status, self._changed = status, changed

    def start(self) -> None:
        self.status.state, self.status.reason = "failed", "this deployment does not have the provider"
        self._changed()

    def stop(self) -> None:
        self.status.state = "stopped"

    def deliver(self, _: Published, /) -> bool:
        return False
