"""A The Things Stack that somebody runs, as the subject: it lends one user's API key, and gets back what was made.

Messages come by webhook from a The Things Stack on this machine, and from its MQTT server otherwise, since it can't be
expected to reach a listener here.
"""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests

from local import own_things_stack
from local.own_things_stack import DEFAULT_PORT, way_here
from tests.contract import receivers
from tests.contract.radio.gateway import Gateway
from tests.contract.receivers import Messages, WebhookListener
from tests.contract.subject import PLAN, REQUEST_TIMEOUT, Application, delete_everywhere, send_webhook

LAYERS = ("requests", "radio", "whole")
GATEWAY_PORT, MQTT_PORT, MQTTS_PORT = 1700, 1883, 8883
_ADDRESSES = ("network_server_address", "application_server_address", "join_server_address")
_ASSOCIATED_F_PORT = 198
"""Of the exchanges."""


class Unusable(Exception):
    """The contract can't be played on this The Things Stack; the message says what to change."""


@dataclass(frozen=True)
class Settings:
    """Where it is, and whose key is used. Addresses are host and port; `tenant` is part of an MQTT user name; `layers`
    are those that are played. The others: tests/contract/subject.py."""

    url: str
    api_key: str
    gateway: tuple[str, int]
    mqtt: tuple[str, int]
    tenant: str = ""
    reaches: str = ""
    reaches_port: int = DEFAULT_PORT
    ca_certificate: str = ""
    layers: tuple[str, ...] = LAYERS

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """Unusable: a variable is missing, or is no address."""
        url, api_key = (environment.get(name, "").strip() for name in ("TTS_URL", "TTS_API_KEY"))
        if not url or not api_key:
            raise Unusable(
                "make contract needs TTS_URL and TTS_API_KEY: the URL of a The Things Stack, and an API key of a user "
                "who may create applications and gateways"
            )
        address = urlsplit(url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise Unusable(f'TTS_URL must be a URL such as "https://tts.example.com"; got "{url}"')
        mqtt_port = MQTTS_PORT if address.scheme == "https" else MQTT_PORT
        try:
            reaches, port, authority = way_here(environment)
        except own_things_stack.Unusable as error:
            raise Unusable(str(error)) from error
        return cls(
            f"{address.scheme}://{address.netloc}", api_key,
            _address(environment, "TTS_GATEWAY_ADDRESS", address.hostname, GATEWAY_PORT),
            _address(environment, "TTS_MQTT_ADDRESS", address.hostname, mqtt_port), environment.get("TTS_TENANT", ""),
            reaches, port, authority, _layers(environment.get("LAYERS", "")),
        )  # fmt: skip

    @property
    def host(self) -> str:
        return str(urlsplit(self.url).hostname)


class Remote:
    """Opened with a `with` block, which creates the gateway and, at its end, removes everything that was created.
    `left` then has what could not be removed."""

    silence = 7.0
    """Longer than both receive windows, with the delays of The Things Stack."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.url, self.host, self.session = settings, settings.url, settings.host, requests.Session()
        self.is_here = _is_here(settings.host)
        self.reaches, self.reaches_port = settings.reaches, settings.reaches_port
        self.ca_certificate = settings.ca_certificate
        self.eui_prefix = f"70B3D5{secrets.token_hex(2).upper()}"
        self.left: list[str] = []
        self._ends = ExitStack()
        self._user = ""
        self._devices: dict[tuple[str, str], None] = {}
        self._bound: dict[str, dict[str, str]] = {}
        self._webhooks: WebhookListener | None = None

    def __enter__(self) -> Remote:
        with ExitStack() as opening:
            self._ends = opening
            self._user = self._user_of_the_key()
            self.gateway = self._create_gateway()
            self._ends = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def create_application(self) -> str:
        id_ = f"contract-{secrets.token_hex(4)}"
        with self._removed_at_the_end(f"application {id_}", lambda: self._remove_application(id_)):
            self._json("POST", f"/users/{self._user}/applications", {"application": {"ids": {"application_id": id_}}})
        return id_

    def bind(self, application: str, addresses: Mapping[str, str]) -> None:
        if self._bound.get(application, {}) != addresses:
            self._bound[application] = dict(addresses)
            self._json("PUT", f"/applications/{application}",
                       {"application": dict(addresses), "field_mask": {"paths": list(_ADDRESSES)}})  # fmt: skip

    def key(self, application: str, rights: Iterable[str]) -> str:
        created = self._json("POST", f"/applications/{application}/api-keys",
                             {"name": "contract", "rights": list(rights)})  # fmt: skip
        path = f"/applications/{application}/api-keys/{created['id']}"
        self._ends.callback(self._remove, f"API key {created['id']} of {application}", lambda: self._delete(path))
        return str(created["key"])

    def messages(self, application: str) -> Messages:
        if self.is_here:
            return self._by_webhook(application)
        host, port = self.settings.mqtt
        username = f"{application}@{self.settings.tenant}" if self.settings.tenant else application
        try:
            messages = receivers.from_mqtt(host, port, tls=self.url.startswith("https:"), username=username,
                                           api_key=self.settings.api_key)  # fmt: skip
        except OSError as error:
            raise Unusable(f"{error}; TTS_MQTT_ADDRESS (host:port) names another address") from error
        self._ends.callback(messages.stop)
        return messages

    def remembers(self, application: str, device_id: str) -> None:
        self._devices[application, device_id] = None

    # Creating ---------------------------------------------------------------------------------------------------------
    def _user_of_the_key(self) -> str:
        try:
            answer = self._call("GET", "/auth_info")
        except requests.RequestException as error:
            raise Unusable(f"The Things Stack at {self.url} does not answer: {error}") from error
        if not answer.ok:
            raise Unusable(f"The Things Stack at {self.url} refuses TTS_API_KEY: {_sentence(answer)}")
        entity = answer.json().get("api_key", {}).get("entity_ids", {})
        if "user_ids" not in entity:
            kind = next(iter(entity), "nobody").removesuffix("_ids")
            raise Unusable(f"TTS_API_KEY must be an API key of a user; got one of: {kind}")
        return str(entity["user_ids"]["user_id"])

    def _create_gateway(self) -> Gateway:
        id_, eui = f"contract-{secrets.token_hex(4)}", f"{self.eui_prefix}FF{secrets.token_hex(2).upper()}"
        gateway = {"ids": {"gateway_id": id_, "eui": eui}, "frequency_plan_ids": [PLAN],
                   "gateway_server_address": self.host}  # fmt: skip
        with self._removed_at_the_end(f"gateway {id_}", lambda: self._remove_entity(f"/gateways/{id_}")):
            self._json("POST", f"/users/{self._user}/gateways", {"gateway": gateway})
        opened = Gateway(*self.settings.gateway, eui, on_time=True)
        self._ends.callback(opened.stop)
        try:
            opened.start()
        except OSError as error:
            raise Unusable(f"{error}; TTS_GATEWAY_ADDRESS (host:port) names another address") from error
        return opened

    def _by_webhook(self, application: str) -> Messages:
        if self._webhooks is None:
            self._webhooks = WebhookListener()
            self._ends.callback(self._webhooks.stop)
        send_webhook(Application(self, application, self.settings.api_key), self._webhooks.url(application))
        return self._webhooks.messages(application)

    # Removing ---------------------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _removed_at_the_end(self, what: str, remove: Callable[[], None]) -> Iterator[None]:
        """Also when creating it is interrupted: the request may have been carried out."""
        try:
            yield
        except Unusable:
            raise  # refused: there is nothing to remove
        except BaseException:
            self._remove(what, remove)
            raise
        self._ends.callback(self._remove, what, remove)

    def _remove(self, what: str, remove: Callable[[], None]) -> None:
        """Whatever it takes: one thing that can't be removed does not keep the others."""
        try:
            remove()
        except (requests.RequestException, AssertionError, Unusable) as error:
            self.left.append(f"{what}: {error}")

    def _remove_application(self, id_: str) -> None:
        """With its devices and the settings that other servers keep of it."""
        owner = Application(self, id_, self.settings.api_key)
        for application, device_id in list(self._devices):
            if application == id_:
                self._remove(f"device {device_id} of {id_}", partial(delete_everywhere, owner, device_id))
        for kind, name in (("webhooks", "webhook_id"), ("pubsub", "pub_sub_id")):
            found = owner.json("GET", f"/as/{kind}/{id_}")
            for each in found.get("webhooks" if kind == "webhooks" else "pubsubs", []):
                self._delete(f"/as/{kind}/{id_}/{each['ids'][name]}")
        for path in (f"/as/applications/{id_}/link", f"/js/applications/{id_}/settings",
                     f"/as/applications/{id_}/packages/associations/{_ASSOCIATED_F_PORT}"):  # fmt: skip
            self._delete(path)
        self._remove_entity(f"/applications/{id_}")

    def _remove_entity(self, path: str) -> None:
        """Deletes it, and its id for good where the key is that of an administrator."""
        self._delete(path)
        self._call("DELETE", f"{path}/purge")

    def _delete(self, path: str) -> None:
        answer = self._call("DELETE", path)
        if not answer.ok and answer.status_code != requests.codes.not_found:
            raise Unusable(f"DELETE {path}: {answer.status_code} {_sentence(answer)}")

    def _json(self, method: str, path: str, body: Any) -> Any:
        answer = self._call(method, path, body)
        if not answer.ok:
            raise Unusable(f"{method} {path} is refused: {answer.status_code} {_sentence(answer)}")
        return answer.json()

    def _call(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.settings.api_key}"}
        return self.session.request(method, f"{self.url}/api/v3{path}", json=body, headers=headers,
                                    timeout=REQUEST_TIMEOUT)  # fmt: skip


def _address(environment: Mapping[str, str], name: str, host: str, port: int) -> tuple[str, int]:
    given = environment.get(name, "").strip()
    if not given:
        return host, port
    given_host, _, given_port = given.rpartition(":")
    if not given_host or not given_port.isdigit():
        raise Unusable(f'{name} must be host:port; got "{given}"')
    return given_host, int(given_port)


def _layers(given: str) -> tuple[str, ...]:
    chosen = tuple(given.replace(",", " ").split())
    if not set(chosen) <= set(LAYERS):
        raise Unusable(f'LAYERS must be some of {", ".join(LAYERS)}; got "{given}"')
    return chosen or LAYERS


def _is_here(host: str) -> bool:
    """Whether the host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sentence(answer: requests.Response) -> str:
    try:
        return str(answer.json().get("message", answer.text))
    except (ValueError, AttributeError):
        return answer.text[:200]
