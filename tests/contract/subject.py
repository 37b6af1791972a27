"""What is under contract: a The Things Stack with one gateway, seen as its users see it. No test asks which one it is.

`simulated` and `remote` are the two implementations. What both do alike, over HTTP, is here: requests, and devices on
all four servers.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import requests

from tests.contract.radio.device import Device
from tests.contract.radio.gateway import Gateway
from tests.contract.receivers import KINDS, Messages

REQUEST_TIMEOUT = 30
"""Seconds."""
PLAN = "EU_863_870_TTN"
EVENTUALLY = 10.0
"""Seconds within which the servers agree."""


class Subject(Protocol):
    """A The Things Stack. What is made here is removed when the contract has been played."""

    url: str
    session: requests.Session
    host: str
    """The address of its servers, as devices record it."""
    gateway: Gateway
    eui_prefix: str
    """The first 10 hex digits of the EUIs of the contract's devices."""
    silence: float
    """Seconds after an uplink from which on nothing answers it any more."""
    is_here: bool
    """Whether it runs on this machine, and so reaches 127.0.0.1."""
    reaches: str
    """The https address on which it reaches `reaches_port` of this machine; "" without one."""
    reaches_port: int
    ca_certificate: str
    """The certificate (PEM) of the private authority that signed its own; "" for a public one."""

    def create_application(self) -> str:
        """A new application, whose devices can be registered and join."""

    def bind(self, application: str, addresses: Mapping[str, str]) -> None:
        """Binds an application to servers: the fields of an application with their addresses. Empty: to none."""

    def key(self, application: str, rights: Iterable[str]) -> str:
        """An API key with rights of an application."""

    def messages(self, application: str) -> Messages:
        """What the application publishes from now on."""

    def remembers(self, application: str, device_id: str) -> None:
        """A device may have been made on some of the servers."""


@dataclass
class Application:
    """An application of the subject, seen with one API key."""

    subject: Subject
    id: str
    api_key: str

    def call(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None
    ) -> requests.Response:
        """A request below /api/v3. Answers are returned whatever their status."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return self.subject.session.request(method, f"{self.subject.url}/api/v3{path}", params=query, json=body,
                                            headers=headers, timeout=REQUEST_TIMEOUT)  # fmt: skip

    def json(self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None) -> Any:
        """The body of the answer. AssertionError: an error."""
        answer = self.call(method, path, body, query=query)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def register(
        self, device_id: str, *, dev_eui: str = "", version: str = "MAC_V1_0_3", phy: str = "PHY_V1_0_3_REV_A",
        network: Mapping[str, Any] | None = None, application: Mapping[str, Any] | None = None,
    ) -> Device:  # fmt: skip
        """A device on all four servers, with further fields on the Network and the Application Server. Returns the
        device itself, which has not joined."""
        prefix = self.subject.eui_prefix
        device = Device(
            self.subject.gateway, device_id=device_id, join_eui=f"{prefix}000000",
            dev_eui=dev_eui or f"{prefix}F{secrets.token_hex(3)[1:].upper()}", app_key=secrets.token_hex(16).upper(),
        )  # fmt: skip
        self.subject.remembers(self.id, device_id)
        ids = {"device_id": device_id, "dev_eui": device.dev_eui, "join_eui": device.join_eui,
               "application_ids": {"application_id": self.id}}  # fmt: skip
        addresses = {f"{server}_server_address": self.subject.host for server in ("network", "application", "join")}
        self.json("POST", f"/applications/{self.id}/devices", {"end_device": {"ids": ids, **addresses}})
        del addresses["join_server_address"]  # the others, as the Join Server records them
        self._set("js", ids, {"root_keys": {"app_key": {"key": device.app_key}}, **addresses})
        radio = {"lorawan_version": version, "lorawan_phy_version": phy, "frequency_plan_id": PLAN,
                 "supports_join": True, **(network or {})}  # fmt: skip
        self._set("ns", ids, radio)
        self._set("as", ids, dict(application or {}))
        return device

    def downlinks(self, device: Device, *downlinks: Mapping[str, Any], how: str = "push") -> requests.Response:
        path = f"/as/applications/{self.id}/devices/{device.id}/down/{how}"
        return self.call("POST", path, {"downlinks": list(downlinks)})

    def device_on(self, server: str, device_id: str, paths: str) -> Any:
        """What a server (`ns`, `as`, `js`) has of a device."""
        return self.json("GET", f"/{server}/applications/{self.id}/devices/{device_id}", query={"field_mask": paths})

    def _set(self, server: str, ids: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        paths = [*(f"ids.{name}" for name in ("device_id", "dev_eui", "join_eui")), *fields]
        path = f"/{server}/applications/{self.id}/devices/{ids['device_id']}"
        self.json("PUT", path, {"end_device": {"ids": ids, **fields}, "field_mask": {"paths": paths}})


def send_webhook(application: Application, url: str) -> None:
    """Lets the application post its messages to a URL."""
    webhook = {"base_url": url, "format": "json", **{kind: {} for kind in KINDS}}
    ids = {"application_ids": {"application_id": application.id}, "webhook_id": "contract"}
    application.json("PUT", f"/as/webhooks/{application.id}/contract",
                     {"webhook": {"ids": ids, **webhook}, "field_mask": {"paths": list(webhook)}})  # fmt: skip


def delete_everywhere(application: Application, device_id: str) -> None:
    """Deletes a device from all four servers, whichever of them have it."""
    for prefix in ("/as", "/ns", "/js", ""):
        answer = application.call("DELETE", f"{prefix}/applications/{application.id}/devices/{device_id}")
        assert answer.ok or answer.status_code == requests.codes.not_found, f"{prefix}: {answer.text}"


def eventually(holds: Callable[[], bool], within: float = EVENTUALLY) -> None:
    """Waits until the servers agree. AssertionError: they do not within so many seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"the servers do not agree within {within:g} s"
        time.sleep(0.1)
