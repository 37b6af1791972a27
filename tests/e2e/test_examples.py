"""The programs of examples/devices as their users run them, each in a process of its own, against the local AWS.

The page for a browser is not run. Its signature is compared in tests/unit/test_signature_of_the_browser.py.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local.aws import LocalAws
from local.mqtt import MqttError
from tests.documents import ROOT
from tests.e2e import devices
from tests.e2e.conftest import PATIENCE, Bridge
from tests.e2e.polling import eventually

EXAMPLES = ROOT / "examples" / "devices"


def start(aws: LocalAws, name: str, *arguments: object, output: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", str(EXAMPLES / name), *map(str, arguments)]
    with output.open("w", encoding="utf-8") as file:
        return subprocess.Popen(command, env=aws.environment(), stdout=file, stderr=subprocess.STDOUT, text=True)


def test_an_app_receives_over_websocket_what_a_backend_publishes_over_https(aws: LocalAws, tmp_path: Path) -> None:
    read, published = tmp_path / "read", tmp_path / "published"
    app = start(aws, "mqtt_websocket.py", "examples/#", "--count", 1, output=read)
    try:
        eventually("the subscription", lambda: "subscribed" in read.read_text(), timeout=60)
        backend = start(aws, "publish_https.py", "examples/config", '{"reporting_interval": 30}', output=published)
        assert backend.wait(60) == 0, published.read_text()
        assert app.wait(60) == 0
        assert read.read_text().splitlines()[-1] == 'examples/config {"reporting_interval": 30}'
    finally:
        app.kill()


def test_a_device_reads_its_shadow_reports_and_sends(
    orchard: Bridge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, output = devices.commands(orchard, monkeypatch), tmp_path / "output"
    topic = "orchard/sensor/temperature/example-probe"
    run("create", "example-probe", "--type", "temperature", "--directory", tmp_path / "probe")
    server = orchard.aws.mqtt_url.removeprefix("mqtts://")
    with orchard.aws.mqtt("of-examples") as topics:
        topics.subscribe(topic)
        device = start(
            *(orchard.aws, "mqtt_certificate.py", tmp_path / "probe", "--server", server, "--topic", topic),
            *("--count", 2, "--interval", 0.1),
            output=output,
        )
        assert device.wait(60) == 0, output.read_text()
        assert topics.wait_for(topic, timeout=PATIENCE).json() == {"temperature": 20.0}
    assert '"reporting_interval": 60' in eventually(
        "the report",
        lambda: found if '"delta": {}' in (found := run("state", "get", "example-probe", "--json").stdout) else "",
    )
    run("delete", "example-probe", "--yes")
    with pytest.raises(MqttError), orchard.aws.mqtt_of_device(devices.read(tmp_path / "probe")):
        pass


def test_a_device_follows_its_jobs_those_that_waited_and_those_that_are_announced(
    orchard: Bridge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, output, name = devices.commands(orchard, monkeypatch), tmp_path / "output", "example-follower"
    run("create", name, "--type", "temperature", "--directory", tmp_path / "follower")
    document = '{"operation": "configure", "settings": {"reporting_interval": 30}}'
    run("job", "create", "example-configure", name, "--document", document)
    server = orchard.aws.mqtt_url.removeprefix("mqtts://")
    arguments = (tmp_path / "follower", "--server", server, "--count", 2)
    device = start(orchard.aws, "follow_jobs.py", *arguments, output=output)

    def outcome(job: str) -> dict[str, str] | None:
        """What the device has reported, None before it has."""
        (execution,) = json.loads(run("job", "show", job, "--json").stdout)["executions"]
        if execution["status"] in ("QUEUED", "IN_PROGRESS"):
            return None
        return {"status": execution["status"], **(execution["statusDetails"] or {})}

    try:
        assert eventually("the first job", lambda: outcome("example-configure"), timeout=60) == {"status": "SUCCEEDED"}
        run("job", "create", "example-restart", name, "--document", '{"operation": "restart"}')
        assert device.wait(60) == 0, output.read_text()
        rejected = eventually("the second job", lambda: outcome("example-restart"))
        assert rejected["status"] == "REJECTED"
        assert "operation must be" in rejected["reason"]
    finally:
        device.kill()
    for job in ("example-configure", "example-restart"):
        orchard.aws.client("iot").delete_job(jobId=job, force=True)
    state = json.loads(run("state", "get", name, "--json").stdout)
    assert state["reported"]["reporting_interval"] == 30
    assert json.loads((tmp_path / "follower" / "settings.json").read_text()) == {"reporting_interval": 30}
    run("delete", name, "--yes")
