"""The operator's command on an applied stack: a fleet comes in from a file and appears on both sides."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli.app import app
from tests.e2e.conftest import APP_KEY, Bridge
from tests.e2e.polling import eventually

pytestmark = pytest.mark.xdist_group("stacks")

SERVERS = ("identity", "join", "network", "application")
FLEET = 1_000
FLEET_PATIENCE = 120.0
"""Seconds for the devices of the whole fleet: the queue's function makes ten at a time, two of it at once."""

Run = Callable[..., Result]


@pytest.fixture
def run(farm: Bridge, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `thingbridge …` for the stack `Farm`, as in a shell that leads to this AWS."""
    for name, value in farm.aws.settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("THINGBRIDGE_STACK", farm.name)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)

    return run


@pytest.fixture
def fleet(farm: Bridge, tmp_path: Path) -> Iterator[Path]:
    """A CSV file of many devices, as The Things Stack takes it; things and devices of it are gone afterwards."""
    header = "id;dev_eui;join_eui;frequency_plan_id;lorawan_version;lorawan_phy_version;app_key;name"
    rows = (
        f"fleet-{number};70B3D57ED0{number:06X};A81758FFFE000001;EU_863_870_TTN;"
        f"MAC_V1_0_3;PHY_V1_0_3_REV_A;{APP_KEY};Number {number}"
        for number in range(FLEET)
    )
    path = tmp_path / "fleet.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    yield path
    iot = farm.aws.client("iot")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: iot.delete_thing(thingName=name), fleet_things(farm)))
    eventually("no device of the fleet", lambda: not any(fleet_devices(farm).values()), timeout=FLEET_PATIENCE)


def fleet_devices(farm: Bridge) -> dict[str, set[str]]:
    """Device ids of the fleet that each server of The Things Stack knows."""
    servers = farm.things_stack.servers
    return {
        name: {device_id for _, device_id in list(getattr(servers, name).devices) if device_id.startswith("fleet-")}
        for name in SERVERS
    }


def fleet_things(farm: Bridge) -> dict[str, dict[str, Any]]:
    pages = (
        farm.aws.client("iot").get_paginator("list_things").paginate(attributeName="stackName", attributeValue="Farm")
    )
    return {t["thingName"]: t for page in pages for t in page["things"] if t["thingName"].startswith("70B3D57ED0")}


def test_a_fleet_from_a_file_appears_on_both_sides_and_a_second_import_does_nothing(
    farm: Bridge, run: Run, fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Above the default, which keeps below the quota of a real account.
    started = time.monotonic()
    first = run("import", fleet, "--json", "--rate", 1000)
    assert first.exit_code == 0, first.output
    answer = json.loads(first.stdout)
    assert (answer["rows"], answer["created"], answer["failed"]) == (FLEET, FLEET, 0)
    imported = time.monotonic()
    eventually(
        "the fleet on four servers",
        lambda: all(len(known) == FLEET for known in fleet_devices(farm).values()),
        timeout=FLEET_PATIENCE,
    )
    in_step = time.monotonic()
    before = fleet_things(farm)
    assert len(before) == FLEET

    requests = len(farm.things_stack.requests)
    second = json.loads(run("import", fleet, "--json").stdout)
    assert (second["unchanged"], second["created"], second["updated"], second["failed"]) == (FLEET, 0, 0, 0)
    assert set(second["awsCalls"]) == {"DescribeLogGroups", "ListThings"}
    again = time.monotonic()
    # A device made afterwards: what the second import had caused would have come before it.
    marker = farm.new_device(registered=False)
    assert run(*create(marker.dev_eui, marker.device_id)).exit_code == 0
    eventually("the marker", lambda: farm.on_servers(marker.device_id) == set(SERVERS))
    assert not [each for each in list(farm.things_stack.requests)[requests:] if "fleet-" in each.path]
    assert {name: thing["version"] for name, thing in fleet_things(farm).items()} == {
        name: thing["version"] for name, thing in before.items()
    }
    with capsys.disabled():
        typer.echo(
            f"\n{FLEET:,} devices: things {imported - started:.1f} s, devices {in_step - imported:.1f} s more, "
            f"second import {again - in_step:.1f} s; AWS calls {answer['awsCalls']}, then {second['awsCalls']}"
        )


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
    told = json.loads(run("things", "show", device.dev_eui, "--json").stdout)
    assert told["attributes"]["appKey"] is None
    assert "end_device_created" in [entry["event"] for entry in told["log"]]
    assert run("things", "delete", device.dev_eui, "--yes").exit_code == 0
    eventually("no device", lambda: not farm.on_servers(device.device_id))


def test_a_device_that_can_not_be_made_is_told_where_it_was_asked_for(farm: Bridge, run: Run) -> None:
    taken = farm.new_device()
    result = run(*create(taken.dev_eui, f"{taken.device_id}-mine", "--name", f"mine-{taken.device_id}", "--wait"))
    assert result.exit_code == 1
    assert "the device was not made: failed" in result.stderr
    assert taken.device_id in result.stderr
