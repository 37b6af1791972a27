"""Layer (c), what it is played on: this module, applied by Terraform to a local AWS, and connected with the subject.

The environment is that of `make up` with a The Things Stack of one's own. What is played is in test_whole.py.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from local import inspection
from local.environment import STACK_NAME, Environment, clear
from local.mqtt import MqttConnection, MqttError
from local.own_things_stack import OwnThingsStack
from local.processes import LOCALHOST, free_port
from local.stack import Stack
from local.things_stack.description.rights import DOCUMENTED_RIGHTS
from tests.contract.radio.device import Device, NotHeard
from tests.contract.subject import Application, Subject
from thingbridge.aws.things import Things
from thingbridge.messaging.topics import upstream as upstream_topic

PATIENCE = 30.0
"""Seconds for a message through both sides; the first call of a function takes some of them."""
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


@dataclass
class Bridge:
    """The module between one application and one AWS."""

    subject: Subject
    application: Application
    environment: Environment
    topics: MqttConnection
    things: Things

    def stack(self, **inputs: Any) -> Stack:
        """The stack, applied or not, with further inputs. Devices of the contract's own application may be deleted."""
        given = {**self.environment.inputs, "on_thing_deleted": "delete", **inputs}
        return Stack(self.environment.directory / "stack", given, environment=self.environment.aws.environment())

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
        raise AssertionError(f"no uplink reached AWS IoT: The Things Stack must reach {self.address}, or TTS_REACHES")

    @property
    def address(self) -> str:
        """Where The Things Stack sends what devices send."""
        own = self.environment.own
        return own.reaches if own and own.reaches else self.environment.aws.mqtt_url

    def take(self, device: Device, event: str) -> Any:
        """The first message about the device's thing on `lorawan/<thing>/<event>`. AssertionError: none comes."""
        try:
            return self.topics.wait_for(f"lorawan/{device.dev_eui}/{event}", timeout=PATIENCE).json()
        except MqttError as error:
            raise AssertionError(str(error)) from error

    def request(self, **downlink: Any) -> None:
        """A downlink is requested as an application of the user does."""
        self.topics.publish("lorawan/downlink", downlink)

    def carried(self, device: Device, event: str) -> list[Any]:
        """What The Things Stack published of a device, before any function saw it."""
        kind = "uplink_message" if event == "uplink" else event.replace("/", "_")
        received = [message.json() for message in self.topics.messages(upstream_topic(STACK_NAME, event))]
        return [each[kind] for each in received if each["end_device_ids"]["dev_eui"] == device.dev_eui]

    def create_thing(self, name: str, **attributes: str) -> None:
        assert self.things.create(name, {"stackName": STACK_NAME, **attributes}, "lorawan"), f"{name} exists"

    def outcome(self, thing: str) -> str:
        """The state of a thing's device, as its shadow reports it."""
        reported = inspection.shadow(self.environment.aws, thing)
        return str((reported.get("provisioning") or {}).get("state", ""))

    def servers_with(self, device_id: str) -> set[str]:
        """The servers of The Things Stack that have a device."""
        paths = {"is": "", "ns": "/ns", "as": "/as", "js": "/js"}
        base = f"/applications/{self.application.id}/devices/{device_id}"
        return {name for name, at in paths.items() if self.application.call("GET", f"{at}{base}").ok}

    @property
    def integrations(self) -> dict[str, dict[str, str]]:
        """What The Things Stack has of the stack."""
        own = self.environment.own
        assert own
        return own.integration(STACK_NAME, self.environment.aws.region)

    def _arrived(self, device: Device) -> bool:
        with contextlib.suppress(MqttError):
            return bool(self.topics.wait_for(f"lorawan/{device.dev_eui}/uplink", timeout=5))
        return False


@contextlib.contextmanager
def applied(subject: Subject, way: Way, directory: Path) -> Iterator[Bridge]:
    """The module on an AWS of its own, with an application of the subject's; both end with the block.

    Raises what `make up` does, and AssertionError if nothing that devices send reaches AWS.
    """
    id_ = subject.create_application()
    application = Application(subject, id_, subject.key(id_, DOCUMENTED_RIGHTS))
    own = _own(subject, application, way)
    own.check()
    try:
        environment = Environment.start(directory, own=own)
        with environment.aws.mqtt(f"contract-{way}") as topics:
            for topic_filter in ("lorawan/#", f"{upstream_topic(STACK_NAME, '')}#"):
                topics.subscribe(topic_filter)
            bridge = Bridge(subject, application, environment, topics, Things(environment.aws.clients))
            bridge.stack().apply()
            bridge.settled()
            yield bridge
    finally:
        clear(directory)


def _own(subject: Subject, application: Application, way: Way) -> OwnThingsStack:
    reaches, port = "", subject.reaches_port
    if way is Way.WEBHOOK:
        port = port if subject.reaches else free_port()
        reaches = subject.reaches or f"http://{LOCALHOST}:{port}"
    return OwnThingsStack(
        subject.url, application.id, application.api_key, reaches=reaches, port=port,
        ca_certificate=subject.ca_certificate,
    )  # fmt: skip
