"""The simulation as the subject, in its profile `open-source`; messages come by webhook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from types import TracebackType

import requests

from local.own_things_stack import DEFAULT_PORT
from local.things_stack import ThingsStack
from tests.contract.radio.gateway import Gateway
from tests.contract.receivers import Messages, WebhookListener
from tests.contract.subject import Application, send_webhook


class Simulated:
    """A simulation with one gateway, from the start to the end of a `with` block."""

    eui_prefix = "70B3D57ED0"
    silence = 0.2
    is_here, reaches, reaches_port, ca_certificate = True, "", DEFAULT_PORT, ""

    def __init__(self) -> None:
        self._ends = ExitStack()

    def __enter__(self) -> Simulated:
        self._simulation = self._ends.enter_context(ThingsStack(profile="open-source"))
        self.url, self.host = self._simulation.url, "127.0.0.1"
        self.session = requests.Session()
        self.session.trust_env = False
        self._webhooks = WebhookListener()
        self._ends.callback(self._webhooks.stop)
        host, _, port = self._simulation.gateway_server.address.partition(":")
        self.gateway = Gateway(host, int(port), "58A0CBFFFE800001", on_time=False)
        self._ends.callback(self.gateway.stop)
        self.gateway.start()
        self._applications = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ends.close()

    def create_application(self) -> str:
        self._applications += 1
        application = f"contract-{self._applications}"
        self._simulation.create_application(application)
        return application

    def bind(self, application: str, addresses: Mapping[str, str]) -> None:
        self._simulation.set_application_addresses(application, **addresses)

    def key(self, application: str, rights: Iterable[str]) -> str:
        return self._simulation.create_api_key(application, rights)

    def messages(self, application: str) -> Messages:
        owner = Application(self, application, self._simulation.create_api_key(application))
        send_webhook(owner, self._webhooks.url(application))
        return self._webhooks.messages(application)

    def remembers(self, application: str, device_id: str) -> None:
        """Everything ends with the simulation."""
