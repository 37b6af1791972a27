"""Private keys of devices are handed out once: after a device's whole life, they are searched for everywhere.

Each place must also hold what is known to be there: a place that was not read proves nothing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.stack import Stack
from tests.e2e import devices
from tests.e2e.conftest import Bridge
from tests.e2e.polling import eventually

TYPED, INVOKED, IMPORTED = NAMES = ("secret-typed", "secret-invoked", "secret-imported")
READING = b'{"temperature": 85.5}'
PATIENCE = 60.0
"""Seconds for the first invocation of a function on a busy machine."""


def test_no_private_key_is_kept_anywhere(
    orchard: Bridge, orchard_stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = devices.commands(orchard, monkeypatch)
    with orchard.aws.mqtt("keys") as everything:
        for topic in ("#", "$aws/events/#", *(f"$aws/things/{name}/#" for name in NAMES)):
            everything.subscribe(topic)
        held = list(handed_out(orchard, run, tmp_path))
        for device in held:
            with orchard.aws.mqtt_of_device(device) as connection:
                connection.publish(f"$aws/things/{device['thingName']}/shadow/get", b"")
        for name in NAMES:
            topic = f"orchard/sensor/temperature/{name}"
            orchard.aws.client("iot-data").publish(topic=topic, qos=1, payload=READING)
            everything.wait_for(f"orchard/record/temperature/{name}", timeout=PATIENCE)
        tables = "\n".join(
            run(*words).output
            for words in (["list"], ["export"], *([verb, name] for verb in ("show", "verify") for name in NAMES))
        )
        published = "\n".join(f"{each.topic} {each.payload!r}" for each in everything.messages())
    eventually("the alert in the log", lambda: any("alert" in each["event"] for each in orchard.log(TYPED)))
    places = {
        "command line": (tables, TYPED),
        "log": ("\n".join(logged(orchard)), INVOKED),
        "settings of functions": (json.dumps(settings(orchard)), "orchard:temperature"),
        "shadow": ("\n".join(shadows(orchard)), "reporting_interval"),
        "state": ("\n".join(written(orchard_stack.directory)), "orchard-device"),
        "table": ("\n".join(rows(orchard)), TYPED),
        "thing": (json.dumps(things(orchard)), IMPORTED),
        "topic": (published, f"orchard/record/temperature/{TYPED}"),
    }
    secrets = {line for device in held for line in device["privateKey"].splitlines()[1:-1] if len(line) == 64}
    assert len(secrets) > len(held)
    assert [place for place, (text, known) in places.items() if known not in text] == []
    assert [place for place, (text, _) in places.items() if any(each in text for each in secrets)] == []
    assert [place for place, (text, _) in places.items() if "PRIVATE KEY" in text] == []
    run("delete", *NAMES, "--yes")


def handed_out(orchard: Bridge, run: devices.Run, directory: Path) -> Iterator[devices.Credentials]:
    """The credentials of three devices, each registered in another way, and a second one of the first."""
    yield json.loads(run("create", TYPED, "--type", "temperature", "--json").stdout)
    answer = orchard.aws.client("lambda").invoke(
        FunctionName=orchard.outputs["function_names"]["devices"],
        Payload=json.dumps({"name": INVOKED, "type": "temperature"}),
    )
    yield json.loads(answer["Payload"].read())
    file = directory / "devices.csv"
    file.write_text(f"name,type\n{IMPORTED},temperature\n", encoding="utf-8")
    run("import", file, "--directory", directory)
    yield devices.read(directory / IMPORTED)
    yield json.loads(run("rotate", TYPED, "--json").stdout)


def pages(client: Any, operation: str, field: str, **given: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**given):
        yield from page[field]


def logged(orchard: Bridge) -> Iterator[str]:
    logs = orchard.aws.client("logs")
    for group in pages(logs, "describe_log_groups", "logGroups"):
        for event in pages(logs, "filter_log_events", "events", logGroupName=group["logGroupName"]):
            yield event["message"]


def rows(orchard: Bridge) -> Iterator[str]:
    tables = orchard.aws.client("dynamodb")
    for table in pages(tables, "list_tables", "TableNames"):
        yield from map(str, pages(tables, "scan", "Items", TableName=table))


def settings(orchard: Bridge) -> list[Any]:
    found = pages(orchard.aws.client("lambda"), "list_functions", "Functions")
    return [each.get("Environment") for each in found if each["FunctionName"].startswith("orchard-")]


def shadows(orchard: Bridge) -> Iterator[str]:
    for name in NAMES:
        yield orchard.aws.client("iot-data").get_thing_shadow(thingName=name)["payload"].read().decode()


def things(orchard: Bridge) -> list[Any]:
    return list(pages(orchard.aws.client("iot"), "list_things", "things"))


def written(directory: Path) -> Iterator[str]:
    """The files that Terraform wrote, without modules and providers."""
    for path in directory.iterdir():
        if path.is_file():
            yield path.read_text(encoding="utf-8", errors="replace")
