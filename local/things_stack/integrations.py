"""The integrations applications have configured, and the delivery of every message to each of them.

A provider carries messages one way out and, if it can, downlinks in; each lives in a module of its own and is chosen
here by what the pub/sub, webhook or package association names.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from local.things_stack.aws_access import AwsAccess
from local.things_stack.aws_iot import AwsIotProvider
from local.things_stack.messages import Published
from local.things_stack.mqtt_provider import MqttProvider
from local.things_stack.provider_status import Status
from local.things_stack.webhooks import WebhookProvider

Json = dict[str, Any]
Push = Callable[[str, str, list[Json], bool], None]
"""Application id, device id, downlinks, whether they replace the queue. ApiError when the queue refuses them."""


class Provider(Protocol):
    """What a kind of integration must offer."""

    status: Status

    def start(self) -> None:
        """Connects in the background."""

    def stop(self) -> None:
        """Disconnects and ends what `start` began."""

    def deliver(self, published: Published, /) -> bool:
        """Hands over one message; False when it went nowhere."""


Changed = Callable[[], None]


class Integrations:
    """Every running integration by (sort, application id, id); sort is pubsub, webhook or package."""

    def __init__(self, aws: AwsAccess | None, push: Push) -> None:
        self._aws, self._push = aws, push
        self._running: dict[tuple[str, str, str], Provider] = {}
        self._changed = threading.Condition()

    def start(self, sort: str, application_id: str, id_: str, record: Json) -> None:
        """Starts the integration anew with its present settings."""
        self.stop(sort, application_id, id_)
        provider = self._provider(sort, application_id, record)
        with self._changed:
            self._running[sort, application_id, id_] = provider
        provider.start()

    def stop(self, sort: str, application_id: str, id_: str) -> None:
        with self._changed:
            provider = self._running.pop((sort, application_id, id_), None)
        if provider is not None:
            provider.stop()

    def stop_all(self) -> None:
        for at in list(self._running):
            self.stop(*at)

    def deliver(self, published: Published) -> None:
        """Hands a message to every integration of its application."""
        with self._changed:
            receivers = [provider for at, provider in self._running.items() if at[1] == published.application_id]
        for provider in receivers:
            if provider.deliver(published):
                provider.status.delivered += 1
            else:
                provider.status.undelivered += 1

    def status(self, application_id: str, id_: str) -> Status:
        """The integration with this id; KeyError when none runs."""
        with self._changed:
            for (_, application, name), provider in self._running.items():
                if (application, name) == (application_id, id_):
                    return provider.status
        raise KeyError(f"{application_id} has no integration {id_}")

    def all(self) -> dict[str, Status]:
        """`<sort>/<application id>/<id>` → status."""
        with self._changed:
            return {"/".join(at): provider.status for at, provider in self._running.items()}

    def wait(self, application_id: str, id_: str, *, until: str | None = None, timeout: float = 10) -> Status:
        """Waits until the integration is connected or has failed, or until its state is `until`, for at most `timeout`
        seconds; returns its status, whatever it is then."""
        status = self.status(application_id, id_)
        with self._changed:
            self._changed.wait_for(lambda: status.state == until if until else status.state != "connecting", timeout)
        return status

    def _provider(self, sort: str, application_id: str, record: Json) -> Provider:
        def push(device_id: str, downlinks: list[Json], replace: bool) -> None:
            self._push(application_id, device_id, downlinks, replace)

        status = Status()
        if sort == "webhook":
            return WebhookProvider(record, self._aws, status, self._notify)
        if "aws_iot" in record:
            return AwsIotProvider(record["aws_iot"], self._aws, status, push, self._notify)
        if "mqtt" in record:
            return MqttProvider(record, status, push, self._notify)
        return Unavailable(status, self._notify)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


class Unavailable:
    """A provider the simulation accepts and does not have."""

    def __init__(self, status: Status, changed: Changed) -> None:
        self.status, self._changed = status, changed

    def start(self) -> None:
        self.status.state, self.status.reason = "failed", "the simulation has no such provider"
        self._changed()

    def stop(self) -> None:
        self.status.state = "stopped"

    def deliver(self, _: Published, /) -> bool:
        return False
