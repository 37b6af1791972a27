"""A The Things Stack of one's own in place of the simulation: the variables that name it, and the check of them before
anything is started.

`TTS_URL`, `TTS_APPLICATION` and `TTS_API_KEY` name it; `TTS_REACHES` is the address on which it reaches this machine.
How the environment is started with it: local/environment.py. What `TTS_REACHES` leads to: local/webhook_gate.py.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from local.aws import ROOT_ACCOUNT, LocalAws
from thingbridge.errors import Busy, Misconfigured, ThingbridgeError
from thingbridge.flows.api_key import ALL_RIGHTS, INTEGRATION_RIGHTS, RIGHTS
from thingbridge.flows.ingest.integration import IngestMode, Integration
from thingbridge.things_stack.authority import UnknownAuthority
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ApiKeyRefused, NotFound, ThingsStackRefused
from thingbridge.things_stack.transport import Transport

URL, APPLICATION, API_KEY, REACHES = "TTS_URL", "TTS_APPLICATION", "TTS_API_KEY", "TTS_REACHES"
IDENTITY_SERVER, PORT, CA_CERTIFICATE = "TTS_IDENTITY_SERVER_URL", "TTS_REACHES_PORT", "TTS_CA_CERTIFICATE"
NEEDED = (URL, APPLICATION, API_KEY)
OPTIONAL = (REACHES, IDENTITY_SERVER, PORT, CA_CERTIFICATE)
DEFAULT_PORT = 8484
"""The port of this machine that `TTS_REACHES` leads to."""
CHECK_SECONDS = 15.0
ANSWER_SECONDS = 3.0

_HOSTED = re.compile(r"^(https://(?:[a-z0-9-]+\.)?)[a-z]+\d+(\.cloud\.thethings\.(?:network|industries))(?::443)?$")
"""The clusters of the hosted deployments, which have their Identity Server in eu1."""


class Unusable(Exception):
    """A variable that names the The Things Stack is missing or can't be used; the message is a sentence."""


@dataclass(frozen=True)
class OwnThingsStack:
    """One application at a The Things Stack that runs already. `url` has no path.

    `reaches`: https address that leads to `port` of this machine. Without it, messages come by MQTT to 127.0.0.1.
    `identity_server_url`: "" if it is that of `url`, or of the hosted deployment. `ca_certificate`: of a private
    authority, in PEM; "" for the public ones.
    """

    url: str
    application: str
    api_key: str = field(repr=False)
    identity_server_url: str = ""
    reaches: str = ""
    port: int = DEFAULT_PORT
    ca_certificate: str = ""

    @classmethod
    def named(cls, environment: Mapping[str, str]) -> Self | None:
        """The one that the variables name; None if none of the needed ones is set. Raises Unusable."""
        given = {name: environment.get(name, "").strip() for name in (*NEEDED, *OPTIONAL)}
        missing = [name for name in NEEDED if not given[name]]
        if len(missing) == len(NEEDED):
            return None
        if missing:
            names = " and ".join(missing)
            raise Unusable(f"{', '.join(NEEDED)} must be set together for a The Things Stack of your own; {names} "
                           f"{'is' if len(missing) == 1 else 'are'} not")  # fmt: skip
        identity_server = given[IDENTITY_SERVER]
        own = cls(
            _url(URL, given[URL]),
            given[APPLICATION],
            given[API_KEY],
            _url(IDENTITY_SERVER, identity_server) if identity_server else "",
            *way_here(environment),
        )
        if not own.reaches and not runs_here(urlsplit(own.url).hostname or ""):
            raise Unusable(f"{REACHES} must be an https address that leads to port {own.port} of this machine, as "
                           f"{own.url} is another machine and does not reach 127.0.0.1; it is not set")  # fmt: skip
        return own

    def check(self) -> None:
        """One call: the server answers, and the key has the rights on the application. Raises Unusable."""
        try:
            rights = self._client(CHECK_SECONDS).application.rights()
        except ApiKeyRefused as error:
            raise Unusable(f"{self.url} refuses {API_KEY} ({error.answer.message})") from error
        except NotFound as error:
            raise Unusable(f"{self.url} has no application {self.application}: check {APPLICATION}") from error
        except ThingsStackRefused as error:
            raise Unusable(f"{error}: check {URL}") from error
        except UnknownAuthority as error:
            raise Unusable(
                f"unknown authority: the certificate of {error.host} is not signed by a trusted one; set "
                f"{CA_CERTIFICATE} to the file with the certificate of the authority that signed it"
            ) from error
        except Misconfigured as error:
            raise Unusable(f"{CA_CERTIFICATE} must be a file with a certificate in PEM: {error}") from error
        except Busy as error:
            raise Unusable(f"{error}: check {URL}") from error
        needed = {**RIGHTS, **INTEGRATION_RIGHTS}
        missing = [] if rights & ALL_RIGHTS else [label for right, label in needed.items() if right not in rights]
        if not rights:
            raise Unusable(f"{API_KEY} has no rights on the application {self.application}: check {APPLICATION}, or "
                           "make a key for it in the Console")  # fmt: skip
        if missing:
            raise Unusable(f"{API_KEY} lacks rights on the application {self.application}: add {', '.join(missing)}")

    @property
    def answers(self) -> bool:
        """Whether something listens at its address now."""
        address = urlsplit(self.url)
        port = address.port or (443 if address.scheme == "https" else 80)
        with contextlib.suppress(OSError), socket.create_connection((address.hostname, port), ANSWER_SECONDS):
            return True
        return False

    def inputs(self, aws: LocalAws) -> dict[str, Any]:
        """The root module's variables for it. Devices are kept: the next environment begins without a thing, and would
        take each marked device for one whose thing was deleted."""
        identity_server = {"identity_server_address": self.identity_server_url} if self.identity_server_url else {}
        return {
            "cluster_address": self.url,
            **identity_server,
            **({"cluster_ca_certificate": self.ca_certificate} if self.ca_certificate else {}),
            "application_id": self.application,
            "application_api_key": self.api_key,
            "on_thing_deleted": "retain",
            "ingest": self._ingest(aws),
        }

    @property
    def identity_server(self) -> str:
        """The URL of the Identity Server. The hosted deployments have it in eu1, as modules/things_stack knows."""
        return self.identity_server_url or _HOSTED.sub(r"\1eu1\2", self.url)

    def integration_id(self, stack_name: str, region: str) -> str:
        """The ID of the integration that a stack in the local AWS has at The Things Stack."""
        return Integration(self._mode, ROOT_ACCOUNT, region, stack_name).id

    def remove_integration(self, stack_name: str, region: str) -> None:
        """Remove what a stack has configured, without the stack. Raises ThingbridgeError."""
        client = self._client(CHECK_SECONDS)
        integrations = client.webhooks if self._mode == IngestMode.WEBHOOK else client.pubsubs
        with contextlib.suppress(NotFound):
            integrations.delete(self.integration_id(stack_name, region))

    def integration(self, stack_name: str, region: str) -> dict[str, dict[str, str]]:
        """What The Things Stack has for a stack: the ID of the integration → `state`, `reason`; empty without one."""
        name = self.integration_id(stack_name, region)
        try:
            if self._mode == IngestMode.WEBHOOK:
                found = self._client(ANSWER_SECONDS).webhooks.get(name, ("base_url", "health_status"))
            else:
                found = self._client(ANSWER_SECONDS).pubsubs.get(name, ("base_topic",))
        except ThingbridgeError as error:
            return {name: {"state": "unknown", "reason": str(error)}}
        if found is None:
            return {}
        failures = int((found.get("health_status", {}).get("unhealthy") or {}).get("failed_attempts", 0))
        reason = f"The Things Stack failed to post to {self.reaches}, {failures} in a row" if failures else ""
        return {name: {"state": "failing" if failures else "configured", "reason": reason}}

    @property
    def _mode(self) -> IngestMode:
        return IngestMode.WEBHOOK if self.reaches else IngestMode.MQTT

    def _ingest(self, aws: LocalAws) -> dict[str, Any]:
        if self.reaches:
            return {"mode": "webhook", "webhook": {"url": self.reaches}}
        return {"mode": "mqtt", "mqtt": {"server_url": aws.mqtt_url, "ca_certificate": aws.mqtt_authority()}}

    def _client(self, seconds: float) -> ThingsStack:
        """A client that gives up after so many seconds."""
        end = time.monotonic() + seconds
        transport = Transport(
            cluster_address=self.url,
            identity_server_address=self.identity_server,
            api_key=lambda _refresh: self.api_key,
            remaining_seconds=lambda: end - time.monotonic(),
            patience=seconds / 3,
            ca_certificate=self.ca_certificate or None,
        )
        return ThingsStack(self.application, transport)


def way_here(environment: Mapping[str, str]) -> tuple[str, int, str]:
    """`reaches`, `port` and `ca_certificate`, as variables give them. Raises Unusable."""
    reaches, port, certificate = (environment.get(name, "").strip() for name in (REACHES, PORT, CA_CERTIFICATE))
    return (
        _url(REACHES, reaches) if reaches else "",
        _port(port) if port else DEFAULT_PORT,
        _certificate(certificate) if certificate else "",
    )


def runs_here(host: str) -> bool:
    """Whether a host is this machine: an address of this machine can be bound, another one can't."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError:
        return False
    for family, kind, *_, address in found:
        with contextlib.suppress(OSError), socket.socket(family, kind) as probe:
            probe.bind(address)
            return True
    return False


def _url(name: str, text: str) -> str:
    """An address as a URL without a path, in the forms of the root module's cluster_address. Raises Unusable."""
    address = text.rstrip("/").lower()
    url = address if "://" in address else f"https://{address}"
    parts = urlsplit(url)
    here = parts.hostname in ("localhost", "127.0.0.1")
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.path or parts.query:
        raise Unusable(f"{name} must be a host, host:port or URL without a path; got {text!r}")
    if parts.scheme == "http" and not here:
        raise Unusable(f"{name} must use https unless it is localhost or 127.0.0.1; got {text!r}")
    return url


def _port(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise Unusable(f"{PORT} must be a port, 1 to 65535; got {text!r}")
    return int(text)


def _certificate(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise Unusable(
            f"{CA_CERTIFICATE} must be a file with a certificate in PEM; got {path!r}, which can't be read"
        ) from error
