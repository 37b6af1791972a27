"""The operator's command on an applied stack: what it creates and deletes appears on both sides."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.app import app
from tests.e2e.conftest import APP_KEY, Bridge
from tests.e2e.polling import eventually

SERVERS = ("identity", "join", "network", "application")
Run = Callable[..., Result]


@pytest.fixture
def run(farm: Bridge, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `thingbridge …` for the stack `Farm`, as in a shell that is configured for this AWS."""
    for name, value in farm.aws.settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("THINGBRIDGE_STACK", farm.name)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)

    return run


def create(dev_eui: str, device_id: str, *more: str) -> tuple[str, ...]:
    """Arguments that create a thing."""
    identifiers = ("--dev-eui", dev_eui, "--join-eui", "A81758FFFE000001", "--device-id", device_id)
    versions = ("--lorawan-version", "1.0.3", "--regional-parameters-version", "1.0.3-a")
    return ("things", "create", *identifiers, *versions, "--app-key", APP_KEY, *more)


def test_a_thing_is_created_shown_and_deleted_with_its_device(farm: Bridge, run: Run) -> None:
    device = farm.new_device(registered=False)
    created = run(*create(device.dev_eui, device.device_id, "--wait", "--json"))
    assert created.exit_code == 0, created.output
    assert json.loads(created.stdout)["provisioning"]["state"] == "created"
    assert farm.on_servers(device.device_id) == set(SERVERS)
    shown = json.loads(run("things", "show", device.dev_eui, "--json").stdout)
    assert shown["attributes"]["appKey"] is None
    assert "end_device_created" in [entry["event"] for entry in shown["log"]]
    assert run("things", "delete", device.dev_eui, "--yes").exit_code == 0
    eventually("no device", lambda: not farm.on_servers(device.device_id))


def test_a_device_that_can_not_be_created_fails_the_command_with_the_reason(farm: Bridge, run: Run) -> None:
    taken = farm.new_device()
    result = run(*create(taken.dev_eui, f"{taken.device_id}-mine", "--name", f"mine-{taken.device_id}", "--wait"))
    assert result.exit_code == 1
    assert "the device was not created: failed" in result.stderr
    assert taken.device_id in result.stderr
