"""Private keys of devices are handed out once: after a device's whole life, they are searched for everywhere.

Each place must also hold what is known to be there: a place that was not read proves nothing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.stack import Stack
from tests.e2e import devices, places
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
    found = {
        "command line": (tables, TYPED),
        "log": ("\n".join(places.logged(orchard.aws)), INVOKED),
        "settings of functions": ("\n".join(places.settings(orchard.aws)), "orchard:temperature"),
        "shadow": ("\n".join(places.shadows(orchard.aws, [*NAMES])), "reporting_interval"),
        "state": ("\n".join(places.written(orchard_stack.directory)), "orchard-device"),
        "table": ("\n".join(places.rows(orchard.aws)), TYPED),
        "thing": (json.dumps(things(orchard)), IMPORTED),
        "topic": (published, f"orchard/record/temperature/{TYPED}"),
    }
    secrets = {line for device in held for line in device["privateKey"].splitlines()[1:-1] if len(line) == 64}
    assert len(secrets) > len(held)
    assert [place for place, (text, known) in found.items() if known not in text] == []
    assert [place for place, (text, _) in found.items() if any(each in text for each in secrets)] == []
    assert [place for place, (text, _) in found.items() if "PRIVATE KEY" in text] == []
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


def things(orchard: Bridge) -> list[Any]:
    return list(places.pages(orchard.aws.client("iot"), "list_things", "things"))
