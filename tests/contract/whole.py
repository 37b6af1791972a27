"""Layer (c), what it is played on: this module, applied by Terraform and connected with the subject.

It is applied to a local AWS, in the environment of `make up` with a The Things Stack of one's own, or to an account
(tests/account). What is played is in test_whole.py.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from local.environment import STACK_NAME, Environment, clear
from local.mqtt import MqttConnection, MqttError
from local.own_things_stack import OwnThingsStack
from local.processes import LOCALHOST, free_port
from local.stack import Stack
from local.things_stack.description.rights import DOCUMENTED_RIGHTS
from tests.contract.radio.device import Device, NotHeard
from tests.contract.subject import Application, Subject
from thingbridge.aws.clients import Clients
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things import Things
from thingbridge.messaging.topics import upstream as upstream_topic
from thingbridge.shadow.state import SHADOW_NAME

PATIENCE = 30.0
"""Of a local AWS."""
MOST_UPLINKS = 8
"""Within which The Things Stack has connected, and a network has set up a new session."""


class Way(StrEnum):
    """How messages reach AWS: the modes of `ingest` that an open source The Things Stack has."""

    WEBHOOK = "webhook"
    MQTT = "mqtt"


def unreachable(subject: Subject, way: Way) -> str:
    """Why the subject can't deliver to this machine in that way; "" if it can."""
    if way is Way.MQTT and (subject.reaches or not subject.is_here):
        return "only a The Things Stack on this machine reaches its MQTT"
    if way is Way.WEBHOOK and not (subject.reaches or subject.is_here):
        return "TTS_REACHES is not set, the https address on which The Things Stack reaches this machine"
    return ""


class Place(Protocol):
    """An AWS account in one region, and the stack that is applied to it."""

    stack_name: str
    thing_type: str
    patience: float
    """Seconds for a message through both sides; the first call of a function takes some of them."""

    @property
    def clients(self) -> Clients:
        """Clients of the account."""

    def mqtt(self, client_id: str) -> MqttConnection:
        """A connection with the account's message broker."""

    def stack(self, **inputs: Any) -> Stack:
        """The stack, applied or not, with further inputs."""

    def address(self) -> str:
        """Where The Things Stack sends what devices send."""

    def integrations(self) -> dict[str, Any]:
        """What The Things Stack has of the stack, by the ID of the integration."""


@dataclass
class Bridge:
    """The module between one application and one AWS."""

    subject: Subject
    application: Application
    place: Place
    topics: MqttConnection
    things: Things

    def stack(self, **inputs: Any) -> Stack:
        """The stack, applied or not, with further inputs. Devices of the contract's own application may be deleted."""
        return self.place.stack(**{"on_thing_deleted": "delete", **inputs})

    def device(self) -> Device:
        """A device that somebody registered, which has not joined."""
        return self.application.register(f"whole-{secrets.token_hex(4)}")

    def settled(self) -> Device:
        """A device that has joined and sent until the network is silent. AssertionError: no uplink reached AWS."""
        device, arrived = self.device(), False
        device.join()
        for _ in range(MOST_UPLINKS):
            device.send(b"\x01")
            try:
                device.heard(self.subject.silence)
            except NotHeard:
                arrived = arrived or self._arrived(device)
                if arrived:
                    return device
        if arrived:
            raise AssertionError(f"the network still answers after {MOST_UPLINKS} uplinks")
        raise AssertionError(
            f"no uplink reached AWS IoT: The Things Stack must reach {self.place.address()}, or TTS_REACHES"
        )

    def take(self, device: Device, event: str) -> Any:
        """The first message about the device's thing on `lorawan/<thing>/<event>`. AssertionError: none comes."""
        try:
            return self.topics.wait_for(f"lorawan/{device.dev_eui}/{event}", timeout=self.place.patience).json()
        except MqttError as error:
            raise AssertionError(str(error)) from error

    def request(self, **downlink: Any) -> None:
        """A downlink is requested as an application of the user does."""
        self.topics.publish("lorawan/downlink", downlink)

    def carried(self, device: Device, event: str) -> list[Any]:
        """What The Things Stack published of a device, before any function saw it."""
        kind = "uplink_message" if event == "uplink" else event.replace("/", "_")
        received = [message.json() for message in self.topics.messages(upstream_topic(self.place.stack_name, event))]
        return [each[kind] for each in received if each["end_device_ids"]["dev_eui"] == device.dev_eui]

    def create_thing(self, name: str, **attributes: str) -> None:
        made = self.things.create(name, {"stackName": self.place.stack_name, **attributes}, self.place.thing_type)
        assert made, f"{name} exists"

    def shadow(self, thing: str) -> dict[str, Any]:
        """What the named shadow `lorawan` of a thing reports; empty if there is none."""
        return Shadows(self.place.clients, SHADOW_NAME).reported(thing)

    def outcome(self, thing: str) -> str:
        """The state of a thing's device, as its shadow reports it."""
        return str((self.shadow(thing).get("provisioning") or {}).get("state", ""))

    def servers_with(self, device_id: str) -> set[str]:
        """The servers of The Things Stack that have a device."""
        paths = {"is": "", "ns": "/ns", "as": "/as", "js": "/js"}
        base = f"/applications/{self.application.id}/devices/{device_id}"
        return {name for name, at in paths.items() if self.application.call("GET", f"{at}{base}").ok}

    @property
    def integrations(self) -> dict[str, Any]:
        """What The Things Stack has of the stack."""
        return self.place.integrations()

    def _arrived(self, device: Device) -> bool:
        with contextlib.suppress(MqttError):
            return bool(self.topics.wait_for(f"lorawan/{device.dev_eui}/uplink", timeout=5))
        return False


@dataclass
class Here:
    """The local AWS of an environment that is up."""

    environment: Environment
    stack_name: str = STACK_NAME
    thing_type: str = "lorawan"
    patience: float = PATIENCE

    @property
    def clients(self) -> Clients:
        return self.environment.aws.clients

    def mqtt(self, client_id: str) -> MqttConnection:
        return self.environment.aws.mqtt(client_id)

    def stack(self, **inputs: Any) -> Stack:
        given = {**self.environment.inputs, **inputs}
        return Stack(self.environment.directory / "stack", given, environment=self.environment.aws.environment())

    def address(self) -> str:
        own = self.environment.own
        return own.reaches if own and own.reaches else self.environment.aws.mqtt_url

    def integrations(self) -> dict[str, Any]:
        own = self.environment.own
        assert own
        return own.integration(self.stack_name, self.environment.aws.region)


@contextlib.contextmanager
def applied(subject: Subject, way: Way, directory: Path) -> Iterator[Bridge]:
    """The module on an AWS of its own, with an application of the subject's; both end with the block.

    Raises what `make up` does, and AssertionError if nothing that devices send reaches AWS.
    """
    application = application_of(subject)
    own = _own(subject, application, way)
    own.check()
    try:
        with bridged(subject, application, Here(Environment.start(directory, own=own))) as bridge:
            yield bridge
    finally:
        clear(directory)


def application_of(subject: Subject) -> Application:
    """A new application, seen with a key that has all rights which are documented."""
    id_ = subject.create_application()
    return Application(subject, id_, subject.key(id_, DOCUMENTED_RIGHTS))


@contextlib.contextmanager
def bridged(subject: Subject, application: Application, place: Place) -> Iterator[Bridge]:
    """The module, applied to a place. Raises TerraformError, and AssertionError: nothing that devices send arrives."""
    with place.mqtt(f"contract-{secrets.token_hex(4)}") as topics:
        for topic_filter in ("lorawan/#", f"{upstream_topic(place.stack_name, '')}#"):
            topics.subscribe(topic_filter)
        bridge = Bridge(subject, application, place, topics, Things(place.clients))
        bridge.stack().apply()
        bridge.settled()
        yield bridge


def _own(subject: Subject, application: Application, way: Way) -> OwnThingsStack:
    reaches, port = "", subject.reaches_port
    if way is Way.WEBHOOK:
        port = port if subject.reaches else free_port()
        reaches = subject.reaches or f"http://{LOCALHOST}:{port}"
    return OwnThingsStack(
        subject.url, application.id, application.api_key, reaches=reaches, port=port,
        ca_certificate=subject.ca_certificate,
    )  # fmt: skip
