"""The command as a person runs it, on an account in process (moto) in which the stack `Farm` was applied."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.app import app

Run = Callable[..., Result]


@pytest.fixture
def stack(iot: Any) -> Any:
    """A client of the registry of an account that has the stack."""
    boto3.client("logs").create_log_group(logGroupName="/thethings/lorawan/Farm/things")
    return iot


@pytest.fixture
def run(stack: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `thingbridge …`; `stdin` answers its questions."""
    monkeypatch.setenv("THINGBRIDGE_STACK", "Farm")

    def run(*arguments: object, stdin: str = "") -> Result:
        return CliRunner().invoke(app, [str(each) for each in arguments], input=stdin, catch_exceptions=False)

    return run


@pytest.fixture
def add_thing(stack: Any) -> Callable[..., None]:
    """Create a thing as somebody else would."""

    def add(name: str, stack_name: str = "Farm", **attributes: str) -> None:
        stack.create_thing(
            thingName=name,
            thingTypeName="lorawan",
            attributePayload={"attributes": {"stackName": stack_name, **attributes}},
        )

    return add


@pytest.fixture
def report(stack: Any) -> Callable[[str, dict[str, Any]], None]:
    """Have the shadow `lorawan` of a thing report something, as the stack does."""

    def report(name: str, state: dict[str, Any]) -> None:
        payload = json.dumps({"state": {"reported": state}}).encode()
        boto3.client("iot-data").update_thing_shadow(thingName=name, shadowName="lorawan", payload=payload)

    return report
