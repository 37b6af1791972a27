"""The real thing: stacks applied by Terraform on one AWS account with IAM enforced, and a simulated The Things Stack.

A stack is applied once per run, each with another mode of ingest: `Farm` pubsub, `orchard` webhook (with Basic Ingest),
`Vault` mqtt. The simulation is a hosted one, which has all of them. Every test has devices of its own, so that none
waits for another.
"""

import functools
import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.app import app
from local import inspection, leftovers
from local.aws import LocalAws, functions
from local.mqtt import MqttConnection
from local.stack import Stack
from local.things_stack import AwsAccess, ThingsStack, foreign_account_credentials
from tests import applier
from tests.sizes import SOAK
from thingbridge.aws.things import Thing, Things
from thingbridge.messaging.topics import upstream as upstream_topic

THINGS_STACK_ACCOUNT = "678672909819"
PUBSUB = {"mode": "pubsub", "pubsub": {"has_aws_iot_provider": True}}
APP_KEY = "0123456789ABCDEF0123456789ABCDEF"
PATIENCE = 60.0
"""Seconds within which what was caused must be seen: a second or two, and more where others use the processor."""

SHADOW_INTERVAL = 2
DELTA_F_PORT = 20
CODECS = Path(__file__).parent / "codecs"
"""Of the stack `orchard`: the least seconds between two writes of a shadow, where desired states go, its decoders."""

INITIAL_SHADOW = {"desired": {"reporting_interval": 60}, "reported": {"firmware_version": "1.0.0"}}
"""Of devices with certificates of their own, which `orchard` has."""

RECORDS_QUEUE = "records-of-orchard"
"""Where `orchard` hands the records of readings on to; it is there before the stack, as a user's is."""

VAULT, VAULT_APPLICATION = "Vault", "vault-app"
ROLE_PATH, BOUNDARY = "/vaults/", "bounds-of-vaults"
"""Of the stack `Vault`, beside a key in KMS."""

WORK_QUEUES = frozenset(
    {"directory", "downlink", "registry", "requeue", "sending", "shadow", "sync", "upstream", "waiting"}
)

APPLIED_BY = {"farm_stack": "farm", "pair": "pair", "meadow": "meadow", "silo": "silo"}
"""Fixture that applies a stack → the group of the tests that use it, which run in one process (pytest-xdist)."""

OBSERVABILITY = ("Alarms", "CreateKeys", "Dashboard", "Keys", "Topics")
DEVICES = ("DevicesOfTheirOwn", "Policies", "ProvisioningTemplates", "Topics")
ENCRYPTION_BY_MQTT = ("Keys", "Layers", "Policies")
"""What who applies `Farm`, `orchard` and `Vault` needs beside the first policy of docs/permissions.md."""

_serial = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that use one stack run in one process, so that it is applied once.

    Those that leave much behind, or destroy a stack, come last.
    """
    last = {"test_device_fleet.py": 1, "test_fleet.py": 1, "test_lifecycle.py": 2}
    items.sort(key=lambda item: last.get(item.path.name, 0))
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in APPLIED_BY:
                item.add_marker(pytest.mark.xdist_group(APPLIED_BY[fixture]))


@dataclass
class Device:
    """An end device of one application: its identifiers, as The Things Stack and AWS spell them."""

    application_id: str
    device_id: str
    dev_eui: str
    join_eui: str = "A81758FFFE000001"


@dataclass
class Bridge:
    """One applied stack, with what a test needs to act on both of its sides."""

    name: str
    application_id: str
    aws: LocalAws
    things_stack: ThingsStack
    topics: MqttConnection
    outputs: dict[str, Any] = field(default_factory=dict)

    def new_device(self, *, registered: bool = True, **fields: Any) -> Device:
        """A device that no test has used; `registered`: as a person would in the Console."""
        number = next(_serial)
        device = Device(self.application_id, f"{self.name.lower()}-{number}", f"A81758FFFE{number:06X}")
        if registered:
            self.things_stack.register_device(
                self.application_id,
                device_id=device.device_id,
                dev_eui=device.dev_eui,
                join_eui=device.join_eui,
                **{"app_key": APP_KEY, **fields},
            )
        return device

    def publish_upstream(self, event: str, body: bytes) -> None:
        """Publish on the topic of an event of The Things Stack, without it: whatever a sender there may send."""
        self.aws.client("iot-data").publish(topic=upstream_topic(self.name, event), qos=1, payload=body)

    def create_thing(self, name: str, **attributes: str) -> None:
        """A thing of the stack's type, as a person or program creates it in AWS IoT."""
        created = Things(self.aws.clients).create(
            name, {"stackName": self.name, **attributes}, self.outputs["thing_type_name"]
        )
        assert created, f"the name {name} is taken"

    def joined_device(self, **fields: Any) -> Device:
        """A device that has joined and is known as a thing."""
        device = self.new_device(**fields)
        self.things_stack.network.join(device.application_id, device.device_id)
        self.topics.wait_for(f"lorawan/{device.dev_eui}/join", timeout=PATIENCE)
        return device

    def thing(self, name: str) -> Thing | None:
        """The thing of that name, None if there is none."""
        return inspection.thing(self.aws, name)

    def shadow(self, thing_name: str) -> dict[str, Any]:
        """What the named shadow `lorawan` reports; empty if there is no shadow."""
        return inspection.shadow(self.aws, thing_name)

    def log(self, thing_name: str) -> list[dict[str, Any]]:
        """The entries of a thing's log stream (`unidentified`: of what names no thing), oldest first."""
        return inspection.log(self.aws, self.outputs["things_log_group_name"], thing_name)

    def certificates(self) -> list[str]:
        """The ARNs of the certificates that carry a policy of the stack: of The Things Stack's connection."""
        iot = self.aws.client("iot")
        policies = iot.get_paginator("list_policies").paginate().search("policies[].policyName")
        return [
            target
            for name in policies
            if name.startswith(f"{self.name}-")
            for target in iot.list_targets_for_policy(policyName=name)["targets"]
        ]

    def dead_letters(self) -> dict[str, int]:
        """How many messages wait in each queue of failures; the other queues hold work."""
        queues: dict[str, str | None] = self.outputs["queue_urls"]
        return inspection.queues(self.aws, {name: url for name, url in queues.items() if name not in WORK_QUEUES})

    def on_servers(self, device_id: str) -> set[str]:
        """Names of the servers of The Things Stack that have the device."""
        servers = self.things_stack.servers
        at = (self.application_id, device_id)
        return {name for name in ("identity", "join", "network", "application") if at in getattr(servers, name).devices}


@pytest.fixture(scope="session")
def foreign(aws: LocalAws) -> AwsAccess:
    """What The Things Stack has in AWS: a user in an account of its own."""
    return foreign_account_credentials(aws.endpoint_url, THINGS_STACK_ACCOUNT)


@pytest.fixture(scope="session")
def simulation(foreign: AwsAccess) -> Iterator[ThingsStack]:
    running = ThingsStack(port=0, aws=foreign, profile="hosted").start()
    yield running
    running.stop()


@pytest.fixture
def things_stack(simulation: ThingsStack) -> Iterator[ThingsStack]:
    """The simulation; a request that breaks the published API fails the test that caused it."""
    seen = len(simulation.violations)
    yield simulation
    simulation.faults.clear()
    assert list(simulation.violations)[seen:] == []


@pytest.fixture(scope="session")
def topics(aws: LocalAws) -> Iterator[MqttConnection]:
    """Everything that is published on the public topics."""
    with aws.mqtt("tests") as connection:
        connection.subscribe("lorawan/#")
        yield connection


def inputs(simulation: ThingsStack, name: str, application_id: str) -> dict[str, Any]:
    """Inputs of a stack that is joined with the simulation; makes the application and a key for it."""
    simulation.create_application(application_id)
    return {
        "stack_name": name,
        "cluster_address": simulation.url,
        "application_id": application_id,
        "application_api_key": simulation.create_api_key(application_id),
        "trusted_account_id": THINGS_STACK_ACCOUNT,
        "functions": functions(),
        # Runs by the clock would come into other tests' way; those that want one say when (test_sync.py).
        "registry_sync": {"schedule": "rate(1 days)"},
    }


def integrations(simulation: ThingsStack, application_id: str) -> set[tuple[str, str]]:
    """The integrations of an application at The Things Stack: kind and id."""
    server = simulation.servers.application
    kinds = {"pubsub": server.pubsubs, "webhook": server.webhooks, "package": server.associations}
    return {(kind, at[1]) for kind, records in kinds.items() for at in records if at[0] == application_id}


def connected(simulation: ThingsStack, application_id: str) -> None:
    """Wait until The Things Stack is connected: what it publishes before that is lost, as in reality."""
    ((_, integration_id),) = integrations(simulation, application_id)
    simulation.integrations.wait(application_id, integration_id, until="connected", timeout=PATIENCE)


def apply(aws: LocalAws, simulation: ThingsStack, *stacks: Stack) -> None:
    """Apply stacks for the first time, all at once: an apply mostly waits."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda stack: leftovers.apply(stack, aws), stacks))
    for stack in stacks:
        connected(simulation, stack.inputs["application_id"])


def discard(aws: LocalAws, *stacks: Stack) -> None:
    """Destroy stacks; at full size alone those in an AWS that was started for this run and ends with it."""
    if SOAK or aws.process is None:
        for stack in stacks:
            if "devices" in stack.inputs:
                delete_devices(aws, str(stack.inputs["stack_name"]))
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda stack: stack.destroy(), stacks))


def delete_devices(aws: LocalAws, stack_name: str) -> None:
    """Delete the devices that tests have left: before that, AWS does not delete their policy (docs/devices.md)."""
    shell = {**aws.settings(), "THINGBRIDGE_STACK": stack_name}
    done = CliRunner().invoke(app, ["devices", "delete", "--all", "--yes"], env=shell, catch_exceptions=False)
    assert done.exit_code == 0, done.output


def brought(aws: LocalAws) -> dict[str, Any]:
    """A key, roles in a path and within a boundary, and tracing, as users bring them (docs/security.md)."""
    anything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    made = aws.client("iam").create_policy(PolicyName=BOUNDARY, PolicyDocument=json.dumps(anything))
    return {
        "kms_key": {"arn": aws.client("kms").create_key()["KeyMetadata"]["Arn"]},
        "roles": {"path": ROLE_PATH, "permissions_boundary_arn": made["Policy"]["Arn"]},
        "functions": functions() | {"tracing": "Active"},
    }


@pytest.fixture(scope="session")
def farm_stack(aws: LocalAws, simulation: ThingsStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`Farm`, with the defaults but for the role that The Things Stack assumes, and alarms."""
    given = inputs(simulation, "Farm", "farm-app") | {"ingest": PUBSUB, "observability": {"silence_minutes": 60}}
    stack = Stack(tmp_path_factory.mktemp("farm"), given, environment=applier.environment(aws, "Farm", OBSERVABILITY))
    apply(aws, simulation, stack)
    yield stack
    discard(aws, stack)


@pytest.fixture(scope="session")
def pair(
    aws: LocalAws, simulation: ThingsStack, joined_before: Device, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stack, Stack]]:
    """`orchard`, with the other choices, and `Vault`, with end-to-end encryption; two applications, one account."""
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName=RECORDS_QUEUE)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    records = {"arn": attributes["QueueArn"], "url": url}
    other_choices = {
        "ingest": {"mode": "webhook", "basic_ingest": True},
        "thing_name_scheme": "DeviceID",
        "uplink_mode": "batched",
        "uplink_batches": {"maximum_concurrency": 4},
        "on_thing_deleted": "retain",
        "shadow": {"min_interval_seconds": SHADOW_INTERVAL, "decoded_payload": True, "delta_f_port": DELTA_F_PORT},
        "codecs": {"source_path": str(CODECS)},
        "scrub_keys": True,
        "devices": {
            "types": {"temperature": {"initial_shadow_json": json.dumps(INITIAL_SHADOW)}, "pressure": {}},
            "locations": ["hall-3"],
            "ca_certificate": aws.mqtt_authority(),
            # With the first connection: no test can wait for hours.
            "end_old_certificates": {"after_hours": 0},
            "telemetry": {"settings_seconds": 0, "stream": {"queue": records}},
            "provisioning": {
                "name_pattern": "claimed-[0-9]+",
                "just_in_time": {"line-1": {"type": "pressure", "location": "hall-3"}},
            },
        },
    }
    mqtt = {"server_url": aws.mqtt_url, "ca_certificate": aws.mqtt_authority()}
    encrypted = {"end_to_end_encryption": True, "ingest": {"mode": "mqtt", "mqtt": mqtt}, **brought(aws)}
    orchard, vault = (
        Stack(
            tmp_path_factory.mktemp(name),
            inputs(simulation, name, app) | choices,
            environment=applier.environment(aws, name, needed),
        )
        for name, app, choices, needed in (
            ("orchard", "orchard-app", other_choices, DEVICES),
            (VAULT, VAULT_APPLICATION, encrypted, ENCRYPTION_BY_MQTT),
        )
    )
    apply(aws, simulation, orchard, vault)
    yield orchard, vault
    discard(aws, orchard, vault)
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture(scope="session")
def orchard_stack(pair: tuple[Stack, Stack]) -> Stack:
    return pair[0]


@pytest.fixture(scope="session")
def vault_stack(pair: tuple[Stack, Stack]) -> Stack:
    return pair[1]


@pytest.fixture(scope="session")
def outputs() -> Callable[[Stack], dict[str, Any]]:
    """The outputs of a stack, read once."""
    return functools.cache(Stack.output)


@pytest.fixture
def farm(aws: LocalAws, things_stack: ThingsStack, topics: MqttConnection, farm_stack: Stack, outputs: Any) -> Bridge:
    return Bridge("Farm", "farm-app", aws, things_stack, topics, outputs(farm_stack))


@pytest.fixture
def orchard(
    aws: LocalAws, things_stack: ThingsStack, topics: MqttConnection, orchard_stack: Stack, outputs: Any
) -> Bridge:
    return Bridge("orchard", "orchard-app", aws, things_stack, topics, outputs(orchard_stack))


@pytest.fixture
def vault(aws: LocalAws, things_stack: ThingsStack, topics: MqttConnection, vault_stack: Stack, outputs: Any) -> Bridge:
    return Bridge(VAULT, VAULT_APPLICATION, aws, things_stack, topics, outputs(vault_stack))


@pytest.fixture(scope="session")
def joined_before(simulation: ThingsStack) -> Device:
    """A device that joined before encryption was enabled: its application had no stack yet."""
    simulation.create_application(VAULT_APPLICATION)
    device = Device(VAULT_APPLICATION, "vault-old", "A81758FFFEFFFF01")
    simulation.register_device(
        VAULT_APPLICATION,
        device_id=device.device_id,
        dev_eui=device.dev_eui,
        join_eui=device.join_eui,
        app_key=APP_KEY,
    )
    simulation.network.join(VAULT_APPLICATION, device.device_id)
    simulation.network.uplink(VAULT_APPLICATION, device.device_id)
    return device
