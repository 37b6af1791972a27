"""Both other sides in process: an AWS account (moto), which can be made to fail, and a simulated The Things Stack."""

import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import boto3
import moto.core.responses
import moto.iot.models
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.core.models import MockAWS, botocore_stubber
from requests.adapters import HTTPAdapter

from local.things_stack import ThingsStack as Simulation
from local.things_stack import profiles
from tests.unit.lent_clients import LentClients
from thingbridge.aws.clients import Clients
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.transport import Transport

APPLICATION = "farm-app"

AnswerWith = Callable[[str, str, int, str], None]


class MockedAccount(MockAWS):
    """moto for boto3 alone. It would patch `requests` as well, which here speaks to The Things Stack only."""

    def _enable_patching(self, reset: bool = True) -> None:
        botocore_stubber.enabled = True
        if reset:
            self.reset()

    def _disable_patching(self, remove_data: bool) -> None:
        botocore_stubber.enabled = False
        if remove_data:
            self.reset()


CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-west-1"}


@pytest.fixture(scope="session", autouse=True)
def unit_tests_give_way(gives_way: None) -> None:
    """To the tests that work on applied stacks."""


@pytest.fixture(scope="session", autouse=True)
def one_rsa_key() -> None:
    """The key of every certificate that moto makes: making one takes longer than most tests."""
    key = rsa.generate_private_key(65537, 2048)
    moto.iot.models.rsa = SimpleNamespace(generate_private_key=lambda **_: key)


@pytest.fixture(scope="session", autouse=True)
def one_call_at_a_time() -> None:
    """Of moto, whose account is not safe for threads: some flows call AWS from several."""
    process, lock = botocore_stubber.process_request, threading.RLock()

    def exclusively(*arguments: Any) -> Any:
        with lock:
            return process(*arguments)

    botocore_stubber.process_request = exclusively


@pytest.fixture(scope="session", autouse=True)
def operations_of_a_service_are_listed_once() -> None:
    """moto inspects the class of a service with each call."""
    moto.core.responses.method_names_from_class = functools.cache(moto.core.responses.method_names_from_class)


@pytest.fixture(scope="session")
def lent() -> LentClients:
    """Clients for all tests; one session, because a session reads AWS's descriptions of its services."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        made = boto3.Session()
        made.get_credentials()
    return LentClients(made)


@pytest.fixture
def session(lent: LentClients) -> Iterator[LentClients]:
    """A session whose clients are the test's own."""
    yield lent
    lent.take_back()


@pytest.fixture
def clients(session: LentClients, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Clients of an empty account."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with MockedAccount():
        default, boto3.DEFAULT_SESSION = boto3.DEFAULT_SESSION, session
        yield Clients(session)
        boto3.DEFAULT_SESSION = default


def create_directory_table(clients: Clients, name: str = "farm-directory") -> str:
    """The table of a stack's directory, empty; returns its name."""
    clients("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "device", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "device", "AttributeType": "S"}],
    )
    clients.take_calls()
    return name


@pytest.fixture
def iot(clients: Clients) -> Any:
    """A client of the account's thing registry, which has the thing type `lorawan`."""
    client = clients("iot")
    client.create_thing_type(thingTypeName="lorawan")
    return client


@pytest.fixture
def calls(clients: Clients) -> Callable[[], dict[str, int]]:
    """The calls by operation since the last time."""
    return clients.take_calls


@pytest.fixture
def answer_with(clients: Clients) -> AnswerWith:
    """Make an operation of a service answer with an error: service, operation, HTTP status, code."""

    return partial(arrange_answer, clients)


def arrange_answer(clients: Clients, service: str, operation: str, status: int, code: str) -> None:
    """Make an operation of these clients answer with an error."""
    client = clients(service)
    service_id = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-call.{service_id}.{operation}", lambda **_: refusal(status, code))


class Response:
    """The part of an HTTP response that botocore reads."""

    def __init__(self, status: int) -> None:
        self.status_code = status


def refusal(status: int, code: str) -> tuple[Response, dict[str, Any]]:
    """What a `before-call` handler of botocore returns to have a call answered with an error."""
    error = {"Code": code, "Message": "as arranged"}
    return Response(status), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}


@dataclass
class Clock:
    """Seconds that pass when a test says so, or when the code under test sleeps on it (`wait`)."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def profile() -> str:
    """The deployment of The Things Stack that is simulated; tests of what the open source lacks have another."""
    return profiles.DEFAULT


@pytest.fixture(scope="module")
def running(profile: str) -> Iterator[Simulation]:
    simulation = Simulation(port=0, profile=profile).start()
    simulation.create_application(APPLICATION)
    yield simulation
    simulation.stop()


@pytest.fixture
def time_outs() -> Iterator[list[Any]]:
    """What the code under test asked `requests` to wait for: seconds, or those to connect and those to read.

    They are recorded and not kept: the time of a test is simulated, and an answer takes none of it, however slow the
    machine is.
    """
    asked: list[Any] = []
    send = HTTPAdapter.send

    def record(adapter: HTTPAdapter, *arguments: Any, timeout: Any = None, **settings: Any) -> Any:
        asked.append(timeout)
        return send(adapter, *arguments, timeout=60, **settings)

    HTTPAdapter.send = record  # type: ignore[method-assign]
    yield asked
    HTTPAdapter.send = send  # type: ignore[method-assign]


@pytest.fixture
def simulation(running: Simulation, time_outs: list[Any]) -> Iterator[Simulation]:
    """The simulation without faults; a request that breaks the published API fails the test."""
    running.faults.clear()
    seen = len(running.violations)
    yield running
    assert list(running.violations)[seen:] == []
    running.faults.clear()


@pytest.fixture
def open_client(simulation: Simulation) -> Callable[..., ThingsStack]:
    """Make a client. `remaining`: seconds its invocation has left, which its waits use up."""

    def open_with(key: str | None = None, remaining: float = 5.0, address: str | None = None) -> ThingsStack:
        key, clock = key or simulation.create_api_key(APPLICATION), Clock()
        transport = Transport(
            cluster_address=address or simulation.url,
            identity_server_address=address or simulation.url,
            api_key=lambda _refresh: key,
            remaining_seconds=lambda: remaining - clock(),
            now=clock,
            sleep=clock.wait,
        )
        return ThingsStack(APPLICATION, transport)

    return open_with
