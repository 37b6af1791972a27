"""The real thing: two stacks applied by Terraform on one AWS account with IAM enforced, and a simulated Things Stack.

The stacks are applied once for the run. Every test has devices of its own, so that none waits for another.
"""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from local import inspection, leftovers
from local.aws import LocalAws, functions
from local.mqtt import MqttConnection
from local.stack import Stack
from local.terraform import ProviderSource
from local.things_stack import AwsAccess, ThingsStack, foreign_account_credentials
from thingbridge.aws.things import Thing, Things

THINGS_STACK_ACCOUNT = "678672909819"
APP_KEY = "0123456789ABCDEF0123456789ABCDEF"
PATIENCE = 20.0
"""Seconds within which what was caused must be seen; the first call of a function takes about one."""

SHADOW_INTERVAL = 3
DELTA_F_PORT = 20
CODECS = Path(__file__).parent / "codecs"
"""Of the stack `orchard`: the least seconds between two writes of a shadow, where desired states go, its decoders."""

WORK_QUEUES = frozenset({"registry", "requeue", "shadow", "sync"})

_serial = itertools.count(1)


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
        """A device that nobody has used; `registered`: as a person would in the Console."""
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
    running = ThingsStack(port=0, aws=foreign).start()
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


def connected(simulation: ThingsStack, stack: Stack) -> None:
    """Wait until The Things Stack has connected as told: what it publishes before that is lost, as in reality."""
    application_id = stack.inputs["application_id"]
    (pubsub_id,) = [at[1] for at in simulation.servers.application.pubsubs if at[0] == application_id]
    simulation.integrations.wait(application_id, pubsub_id, until="connected", timeout=PATIENCE)


@pytest.fixture(scope="session")
def stacks(
    aws: LocalAws, simulation: ThingsStack, provider: ProviderSource, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Stack]]:
    """`Farm` with the defaults, `orchard` with the other choices; both in one account, for two applications."""
    directory = tmp_path_factory.mktemp("terraform")
    others = {
        "thing_name_scheme": "DeviceID",
        "on_thing_deleted": "retain",
        "shadow": {"min_interval_seconds": SHADOW_INTERVAL, "decoded_payload": True, "delta_f_port": DELTA_F_PORT},
        "codecs": {"source_path": str(CODECS)},
        "scrub_keys": True,
    }
    made = {
        "Farm": Stack(
            directory / "farm", inputs(simulation, "Farm", "farm-app"), environment=aws.environment(), provider=provider
        ),
        "orchard": Stack(
            directory / "orchard",
            {**inputs(simulation, "orchard", "orchard-app"), **others},
            environment=aws.environment(),
            provider=provider,
        ),
    }
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda stack: leftovers.apply(stack, aws), made.values()))
    for stack in made.values():
        connected(simulation, stack)
    yield made
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda stack: stack.destroy(), made.values()))


@pytest.fixture
def farm(
    aws: LocalAws, things_stack: ThingsStack, topics: MqttConnection, stacks: dict[str, Stack], outputs: Any
) -> Bridge:
    return Bridge("Farm", "farm-app", aws, things_stack, topics, outputs["Farm"])


@pytest.fixture
def orchard(
    aws: LocalAws, things_stack: ThingsStack, topics: MqttConnection, stacks: dict[str, Stack], outputs: Any
) -> Bridge:
    return Bridge("orchard", "orchard-app", aws, things_stack, topics, outputs["orchard"])


@pytest.fixture(scope="session")
def outputs(stacks: dict[str, Stack]) -> dict[str, dict[str, Any]]:
    return {name: stack.output() for name, stack in stacks.items()}
