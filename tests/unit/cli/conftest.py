"""The command as a person runs it, on an account in process (moto) in which the stack `Farm` was applied."""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli import runtime
from cli.app import app
from cli.runtime import Clock, Runtime
from tests.unit.conftest import Response
from thingbridge.aws.clients import Clients
from thingbridge.aws.shadows import Shadows
from thingbridge.shadow.state import SHADOW_NAME

AddThing = Callable[..., None]
Report = Callable[[str, dict[str, Any]], None]

COMMAND = get_command(app)
"""Built once: `CliRunner.invoke` would build it for every run, which takes longer than most of them."""

LOG_GROUP = "/thethings/lorawan/Farm/things"


@dataclass(frozen=True)
class Result:
    """The outcome of one run of the command; `output` is both streams as a terminal shows them."""

    exit_code: int
    stdout: str
    stderr: str
    output: str


Run = Callable[..., Result]


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
    """A client of the registry of an account that has the stack. Of its own: the command's calls are counted."""
    clients("logs").create_log_group(logGroupName=LOG_GROUP)
    # moto compiles its routes of a service with the first call; in several threads at once, Python 3.11 fails to.
    Shadows(clients, SHADOW_NAME).reported("nothing")
    clients.take_calls()
    return boto3.client("iot")


@pytest.fixture
def run(stack: Any, clients: Clients, time_passes: Time, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `thingbridge …`; `stdin` answers its questions."""
    monkeypatch.setenv("THINGBRIDGE_STACK", "Farm")

    def connect(profile: str | None, region: str | None) -> Clients:
        return runtime.connect(profile, region) if profile or region else clients

    def run(*arguments: object, stdin: str = "") -> Result:
        surroundings = Runtime(connect, time_passes.clock)
        words = [str(each) for each in arguments]
        exit_code = 0
        with CliRunner().isolation(input=stdin) as streams:
            try:
                COMMAND.main(words, prog_name="thingbridge", obj=surroundings)
            except SystemExit as ended:
                exit_code = int(ended.code or 0)
            sys.stdout.flush()
            stdout, stderr, output = (stream.getvalue().decode().replace("\r\n", "\n") for stream in streams)
        return Result(exit_code, stdout, stderr, output)

    return run


@pytest.fixture
def add_thing(stack: Any, clients: Clients) -> AddThing:
    """Create a thing as another client would. The command can't create another one of that name.

    AWS IoT refuses that for other attributes or another type; moto replaces the thing.
    """
    taken: set[str] = set()

    def refuse(params: dict[str, Any], **_: Any) -> tuple[Response, dict[str, Any]] | None:
        if params["url_path"].rpartition("/")[2] not in taken:
            return None
        error = {"Code": "ResourceAlreadyExistsException", "Message": "as arranged"}
        return Response(409), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 409}}

    def add(name: str, stack_name: str = "Farm", **attributes: str) -> None:
        stack.create_thing(
            thingName=name,
            thingTypeName="lorawan",
            attributePayload={"attributes": {"stackName": stack_name, **attributes}},
        )
        taken.add(name)

    clients("iot").meta.events.register("before-call.iot.CreateThing", refuse)
    return add


@pytest.fixture
def report(stack: Any) -> Report:
    """Have the shadow `lorawan` of a thing report something, as the stack does."""

    def report(name: str, state: dict[str, Any]) -> None:
        payload = json.dumps({"state": {"reported": state}}).encode()
        boto3.client("iot-data").update_thing_shadow(thingName=name, shadowName="lorawan", payload=payload)

    return report


@pytest.fixture
def shadows_stay(clients: Clients) -> Callable[[dict[str, Any]], None]:
    """Have every shadow report what an earlier thing of that name left in it, whether the thing exists or not.

    AWS IoT may return a deleted thing's shadow for a while; moto deletes it with the thing.
    """

    def arrange(state: dict[str, Any]) -> None:
        def answer(**_: Any) -> tuple[Response, dict[str, Any]]:
            return Response(200), {"payload": io.BytesIO(json.dumps({"state": {"reported": state}}).encode())}

        clients("iot-data").meta.events.register("before-call.iot-data-plane.GetThingShadow", answer)

    return arrange
