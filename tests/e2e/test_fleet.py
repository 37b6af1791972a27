"""A fleet of a thousand devices: imported from a file, imported again, and in step again after both sides drifted."""

import copy
import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.app import app
from local import inspection
from local.aws import LocalAws
from local.mqtt import MqttConnection
from local.stack import Stack
from local.things_stack import ThingsStack
from local.things_stack.api.request_log import Received
from local.things_stack.profiles import PROFILES
from tests.conftest import FIGURES
from tests.e2e.conftest import APP_KEY, Bridge
from tests.e2e.polling import eventually
from tests.e2e.test_sync import events_are_missed, settled, synchronise
from tests.sizes import SOAK, size
from thingbridge.aws.logs import Logs, function_log_group

SERVERS = ("identity", "join", "network", "application")
SIZE = size(130, 1_000)
DRIFT = 0.05
PATIENCE = size(120.0, 600.0)
"""Seconds for the devices of the whole fleet: the queue's function makes ten at a time, two of it at once."""
THINGS_PER_PAGE = 250
DEVICES_PER_PAGE = PROFILES["hosted"].longest_page


def dev_eui(number: int) -> str:
    return f"70B3D57ED0{number:06X}"


def device_id(number: int) -> str:
    return f"fleet-{number}"


def thing_of(number: int) -> dict[str, str]:
    """Attributes of a thing like those of the file."""
    versions = {"lorawanVersion": "1.0.3", "regionalParametersVersion": "1.0.3-a"}
    ids = {"devEUI": dev_eui(number), "joinEUI": "A81758FFFE000001", "deviceID": device_id(number)}
    return {**ids, **versions, "appKey": APP_KEY, "frequencyPlanID": "EU_863_870_TTN"}


@dataclass
class Fleet:
    """The devices of a file, as things and as devices."""

    bridge: Bridge
    file: Path
    answer: dict[str, Any]
    seconds: tuple[float, float]

    def things(self) -> dict[str, dict[str, Any]]:
        pages = self.bridge.aws.client("iot").get_paginator("list_things")
        mine = pages.paginate(attributeName="stackName", attributeValue=self.bridge.name)
        return {t["thingName"]: t for page in mine for t in page["things"] if t["thingName"].startswith("70B3D57ED0")}

    def devices(self) -> dict[str, dict[str, Any]]:
        """What each server of The Things Stack knows of the fleet, by device id."""
        servers = self.bridge.things_stack.servers
        with self.bridge.things_stack.lock:
            return {
                name: {
                    device_id: copy.deepcopy(device)
                    for (_, device_id), device in getattr(servers, name).devices.items()
                    if device_id.startswith("fleet-")
                }
                for name in SERVERS
            }

    def is_whole(self, size: int = SIZE) -> bool:
        """Looked at often: the simulation runs in this process, and must not be kept from its work."""
        servers = self.bridge.things_stack.servers
        return all(
            sum(device_id.startswith("fleet-") for _, device_id in list(getattr(servers, name).devices)) == size
            for name in SERVERS
        )

    def command(self, *arguments: object) -> Result:
        """`thingbridge …` for the stack, as in a shell that leads to this AWS."""
        environment = {**self.bridge.aws.settings(), "THINGBRIDGE_STACK": self.bridge.name}
        return CliRunner(env=environment).invoke(app, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def fleet(
    aws: LocalAws,
    simulation: ThingsStack,
    topics: MqttConnection,
    farm_stack: Stack,
    outputs: Callable[[Stack], dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """The fleet, imported; its things and devices are deleted afterwards, where they would stay."""
    header = "id;dev_eui;join_eui;frequency_plan_id;lorawan_version;lorawan_phy_version;app_key;name"
    rows = (
        f"{device_id(number)};{dev_eui(number)};A81758FFFE000001;EU_863_870_TTN;"
        f"MAC_V1_0_3;PHY_V1_0_3_REV_A;{APP_KEY};Number {number}"
        for number in range(SIZE)
    )
    path = tmp_path_factory.mktemp("fleet") / "fleet.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    made = Fleet(Bridge("Farm", "farm-app", aws, simulation, topics, outputs(farm_stack)), path, {}, (0, 0))
    started = time.monotonic()
    # Above the default, which keeps below the quota of a real account.
    first = made.command("import", path, "--json", "--rate", 1000)
    assert first.exit_code == 0, first.output
    imported = time.monotonic()
    eventually("the fleet on four servers", made.is_whole, timeout=PATIENCE)
    # The last devices are marked once they are on all servers.
    eventually("the end of the work", lambda: settled(made.bridge, "registry"), timeout=PATIENCE)
    made.answer, made.seconds = json.loads(first.stdout), (imported - started, time.monotonic() - imported)
    yield made
    if aws.process and not SOAK:
        return  # It ends with the emulator.
    iot = aws.client("iot")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: iot.delete_thing(thingName=name), made.things()))
    # Each deletion is looked up first, at most two per second.
    eventually("no device of the fleet", lambda: made.is_whole(0), timeout=PATIENCE + SIZE / 2)


def aws_calls(bridge: Bridge, since: float) -> dict[str, Counter[str]]:
    """The calls of AWS by the functions `sync` and `registry` since then (Unix seconds), as they counted them."""
    made = {}
    for function in ("sync", "registry"):
        made[function] = Counter[str]()
        group = function_log_group(bridge.outputs["function_names"][function])
        for entry in Logs(bridge.aws.clients).entries(group, since):
            if entry.get("event") == "aws_calls":
                made[function].update({name: n for name, n in entry.items() if isinstance(n, int)})
    return made


def corrected(bridge: Bridge) -> tuple[list[Received], dict[str, Counter[str]]]:
    """Synchronise; returns the calls of The Things Stack and of AWS that this took."""
    before, since = len(bridge.things_stack.requests), time.time()
    synchronise(bridge)
    return list(bridge.things_stack.requests)[before:], aws_calls(bridge, since)


def about(call: Received) -> str:
    """The device that a call names in its path or, to create one, in its body."""
    if call.operation == "EndDeviceRegistry_Create":
        return str(call.body["end_device"]["ids"]["device_id"])
    return call.path.rpartition("/devices/")[2]


def things_of(bridge: Bridge) -> int:
    return len(inspection.things(bridge.aws, bridge.name))


def shown(calls: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(calls.items()))


def test_a_fleet_from_a_file_appears_on_both_sides_and_a_second_import_does_nothing(
    farm: Bridge, fleet: Fleet, record_property: Callable[[str, object], None]
) -> None:
    assert (fleet.answer["rows"], fleet.answer["created"], fleet.answer["failed"]) == (SIZE, SIZE, 0)
    things, devices = fleet.things(), fleet.devices()
    assert len(things) == SIZE
    started = time.monotonic()
    second = json.loads(fleet.command("import", fleet.file, "--json").stdout)
    again = time.monotonic() - started
    assert (second["unchanged"], second["created"], second["updated"], second["failed"]) == (SIZE, 0, 0, 0)
    assert set(second["awsCalls"]) == {"DescribeLogGroups", "ListThings"}
    # A device made afterwards: what the second import had caused would have come before it.
    marker = farm.new_device(registered=False)
    farm.create_thing(marker.dev_eui, **{**thing_of(0), "devEUI": marker.dev_eui, "deviceID": marker.device_id})
    eventually("the marker", lambda: farm.on_servers(marker.device_id) == set(SERVERS))
    assert fleet.devices() == devices
    assert {name: each["version"] for name, each in fleet.things().items()} == {
        name: each["version"] for name, each in things.items()
    }
    imported, in_step = fleet.seconds
    record_property(
        FIGURES,
        f"{SIZE:,} devices imported: things {imported:.1f} s, devices {in_step:.1f} s more, again {again:.1f} s\n"
        f"  AWS, first import: {shown(Counter(fleet.answer['awsCalls']))}\n"
        f"  AWS, second import: {shown(Counter(second['awsCalls']))}",
    )


def test_a_random_drift_on_both_sides_is_mended_exactly(
    farm: Bridge, fleet: Fleet, record_property: Callable[[str, object], None]
) -> None:
    # Whatever other tests left is in step as well from here on.
    synchronise(farm)
    things, devices = fleet.things(), fleet.devices()
    chosen = random.Random(2024).sample(range(SIZE), round(SIZE * DRIFT))
    fifth = len(chosen) // 5
    lost_things, lost_devices, changed, unmarked = (chosen[n * fifth : (n + 1) * fifth] for n in range(4))
    changed += chosen[4 * fifth :]
    new_devices, new_things = range(SIZE, SIZE + 5), range(SIZE + 5, SIZE + 10)
    iot = farm.aws.client("iot")
    with events_are_missed(farm):
        for number in lost_things:
            iot.delete_thing(thingName=dev_eui(number))
        for number in changed:
            change = {"attributes": {"frequencyPlanID": "EU_868_1"}, "merge": True}
            iot.update_thing(thingName=dev_eui(number), attributePayload=change)
        for number in new_things:
            farm.create_thing(dev_eui(number), **thing_of(number))
    forget(farm, lost_devices)
    with farm.things_stack.lock:
        for number in unmarked:
            del farm.things_stack.servers.identity.devices[farm.application_id, device_id(number)]["attributes"]
    for number in new_devices:
        farm.things_stack.register_device(
            farm.application_id, device_id=device_id(number), dev_eui=dev_eui(number), join_eui="A81758FFFE000001"
        )

    started = time.monotonic()
    calls, of_aws = corrected(farm)
    took = time.monotonic() - started

    # Both sides are as they were, but for what a person changed.
    after_things, after_devices = fleet.things(), fleet.devices()
    gone = {dev_eui(number) for number in lost_things}
    made = {dev_eui(number) for number in (*new_devices, *new_things)}
    assert set(after_things) == set(things) - gone | made
    expected = set(map(device_id, set(range(SIZE + 10)) - set(lost_things)))
    assert {name: set(known) for name, known in after_devices.items()} == dict.fromkeys(SERVERS, expected)
    for number in range(SIZE):
        if number not in chosen:
            thing, device = dev_eui(number), device_id(number)
            assert after_things[thing]["version"] == things[thing]["version"]
            assert all(after_devices[name][device] == devices[name][device] for name in SERVERS)
    for number in changed:
        assert after_devices["network"][device_id(number)]["frequency_plan_id"] == "EU_868_1"
    for number in unmarked:
        attributes = after_devices["identity"][device_id(number)]["attributes"]
        assert attributes == devices["identity"][device_id(number)]["attributes"]

    # Four writes delete a device, four and its mark make one; a changed one is set and marked, a new one marked: by the
    # event of its new thing or by the work item, or by both, when neither has seen the other's mark.
    touched = set(map(device_id, (*chosen, *new_devices, *new_things)))
    writes = Counter(about(call) for call in calls if call.method != "GET")
    each = {4: lost_things, 5: [*lost_devices, *new_things], 2: changed, 1: [*unmarked, *new_devices]}
    twice = {device_id(number) for number in new_devices if writes[device_id(number)] == 2}
    assert {name: n for name, n in writes.items() if name.startswith("fleet-") and name not in twice} == {
        device_id(number): n for n, numbers in each.items() for number in numbers if device_id(number) not in twice
    }
    assert {about(call) for call in calls if about(call).startswith("fleet-")} <= touched

    # What it may cost: pages of both listings, and a fixed number of calls for each that is out of step.
    out_of_step, of_the_things_stack = len(touched), Counter(call.operation for call in calls)
    everything = things_of(farm) + out_of_step
    pages, look_ups = math.ceil(everything / THINGS_PER_PAGE), 3 * (len(new_devices) + len(lost_things))
    device_pages = math.ceil(everything / DEVICES_PER_PAGE) + 1
    assert of_the_things_stack["EndDeviceRegistry_List"] <= device_pages
    assert len(calls) <= 8 * out_of_step + 20
    assert of_aws["sync"]["SendMessage"] <= out_of_step + 10
    assert of_aws["sync"]["ListThings"] <= pages
    assert of_aws["registry"]["ListThings"] <= look_ups + 4
    assert sum(of_aws["registry"].values()) <= 6 * out_of_step + 40
    record_property(
        FIGURES,
        f"{SIZE:,} devices, {out_of_step} out of step on either side: in step again after {took:.1f} s\n"
        f"  The Things Stack, {len(calls):,} calls: {shown(of_the_things_stack)}\n"
        f"  AWS, function sync, {of_aws['sync'].total():,} calls: {shown(of_aws['sync'])}\n"
        f"  AWS, function registry, {of_aws['registry'].total():,} calls: {shown(of_aws['registry'])}",
    )

    again, _ = corrected(farm)
    assert [call for call in again if about(call) in touched] == []
    assert [call.operation for call in again].count("EndDeviceRegistry_List") <= device_pages
    assert set(farm.dead_letters().values()) == {0}
    restore(farm, fleet, new_devices, new_things)


def forget(bridge: Bridge, numbers: list[int]) -> None:
    """Delete devices as a person does in the Console."""
    servers = bridge.things_stack.servers
    with bridge.things_stack.lock:
        for name in SERVERS:
            for number in numbers:
                getattr(servers, name).devices.pop((bridge.application_id, device_id(number)))


def restore(bridge: Bridge, fleet: Fleet, *others: range) -> None:
    """As the file has it, for the next test."""
    for number in (number for numbers in others for number in numbers):
        bridge.aws.client("iot").delete_thing(thingName=dev_eui(number))
    answer = json.loads(fleet.command("import", fleet.file, "--update", "--json", "--rate", 1000).stdout)
    assert answer["failed"] == 0
    eventually("the fleet of the file", fleet.is_whole, timeout=PATIENCE)
