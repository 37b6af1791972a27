"""Jobs for devices of the stack `orchard`, by the command, and as the devices see them over MQTT."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.mqtt import MqttConnection
from tests.e2e import devices
from tests.e2e.conftest import Bridge
from tests.e2e.devices import Run

_serial = itertools.count(1)
DOCUMENT = '{"operation": "restart"}'


@pytest.fixture
def run(orchard: Bridge, monkeypatch: pytest.MonkeyPatch) -> Run:
    return devices.commands(orchard, monkeypatch)


@pytest.fixture
def register(run: Run) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Register a new device of a type, which is deleted in the end."""
    names: list[str] = []

    def register(type_name: str) -> dict[str, Any]:
        names.append(f"worker-{next(_serial)}")
        return dict(json.loads(run("create", names[-1], "--type", type_name, "--json").stdout))

    yield register
    run("delete", *names, "--yes")


@pytest.fixture
def job(orchard: Bridge) -> Iterator[str]:
    """An id for a job, which is deleted in the end."""
    made = f"work-{next(_serial)}"
    yield made
    orchard.aws.client("iot").delete_job(jobId=made, force=True)


def shown(run: Run, job: str) -> dict[str, Any]:
    return dict(json.loads(run("job", "show", job, "--json").stdout))


def begin(connection: MqttConnection, name: str, job: str) -> None:
    """Have a device ask for its next job, which must be this one."""
    topic = f"$aws/things/{name}/jobs"
    for each in ("start-next/accepted", "+/update/accepted", "+/update/rejected"):
        connection.subscribe(f"{topic}/{each}")
    connection.publish(f"{topic}/start-next", {})
    handed = connection.wait_for(f"{topic}/start-next/accepted").json()["execution"]
    assert (handed["jobId"], handed["jobDocument"]) == (job, json.loads(DOCUMENT))


def test_a_job_that_fails_too_often_is_aborted_and_shows_why(
    orchard: Bridge, run: Run, register: Callable[[str], dict[str, Any]], job: str
) -> None:
    failing, others = register("temperature"), [register("temperature")["thingName"] for _ in range(2)]
    name = failing["thingName"]
    limits = ("--abort", 50, "--abort-after", 1, "--timeout-minutes", 5)
    run("job", "create", job, name, *others, "--document", DOCUMENT, *limits)
    assert shown(run, job)["counts"] == {"QUEUED": 3}
    update = f"$aws/things/{name}/jobs/{job}/update"
    with orchard.aws.mqtt_of_device(failing) as connection:
        begin(connection, name, job)
        connection.publish(update, {"status": "FAILED", "statusDetails": {"reason": "no space left"}})
        connection.wait_for(f"{update}/accepted")
    found = shown(run, job)
    assert (found["status"], found["reasonCode"]) == ("CANCELED", "ABORT_CANCEL")
    assert found["counts"] == {"CANCELED": 2, "FAILED": 1}
    first = found["executions"][0]
    assert (first["thingName"], first["statusDetails"]) == (name, {"reason": "no space left"})
    assert "reason=no space left" in run("job", "show", job).stdout


def test_a_job_for_a_type_reaches_its_devices_alone_and_is_canceled_where_it_has_not_begun(
    orchard: Bridge, run: Run, register: Callable[[str], dict[str, Any]], job: str
) -> None:
    begun, waiting = register("pressure"), register("pressure")["thingName"]
    other, name = register("temperature")["thingName"], begun["thingName"]
    run("job", "create", job, "--type", "pressure", "--document", DOCUMENT, "--rate", 1000)
    update = f"$aws/things/{name}/jobs/{job}/update"
    with orchard.aws.mqtt_of_device(begun) as connection:
        begin(connection, name, job)
        run("job", "cancel", job)
        statuses = {each["thingName"]: each["status"] for each in shown(run, job)["executions"]}
        assert (statuses[name], statuses[waiting]) == ("IN_PROGRESS", "CANCELED")
        assert other not in statuses
        connection.publish(update, {"status": "SUCCEEDED"})
        connection.wait_for(f"{update}/accepted")
    assert shown(run, job)["counts"]["SUCCEEDED"] == 1


def test_a_job_that_is_canceled_by_force_can_not_be_reported(
    orchard: Bridge, run: Run, register: Callable[[str], dict[str, Any]], job: str
) -> None:
    device = register("temperature")
    name = device["thingName"]
    run("job", "create", job, name, "--document", DOCUMENT)
    update = f"$aws/things/{name}/jobs/{job}/update"
    with orchard.aws.mqtt_of_device(device) as connection:
        begin(connection, name, job)
        run("job", "cancel", job, "--force")
        connection.publish(update, {"status": "SUCCEEDED"})
        connection.wait_for(f"{update}/rejected")
    assert shown(run, job)["counts"] == {"CANCELED": 1}


def test_a_job_of_a_template_has_its_document(
    orchard: Bridge, run: Run, register: Callable[[str], dict[str, Any]], job: str
) -> None:
    iot, device = orchard.aws.client("iot"), register("temperature")
    iot.create_job_template(jobTemplateId=f"of-{job}", document=DOCUMENT, description="Restart")
    run("job", "create", job, device["thingName"], "--template", f"of-{job}")
    with orchard.aws.mqtt_of_device(device) as connection:
        begin(connection, device["thingName"], job)
    iot.delete_job_template(jobTemplateId=f"of-{job}")
