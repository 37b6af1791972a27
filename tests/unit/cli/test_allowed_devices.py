"""`thingbridge devices allow` and `disallow`, on an account in process with the stack `Farm` and its provisioning."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.applied_devices import apply_devices, create_function
from tests.unit.cli.conftest import Run
from thingbridge.aws.allowed_devices import AllowedDevices
from thingbridge.aws.clients import Clients
from thingbridge.devices.admission import AllowedDevice


@pytest.fixture(autouse=True)
def applied(stack: Any) -> None:
    """What Terraform creates for devices, without provisioning."""
    apply_devices(stack)


@pytest.fixture
def allowed(clients: Clients) -> AllowedDevices:
    """The list of devices that may register themselves, which is empty."""
    create_function("provision", ALLOWED_DEVICES_TABLE="allowed", NAME_PATTERN="probe-[0-9]+")
    clients("dynamodb").create_table(
        TableName="allowed",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "thing", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "thing", "AttributeType": "S"}],
    )
    return AllowedDevices(clients, "allowed")


def test_a_list_of_devices_is_allowed_and_a_used_name_stays_used(
    run: Run, allowed: AllowedDevices, tmp_path: Path
) -> None:
    file = tmp_path / "allowed.csv"
    file.write_text("name,type,location\nprobe-1,temperature,hall-3\nprobe-2,temperature,hall-3\n")
    assert json.loads(run("devices", "allow", file, "--json").stdout)["added"] == 2
    first = AllowedDevice("probe-1", "temperature", "hall-3")
    assert allowed.use(first, "certificate", 0)
    again = json.loads(run("devices", "allow", file, "--json").stdout)
    assert again == {
        "added": 0,
        "changed": 0,
        "unchanged": 1,
        "used": 1,
        "usedNames": ["probe-1"],
        "failures": {},
    }
    assert "probe-1: was used already" in run("devices", "allow", file).stderr
    assert not allowed.use(first, "another", 0)
    assert json.loads(run("devices", "allow", file, "--again", "--json").stdout)["changed"] == 1
    assert allowed.use(first, "another", 0)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("name;type;location\r\nprobe-1;temperature;hall-3\r\n;;\r\n", "utf-8-sig"),
        ("sep=;\nname;type;location\n\nprobe-1;temperature;hall-3;;\n", "utf-8"),
        ("name\ttype\tlocation\nprobe-1\ttemperature\thall-3\n", "utf-16"),
    ],
    ids=["semicolons", "a line sep=", "UTF-16"],
)
def test_files_of_a_spreadsheet_are_read(
    run: Run, allowed: AllowedDevices, tmp_path: Path, text: str, encoding: str
) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(text, encoding=encoding, newline="")
    assert json.loads(run("devices", "allow", file, "--json").stdout)["added"] == 1
    done = run("devices", "import", file, "--directory", tmp_path / "held")
    assert done.exit_code == 0, done.output
    assert "registered 1 device" in done.output


def test_devices_are_also_allowed_from_json(run: Run, allowed: AllowedDevices, tmp_path: Path) -> None:
    file = tmp_path / "allowed.json"
    file.write_text(json.dumps([{"name": "probe-1", "type": "temperature", "location": "hall-3"}]))
    done = run("devices", "allow", file)
    assert "allowed 1 new device; 0 changed, 0 unchanged, 0 used already" in done.stdout
    entry = allowed.find("probe-1")
    assert entry
    assert entry.device == AllowedDevice("probe-1", "temperature", "hall-3")


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("name,type,location\nother,temperature,hall-3", "row 2: name: must match probe-[0-9]+; got other"),
        ("name,type,location\nprobe-1,wind,hall-3", "row 2: type: must be a type of the stack Farm"),
        ("name,type\nprobe-1,temperature", "row 2: location: must be a location of the stack Farm: hall-3; got none"),
        ("name,type,location,model\nprobe-1,temperature,hall-3,X", "row 2: model: can't be given"),
        ("name,type,location\nprobe-1,temperature,hall-3,X", "row 2: row: can't be given"),
        ('[{"name": "probe-1", "type": "temperature", "location": 3}]', "object 1: location: must be a text"),
        ('["probe-1"]', "object 1: row: must be an object"),
        ('{"name": "probe-1"}', "must be a list of objects"),
        ("[", "must be CSV or JSON"),
        ("name\nprobe-1", "must have the columns name and type; type is missing"),
        ("", "is not valid CSV: it has no header"),
    ],
)
def test_nothing_is_allowed_from_a_file_with_a_fault(
    run: Run, allowed: AllowedDevices, tmp_path: Path, rows: str, fault: str
) -> None:
    file = tmp_path / "allowed"
    file.write_text(rows)
    done = run("devices", "allow", file)
    assert done.exit_code == 2
    assert fault in done.stderr
    assert allowed.find("probe-1") is None


@pytest.fixture
def listed(allowed: AllowedDevices) -> AllowedDevices:
    """The list with the new device `probe-1` and the used one `probe-2`."""
    for name in ("probe-1", "probe-2"):
        allowed.allow(AllowedDevice(name, "temperature", "hall-3"))
    allowed.use(AllowedDevice("probe-2", "temperature", "hall-3"), "certificate", 0)
    return allowed


def test_a_name_is_taken_off_the_list_and_a_used_one_stays_unless_that_is_wanted(
    run: Run, listed: AllowedDevices
) -> None:
    names = ("probe-1", "probe-2", "probe-3", "probe-1")
    done = run("devices", "disallow", *names, "--json")
    assert json.loads(done.stdout) == {
        "removed": ["probe-1"],
        "absent": ["probe-3"],
        "used": ["probe-2"],
        "failures": {},
    }
    assert listed.find("probe-1") is None
    assert not listed.use(AllowedDevice("probe-1", "temperature", "hall-3"), "certificate", 0)
    shown = run("devices", "disallow", *names).stdout
    assert "used already, stays; --used removes it" in shown
    assert "took 0 devices off the list; 2 not on it, 1 used already" in shown
    assert listed.find("probe-2")
    assert json.loads(run("devices", "disallow", "probe-2", "--used", "--json").stdout)["removed"] == ["probe-2"]
    assert listed.find("probe-2") is None


@pytest.mark.parametrize(
    "text", ["name\nprobe-1\n", "name,type,location\nprobe-1,wind,attic\n", '[{"name": "probe-1"}]']
)
def test_the_names_of_a_file_are_taken_off_whatever_else_it_has(
    run: Run, listed: AllowedDevices, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "names"
    file.write_text(text)
    done = run("devices", "disallow", "--file", file)
    assert done.exit_code == 0, done.output
    assert "took 1 device off the list" in done.stdout
    assert listed.find("probe-1") is None


def test_nothing_is_taken_off_the_list_when_a_name_is_wrong(run: Run, listed: AllowedDevices, tmp_path: Path) -> None:
    file = tmp_path / "names"
    for text, fault in (
        ("name\nprobe-1\nprobe 2\n", "row 3: name: must have 1 to 128"),
        ("type\nprobe-1\n", "must have the column name; name is missing"),
        ('[{"name": "probe-1"}, "probe-2"]', "object 2: name: must have 1 to 128"),
    ):
        file.write_text(text)
        done = run("devices", "disallow", "--file", file)
        assert done.exit_code == 2
        assert fault in done.stderr
    assert "NAME: name: must have 1 to 128" in run("devices", "disallow", "probe-1", "probe 2").stderr
    for arguments in ((), ("probe-1", "--file", file)):
        assert "give names of devices, or --file" in run("devices", "disallow", *arguments).stderr
    assert listed.find("probe-1")


def test_a_stack_without_provisioning_allows_nothing(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "allowed.csv"
    file.write_text("name,type\n")
    done = run("devices", "allow", file)
    assert done.exit_code == 1
    assert "apply it with devices.provisioning" in done.stderr
