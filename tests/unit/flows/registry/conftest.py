"""Stacks of one application of The Things Stack, in several accounts and regions: their functions and a queue."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from handlers import composition
from local.things_stack import ThingsStack as Simulation
from tests.unit.conftest import APPLICATION, create_directory_table
from tests.unit.invocation import Invocation
from tests.unit.lent_clients import LentClients
from thingbridge.aws.clients import Clients
from thingbridge.aws.things_log import ThingsLog
from thingbridge.flows.sync import Tick

SERVERS = ("identity", "join", "network", "application")
REGION, ACCOUNT = "eu-west-1", "123456789012"


@dataclass
class Stack:
    """One stack. Events of its things wait until a test delivers them, unless they are missed."""

    clients: Clients
    environment: dict[str, str]
    arn: str
    capsys: pytest.CaptureFixture[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.environment["STACK_NAME"]

    @property
    def iot(self) -> Any:
        return self.clients("iot")

    def put(self, name: str, **attributes: str) -> None:
        """Create a thing of the stack's type."""
        given = {"stackName": self.name, **attributes}
        self.iot.create_thing(thingName=name, thingTypeName="lorawan", attributePayload={"attributes": given})

    def update(self, name: str, *, merge: bool = True, **attributes: str) -> None:
        self.iot.update_thing(thingName=name, attributePayload={"attributes": attributes, "merge": merge})

    def things(self) -> dict[str, dict[str, str]]:
        return {each["thingName"]: each["attributes"] for each in self.iot.list_things()["things"]}

    def log(self, thing_name: str | None) -> list[dict[str, Any]]:
        return ThingsLog(self.clients, self.environment["THINGS_LOG_GROUP"]).entries(thing_name)

    def events(self, thing_name: str | None) -> list[str]:
        return [entry["event"] for entry in self.log(thing_name)]

    def handle(self, body: str, **settings: str) -> None:
        """Deliver a message to the function `registry`. A new one each time: no look-up waits for its rate."""
        flow = composition.registry({**self.environment, **settings}, self.clients)
        flow(Invocation(30, arn=self.arn)).handle(body)

    def deliver(self, operation: str, thing_name: str, attributes: dict[str, str], **settings: str) -> None:
        """Deliver a registry event."""
        event = {"operation": operation, "thingName": thing_name, "attributes": attributes}
        self.handle(json.dumps(event), **settings)

    def announce(self, operation: str, thing_name: str, **settings: str) -> None:
        """Deliver the event of a thing that exists."""
        self.deliver(operation, thing_name, self.things()[thing_name], **settings)

    def run(self, **tick: Any) -> dict[str, Any]:
        """Compare both registries; returns what was counted. The work waits in the queue."""
        attributes = {"SentTimestamp": str(int(time.time() * 1000)), "ApproximateReceiveCount": "1"}
        body = json.dumps({"start": "now", **tick})
        message = Tick.of_record({"messageId": f"run-{len(self.lines)}", "body": body, "attributes": attributes})
        self.capsys.readouterr()
        composition.sync(self.environment, self.clients)(Invocation(900, arn=self.arn)).handle(message)
        self.lines = [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]
        (counts,) = [line for line in self.lines if line.get("event") == "synchronised"]
        return counts

    def work(self) -> list[str]:
        """Receive the waiting work items."""
        sqs, url = self.clients("sqs"), self.environment["REGISTRY_QUEUE_URL"]
        bodies = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for each in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
                bodies.append(each["Body"])
        return bodies

    def compare(self, **tick: Any) -> dict[str, Any]:
        """Compare both registries, and do the work; returns what was counted."""
        counts = self.run(**tick)
        for body in self.work():
            self.handle(body)
        return counts


@dataclass
class Application:
    """The application at The Things Stack."""

    simulation: Simulation

    def register(self, device_id: str, dev_eui: str, **attributes: str) -> None:
        self.simulation.register_device(APPLICATION, device_id=device_id, dev_eui=dev_eui, join_eui="A81758FFFE000001")
        if attributes:
            self.simulation.servers.identity.devices[APPLICATION, device_id]["attributes"] = attributes

    def attributes(self, device_id: str) -> dict[str, str]:
        return dict(self.simulation.servers.identity.devices[APPLICATION, device_id].get("attributes", {}))

    def device_ids(self) -> list[str]:
        return sorted(device_id for _, device_id in self.simulation.servers.identity.devices)

    def knowing(self, device_id: str) -> list[str]:
        """The servers that know a device."""
        servers = self.simulation.servers
        return [each for each in SERVERS if (APPLICATION, device_id) in getattr(servers, each).devices]

    def app_key(self, device_id: str) -> str:
        device = self.simulation.servers.join.devices[APPLICATION, device_id]
        return str(device["root_keys"]["app_key"]["key"])


@pytest.fixture
def application(simulation: Simulation) -> Application:
    """The application without devices."""
    for server in SERVERS:
        getattr(simulation.servers, server).devices.clear()
    return Application(simulation)


StackIn = Callable[..., Stack]


@pytest.fixture
def stack_in(
    clients: Clients, session: LentClients, simulation: Simulation, capsys: pytest.CaptureFixture[str]
) -> StackIn:
    """Apply a stack in an account and region."""
    key = simulation.create_api_key(APPLICATION)
    regions = {REGION: clients}

    def apply(name: str = "farm", region: str = REGION, account: str = ACCOUNT, **settings: str) -> Stack:
        # Accounts are kept apart by regions here.
        home = region if account == ACCOUNT else "ap-south-1"
        if home not in regions:
            regions[home] = Clients(session.in_region(home))
        there = regions[home]
        if not there("iot").list_thing_types()["thingTypes"]:
            there("iot").create_thing_type(thingTypeName="lorawan")
        there("logs").create_log_group(logGroupName=f"/{name}/things")
        sqs = there("sqs")
        fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        environment = {
            "STACK_NAME": name,
            "THINGS_LOG_GROUP": f"/{name}/things",
            "CLUSTER_ADDRESS": simulation.url,
            "IDENTITY_SERVER_ADDRESS": simulation.url,
            "APPLICATION_ID": APPLICATION,
            "API_KEY_SECRET_ARN": there("secretsmanager").create_secret(Name=f"{name}-key", SecretString=key)["ARN"],
            "THING_TYPE_NAME": "lorawan",
            "THING_NAME_SCHEME": "DevEUI",
            "DIRECTORY_TABLE": create_directory_table(there, f"{name}-directory"),
            "DEFAULT_FREQUENCY_PLAN_ID": "EU_863_870_TTN",
            "ON_THING_DELETED": "delete",
            "SCRUB_KEYS": "false",
            "LOOK_UPS_RATE": "1",
            "REGISTRY_QUEUE_URL": sqs.create_queue(QueueName=f"{name}-registry")["QueueUrl"],
            "SYNC_QUEUE_URL": sqs.create_queue(QueueName=f"{name}-sync.fifo", Attributes=fifo)["QueueUrl"],
            "SYNC_MODE": "apply",
            "LIST_THINGS_RATE": "8",
        }
        arn = f"arn:aws:lambda:{region}:{account}:function:{name}-registry"
        return Stack(there, environment | settings, arn, capsys)

    return apply


@pytest.fixture
def farm(stack_in: StackIn) -> Stack:
    """The stack `farm`."""
    return stack_in()
