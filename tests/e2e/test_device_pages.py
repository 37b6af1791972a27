"""The commands of docs/devices.md and docs/telemetry.md on `orchard`, from top to bottom as a reader runs them.

They are those of blocks for the shell and of the last cells of tables, each run once; `farm` is the name of the stack.
`thingbridge` runs in this process. An `aws` command is the same call of boto3: these tests need no AWS CLI.
"""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore import xform_name

from local.aws import LocalAws
from local.mqtt import MqttError
from tests import documents
from tests.e2e import devices
from tests.e2e.conftest import Bridge
from tests.e2e.polling import eventually

DEVICES, READINGS = documents.read("docs/devices.md"), documents.read("docs/telemetry.md")
PROMISES = ('Recipe "IoT Device Registry with IoT Core"', "Para's AWS IoT integration")

SHOWN = {
    "aws iot describe-thing-type": '"thingTypeDescription": "Device with a certificate of its own"',
    "aws iot get-policy": "iot:Receive",
    "aws iot get-topic-rule": "function:orchard-telemetry",
    "aws iot list-things-in-thing-group": "hall-3-door",
    "thingbridge devices verify hall-3-probe": "orchard_sensor",
    "thingbridge devices state get hall-3-door": "firmware_version",
    "thingbridge devices job create": "created the job orchard-slow-1 for hall-3-probe",
    "thingbridge devices job show": "1 QUEUED",
    "thingbridge devices job cancel": "canceled the job orchard-slow-1",
    "thingbridge devices verify hall-3-door": "orchard-telemetry logged",
    "thingbridge devices show hall-3-window": '"status": "ACTIVE"',
    "thingbridge devices state get hall-3-window": '"desired"',
    "thingbridge devices state set hall-3-window": "active",
}
"""The beginning of a command → what it must show."""


@pytest.fixture
def shell(orchard: Bridge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], str]:
    """Run a command of a page in a directory of its own, and return what it prints."""
    monkeypatch.chdir(tmp_path)
    thingbridge = devices.commands(orchard, monkeypatch)

    def run(command: str) -> str:
        program, *words = shlex.split(re.sub(r"\bfarm(?![A-Za-z0-9])", "orchard", command))
        if program == "aws":
            return aws_command(orchard.aws, words)
        assert words.pop(0) == "devices"
        return str(thingbridge(*words).output)

    return run


def aws_command(aws: LocalAws, words: list[str]) -> str:
    """`aws SERVICE OPERATION --option value … [FILE]`; the file is for the answer's payload."""
    service, operation, *rest = words
    client = aws.client(service)
    method = operation.replace("-", "_")
    members = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape.members
    names = {xform_name(member, "-"): member for member in members}
    given, file = {}, None
    remaining = iter(rest)
    for word in remaining:
        if not word.startswith("--"):
            file = Path(word)
        elif word == "--cli-binary-format":
            assert next(remaining) == "raw-in-base64-out"
        else:
            given[names[word.removeprefix("--")]] = next(remaining)
    answer = getattr(client, method)(**given)
    if file:
        file.write_bytes(answer.pop("Payload").read())
    return json.dumps(answer, default=str, ensure_ascii=False)


def commands(page: str) -> list[str]:
    """The commands of a page in its order, each once."""
    shell, found = False, []
    for line in page.replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            shell = line == "```shell"
        elif shell:
            found.append(" ".join(line.split()))
        elif line.startswith("|"):
            found += cited(line.strip("| ").rpartition("|")[2])
    return list(dict.fromkeys(found))


def cited(cell: str) -> list[str]:
    return [code for code in documents.code(cell) if re.match("(aws|thingbridge) [a-z]", code)]


def test_the_page_about_devices_works_from_top_to_bottom_and_leaves_no_device(
    orchard: Bridge, shell: Callable[[str], str], tmp_path: Path
) -> None:
    missing = set(SHOWN)
    for command in commands(DEVICES):
        printed = shell(command)
        for beginning in [each for each in missing if command.startswith(each)]:
            assert SHOWN[beginning] in printed, command
            missing.remove(beginning)
        assert "PRIVATE KEY" not in printed
    assert missing == set()
    first, second = devices.read(tmp_path / "hall-3-probe"), devices.read(tmp_path / "hall-3-probe-2")
    by_function = json.loads((tmp_path / "window.json").read_text(encoding="utf-8"))
    assert len({each["certificateId"] for each in (first, second, by_function)}) == 3
    # The names of Para's answer for them: clientCertId, clientCertARN, clientCert, host.
    assert {"thingId", "thingName", "thingArn", "clientId", "region", "port", "publicKey"} <= set(by_function)
    assert {"certificateId", "certificateArn", "certificatePem", "privateKey", "endpoint"} <= set(by_function)
    iot = orchard.aws.client("iot")
    for device in (first, second, by_function):
        with pytest.raises(MqttError), orchard.aws.mqtt_of_device(device):
            pass
        with pytest.raises(iot.exceptions.ResourceNotFoundException):
            iot.describe_thing(thingName=device["thingName"])
        with pytest.raises(iot.exceptions.ResourceNotFoundException):
            iot.describe_certificate(certificateId=device["certificateId"])


def test_each_promise_is_shown_by_a_command_or_a_section() -> None:
    rows = [row for header in PROMISES for row in documents.table(DEVICES, header)]
    assert len({promise for promise, _ in rows}) == len(rows)
    assert [promise for promise, shown in rows if len(cited(shown)) + len(documents.links(shown)) != 1] == []


def test_the_page_about_readings_works_from_top_to_bottom(orchard: Bridge, shell: Callable[[str], str]) -> None:
    shell("thingbridge devices create hall-3-probe --type temperature --directory probe")
    printed = [shell(command) for command in commands(READINGS)]
    assert "alert_level_changed" in eventually(
        "the alert in the log",
        lambda: found if "alert_level_changed" in (found := shell(commands(READINGS)[-1])) else "",
    )
    assert "orchard-telemetry logged" in printed[0]
    assert "temperature" in shell("thingbridge devices state get hall-3-probe --stack farm")
    shell("thingbridge devices delete hall-3-probe --yes")
