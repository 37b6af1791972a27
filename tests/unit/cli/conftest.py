"""The command as a person runs it, on an account in process (moto) in which the stack `Farm` was applied."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli import runtime
from cli.app import app
from cli.runtime import Clock, Runtime
from tests.unit.conftest import Response
from thingbridge.aws.clients import Clients

Run = Callable[..., Result]
AddThing = Callable[..., None]
Report = Callable[[str, dict[str, Any]], None]

LOG_GROUP = "/thethings/lorawan/Farm/things"


@dataclass
class Time:
    """A clock that stands still except while something sleeps. `then` takes place instead of sleeping, one by one."""

    seconds: float = 0.0
    then: list[Callable[[], None]] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.then:
            self.then.pop(0)()

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self.sleep)


@pytest.fixture
def time_passes() -> Time:
    """The clock of the command."""
    return Time()


@pytest.fixture
def stack(iot: Any, clients: Clients) -> Any:
    """A client of the registry of an account that has the stack."""
    clients("logs").create_log_group(logGroupName=LOG_GROUP)
    clients("iot").meta.events.register("before-call.iot.CreateThing", refuse_a_name_that_is_taken)
    return iot


def refuse_a_name_that_is_taken(params: dict[str, Any], **_: Any) -> tuple[Response, dict[str, Any]] | None:
    """As AWS IoT does for other attributes or another type; moto replaces the thing."""
    iot = boto3.client("iot")
    name = params["url_path"].rpartition("/")[2]
    try:
        found = iot.describe_thing(thingName=name)
    except iot.exceptions.ResourceNotFoundException:
        return None
    if found["attributes"] == json.loads(params["body"])["attributePayload"]["attributes"]:
        return None
    error = {"Code": "ResourceAlreadyExistsException", "Message": f"Thing {name} already exists"}
    return Response(409), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 409}}


@pytest.fixture
def run(stack: Any, clients: Clients, time_passes: Time, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `thingbridge …`; `stdin` answers its questions."""
    monkeypatch.setenv("THINGBRIDGE_STACK", "Farm")

    def connect(profile: str | None, region: str | None) -> Clients:
        return runtime.connect(profile, region) if profile or region else clients

    def run(*arguments: object, stdin: str = "") -> Result:
        surroundings = Runtime(connect, time_passes.clock)
        arguments_given = [str(each) for each in arguments]
        # What the arrangement of the test called does not count.
        clients.take_calls()
        return CliRunner().invoke(app, arguments_given, input=stdin, catch_exceptions=False, obj=surroundings)

    return run


@pytest.fixture
def add_thing(stack: Any) -> AddThing:
    """Create a thing as somebody else would."""

    def add(name: str, stack_name: str = "Farm", **attributes: str) -> None:
        stack.create_thing(
            thingName=name,
            thingTypeName="lorawan",
            attributePayload={"attributes": {"stackName": stack_name, **attributes}},
        )

    return add


@pytest.fixture
def report(stack: Any) -> Report:
    """Have the shadow `lorawan` of a thing report something, as the stack does."""

    def report(name: str, state: dict[str, Any]) -> None:
        payload = json.dumps({"state": {"reported": state}}).encode()
        boto3.client("iot-data").update_thing_shadow(thingName=name, shadowName="lorawan", payload=payload)

    return report


def words(text: str) -> str:
    """The text without line breaks, as tables and long lines have them."""
    return re.sub(r"\s+", " ", text)
