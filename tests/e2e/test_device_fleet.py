"""A fleet of devices with certificates of their own on `orchard`: imported, rotated and deleted while it sends.

`make soak` runs it with a thousand devices. It prints what a device costs in calls of AWS.
"""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.runtime import CONFIG, Runtime
from local.mqtt import MqttConnection
from tests.conftest import FIGURES
from tests.e2e import devices
from tests.e2e.conftest import Bridge
from tests.e2e.polling import eventually
from tests.sizes import SOAK, size
from thingbridge.aws.clients import Clients

SIZE, ROTATED, DELETED, SENDING = size((20, 4, 4, 2), (1_000, 100, 100, 10))
INTERVAL = size(0.3, 1.0)
"""Seconds between two readings of a device."""

GROUPS = ("orchard:type:temperature", "orchard:location:hall-3")
"""Of all devices of a type, and of a location. The group above them has no members of its own."""


@dataclass
class Fleet:
    """The devices by name, and the readings that AWS IoT acknowledged: device and number."""

    orchard: Bridge
    directory: Path
    names: list[str]
    run: devices.Run
    clients: Clients
    sent: list[tuple[str, int]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def send(self, connection: MqttConnection, name: str) -> None:
        number = next(self.numbers)
        connection.publish(f"orchard/sensor/temperature/{name}", {"temperature": 20, "number": number})
        self.sent.append((name, number))

    @contextmanager
    def sending(self, names: list[str]) -> Iterator[None]:
        """These devices send at an interval until the block ends; one that is interrupted fails it."""
        ended = threading.Event()

        def keep_sending(name: str) -> None:
            with self.orchard.aws.mqtt_of_device(devices.read(self.directory / name)) as connection:
                self.send(connection, name)
                while not ended.wait(INTERVAL):
                    self.send(connection, name)

        with ThreadPoolExecutor(len(names)) as pool:
            running = [pool.submit(keep_sending, name) for name in names]
            try:
                yield
            finally:
                ended.set()
            for each in running:
                each.result()

    def rotate(self, name: str) -> None:
        """A device that sends all the while: with the old certificate until it has the new one, then with that."""
        directory = self.directory / f"{name}-renewed"
        with self.orchard.aws.mqtt_of_device(devices.read(self.directory / name)) as connection:
            self.send(connection, name)
            self.run("rotate", name, "--directory", directory)
            self.send(connection, name)
        with self.orchard.aws.mqtt_of_device(devices.read(directory)) as connection:
            self.send(connection, name)
            self.run("rotate", name, "--end-old")
            self.send(connection, name)


@pytest.fixture
def fleet(orchard: Bridge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Fleet]:
    clients = Clients(config=CONFIG)  # created when first needed: in the environment that `commands` sets
    run = devices.commands(orchard, monkeypatch, Runtime(connect=lambda _profile, _region: clients))
    names = [f"fleet-{number:04}" for number in range(SIZE)]
    orchard.aws.client("iot").update_indexing_configuration(
        thingIndexingConfiguration={"thingIndexingMode": "REGISTRY_AND_SHADOW"}
    )
    yield Fleet(orchard, tmp_path, names, run, clients)
    if orchard.aws.process is None or SOAK:
        run("delete", *names[DELETED:], "--yes")


def test_a_fleet_loses_no_reading_while_some_are_rotated_and_deleted(
    orchard: Bridge, fleet: Fleet, record_property: Callable[[str, object], None]
) -> None:
    deleted, rotated, others = (
        fleet.names[:DELETED],
        fleet.names[DELETED : DELETED + ROTATED],
        fleet.names[-SENDING:],
    )
    file = fleet.directory / "fleet.csv"
    file.write_text("name,type,location\n" + "".join(f"{name},temperature,hall-3\n" for name in fleet.names))
    answer = json.loads(fleet.run("import", file, "--directory", fleet.directory, "--json").stdout)
    assert (answer["registered"], answer["failed"]) == (SIZE, 0)
    calls = {"registered": (fleet.clients.take_calls(), SIZE)}
    certificates = {name: devices.read(fleet.directory / name)["certificateArn"] for name in fleet.names}

    with orchard.aws.mqtt("fleet-of-devices") as topics:
        for topic in ("orchard/sensor/temperature/+", "orchard/record/temperature/+"):
            topics.subscribe(topic)
        with fleet.sending(others):
            for name in rotated:
                fleet.rotate(name)
            calls["rotated and ended"] = (fleet.clients.take_calls(), ROTATED)
            fleet.run("delete", *deleted, "--yes", "--json")
            calls["deleted"] = (fleet.clients.take_calls(), DELETED)
        sent = Counter(fleet.sent)
        for kind in ("sensor", "record"):
            eventually(f"every {kind}", lambda kind=kind: sent <= received(topics, kind), timeout=size(30, 120))
    assert {name for name, _ in sent} == {*rotated, *others}

    left = remains(orchard)
    assert left["things"] == set(fleet.names[DELETED:])
    for place in (*GROUPS, "index"):
        assert left[place] == left["things"], place
    for name in deleted:
        assert certificates[name] not in left["certificates"] | left["targets"]
    kept = {certificates[name] for name in set(fleet.names) - {*deleted, *rotated}}
    assert kept <= left["certificates"] & left["targets"]
    shadows = orchard.aws.client("iot-data")
    for name in deleted:
        with pytest.raises(shadows.exceptions.ResourceNotFoundException):
            shadows.get_thing_shadow(thingName=name)
        assert shadows.list_named_shadows_for_thing(thingName=name)["results"] == []
    record_property(
        FIGURES,
        f"{SIZE:,} devices imported, {ROTATED} rotated, {DELETED} deleted, {sent.total():,} readings, none lost\n"
        + "\n".join(
            f"  AWS, a device {what}: {sum(made.values()) / number:.1f} calls: {per_device(made, number)}"
            for what, (made, number) in calls.items()
        ),
    )


def received(topics: MqttConnection, kind: str) -> Counter[tuple[str, int]]:
    found = topics.messages(f"orchard/{kind}/temperature/+")
    return Counter((each.topic.rpartition("/")[2], each.json().get("number", -1)) for each in found)


def remains(orchard: Bridge) -> dict[str, set[str]]:
    """What AWS IoT has of the fleet, in groups and the index too; and all certificates and targets of the policy."""
    iot = orchard.aws.client("iot")

    def listed(operation: str, field: str, **given: Any) -> Iterator[Any]:
        for page in iot.get_paginator(operation).paginate(**given):
            yield from page[field]

    groups = {
        group: {
            name for name in listed("list_things_in_thing_group", "things", thingGroupName=group) if "fleet-" in name
        }
        for group in GROUPS
    }
    found = listed("list_things", "things", thingTypeName="orchard:temperature")
    return {
        **groups,
        "index": set(indexed(iot)),
        "things": {each["thingName"] for each in found if each["thingName"].startswith("fleet-")},
        "certificates": {each["certificateArn"] for each in listed("list_certificates", "certificates")},
        "targets": set(listed("list_targets_for_policy", "targets", policyName="orchard-device")),
    }


def indexed(iot: Any) -> Iterator[str]:
    """The names of the fleet's things that the account's index finds."""
    following: dict[str, str] = {}
    while True:
        page = iot.search_index(queryString="thingName:fleet-*", **following)
        yield from (each["thingName"] for each in page["things"])
        if not page.get("nextToken"):
            return
        following = {"nextToken": page["nextToken"]}


def per_device(made: dict[str, int], number: int) -> str:
    return ", ".join(f"{name} {count / number:.1f}" for name, count in sorted(made.items()))
