"""A stack that is applied, and end-to-end encryption: an account's table, secret and keys, and a device on the air."""

import base64
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local.things_stack import ThingsStack as Simulation
from local.things_stack.network.application_up import Published
from tests.unit.conftest import APPLICATION
from tests.unit.flows.world import APPLICATIONS, World
from thingbridge.aws.clients import Clients
from thingbridge.aws.secrets import Secrets
from thingbridge.aws.sessions import SessionTable
from thingbridge.encryption import sessions
from thingbridge.flows.end_to_end_encryption import setup
from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys
from thingbridge.registry.attributes import DeviceReference
from thingbridge.things_stack.client import ThingsStack

KEK = "000102030405060708090A0B0C0D0E0F"
SESSIONS = "farm-sessions"
DOWNLINKS = "farm-downlinks"
DEVICE = DeviceReference("tank-7", "A81758FFFE0312AB", named=True)


@dataclass(frozen=True)
class Encryption:
    """A stack's end-to-end encryption. `label` is the ARN of the secret."""

    label: str
    kek: bytes
    keys: SessionKeys

    @property
    def environment(self) -> dict[str, str]:
        return {"SESSIONS_TABLE": SESSIONS, "KEY_ENCRYPTION_KEY_SECRET_ARN": self.label}


def create_sessions_table(clients: Clients) -> None:
    """The table of sessions, empty."""
    clients("dynamodb").create_table(
        TableName=SESSIONS,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "device", "KeyType": "HASH"},
            {"AttributeName": "session_key_id", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "device", "AttributeType": "S"},
            {"AttributeName": "session_key_id", "AttributeType": "S"},
        ],
    )


def create_downlinks_table(clients: Clients) -> None:
    """The table in which downlinks wait, empty."""
    keys = (("thing", "HASH"), ("id", "RANGE"))
    clients("dynamodb").create_table(
        TableName=DOWNLINKS,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
    )


@pytest.fixture
def encryption(clients: Clients) -> Encryption:
    create_sessions_table(clients)
    label = clients("secretsmanager").create_secret(Name="farm/AppSKeyKEK", SecretString=KEK)["ARN"]
    keys = SessionKeys(SessionTable(clients, SESSIONS), Secrets(clients), label)
    return Encryption(label, bytes.fromhex(KEK), keys)


@pytest.fixture
def things_stack(open_client: Callable[..., ThingsStack]) -> ThingsStack:
    """A client with all rights."""
    return open_client()


class Air:
    """A device of LoRaWAN 1.0.3 in an application under end-to-end encryption, and what is published of it."""

    def __init__(self, simulation: Simulation, keys: SessionKeys) -> None:
        self._simulation, self._network, self._keys = simulation, simulation.network, keys
        self._before = len(self._network.received(APPLICATION, DEVICE.device_id))

    def register(self, **options: str) -> None:
        ids = {"device_id": DEVICE.device_id, "dev_eui": str(DEVICE.dev_eui), "join_eui": "A81758FFFE000001"}
        app_key = "0123456789ABCDEF0123456789ABCDEF"
        self._simulation.register_device(APPLICATION, **ids, app_key=app_key, **options)  # type: ignore[arg-type]

    def forget(self) -> None:
        servers = self._simulation.servers
        for server in (servers.application, servers.network, servers.join, servers.identity):
            server.devices.pop((APPLICATION, DEVICE.device_id), None)
        self._network.forget(APPLICATION, DEVICE.device_id)

    def remember(self, published: Published) -> Published:
        """Keep the session of a message, as the flow `upstream` does."""
        seen = sessions.seen(published.message)
        assert seen is not None
        self._keys.remember(str(DEVICE.dev_eui), seen)
        return published

    def join(self) -> Published:
        return self._network.join(APPLICATION, DEVICE.device_id)

    def uplink(self, **options: Any) -> Published:
        return self._network.uplink(APPLICATION, DEVICE.device_id, **options)

    def activate(self) -> None:
        """Join and send, both of which this stack sees."""
        self.remember(self.join())
        self.remember(self.uplink())

    def queue(self) -> list[dict[str, Any]]:
        return self._network.queue(APPLICATION, DEVICE.device_id)

    def received(self) -> list[bytes]:
        """The payloads that the device has decrypted."""
        received = self._network.received(APPLICATION, DEVICE.device_id)[self._before :]
        return [base64.b64decode(each["frm_payload"]) for each in received]


@pytest.fixture
def air(simulation: Simulation, encryption: Encryption, things_stack: ThingsStack) -> Iterator[Air]:
    setup.configure(things_stack, encryption.label, KEK, None)
    device = Air(simulation, encryption.keys)
    device.register()
    yield device
    simulation.faults.clear()
    setup.remove(things_stack, encryption.label)
    device.forget()
    simulation.network.published.clear()


@pytest.fixture
def world(clients: Clients) -> Iterator[World]:
    secrets = clients("secretsmanager")
    document = '{"Version": "2012-10-17", "Statement": []}'
    clients("iot").create_policy(policyName="Farm-things-stack", policyDocument=document)
    with Simulation(port=0, profile="hosted") as simulation:
        for application in APPLICATIONS:
            simulation.create_application(application)
        keys = {application: simulation.create_api_key(application) for application in APPLICATIONS}
        made = {
            name: secrets.create_secret(Name=f"Farm/{name}", SecretString=text)["ARN"]
            for name, text in (
                ("ApplicationAPIKey", keys["farm-app"]),
                ("WebhookSecret", "let me in"),
                ("AppSKeyKEK", 32 * "A"),
            )
        }
        yield World(clients, simulation, keys, *made.values(), versions=itertools.count(2))
        simulation.faults.clear()
        simulation.assert_no_violations()
