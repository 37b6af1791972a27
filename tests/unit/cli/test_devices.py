"""`thingbridge devices …`, on an account in process with the stack `Farm`, applied with the variable `devices`."""

import io
import json
import stat
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cli.devices.ending import ending
from tests.unit.cli.conftest import Time
from tests.unit.conftest import refusal
from thingbridge.aws.allowed_devices import AllowedDevices
from thingbridge.aws.clients import Clients
from thingbridge.aws.rotations import Rotations
from thingbridge.devices.admission import AllowedDevice

Run = Callable[..., Result]

TRUST = '{"Version": "2012-10-17", "Statement": []}'
CONFIGURATION = {
    "ca_certificate": None,
    "endpoint": "example-ats.iot.eu-west-1.amazonaws.com",
    "locations": {"hall-3": "Farm:location:hall-3"},
    "policies": ["Farm-device"],
    "region": "eu-west-1",
    "types": {
        "temperature": {
            "group": "Farm:type:temperature",
            "initial_shadow": {"desired": {"reporting_interval": 60}},
            "thing_type": "Farm:temperature",
        }
    },
}


@pytest.fixture(autouse=True)
def applied(stack: Any, clients: Clients) -> None:
    """What Terraform creates for devices."""
    stack.create_thing_type(thingTypeName="Farm:temperature")
    for group in ("Farm:type:temperature", "Farm:location:hall-3"):
        stack.create_thing_group(thingGroupName=group)
    stack.create_policy(policyName="Farm-device", policyDocument=TRUST)
    create_function("devices", DEVICES=json.dumps(CONFIGURATION))


def create_function(name: str, **environment: str) -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handlers/devices.py", "")
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    boto3.client("lambda").create_function(
        FunctionName=f"Farm-{name}",
        Role=role,
        Runtime="python3.13",
        Handler="handlers.devices.handler",
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": environment},
    )


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


@pytest.fixture
def create(run: Run) -> Callable[..., Result]:
    """Register a device of the type temperature."""
    return lambda name, *more: run("devices", "create", name, "--type", "temperature", *more)


def test_the_credentials_are_in_files_that_only_their_owner_reads(create: Run, tmp_path: Path) -> None:
    directory = tmp_path / "probe-1"
    done = create("probe-1", "--attribute", "location=hall-3", "--directory", directory)
    assert done.exit_code == 0, done.output
    assert {each.name for each in directory.iterdir()} == {
        *("private.key", "public.key", "certificate.pem", "ca.pem", "device.json")
    }
    assert {stat.S_IMODE(each.stat().st_mode) for each in directory.iterdir()} == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    device = json.loads((directory / "device.json").read_text())
    assert (device["clientId"], device["port"]) == ("probe-1", 8883)
    assert not [name for name in device if "Key" in name]
    assert "BEGIN" not in done.output


def test_the_private_key_is_made_here_and_is_not_sent(create: Run, clients: Clients) -> None:
    sent: list[str] = []
    clients("iot").meta.events.register(
        "provide-client-params.iot.CreateCertificateFromCsr",
        lambda params, **_: sent.append(params["certificateSigningRequest"]),
    )
    credentials = json.loads(create("probe-1", "--json").stdout)
    key = load_pem_private_key(credentials["privateKey"].encode(), None)
    (request,) = sent
    assert x509.load_pem_x509_csr(request.encode()).public_key() == key.public_key()
    assert "PRIVATE" not in request
    assert "PUBLIC KEY" in credentials["publicKey"]
    assert len(credentials) == 13


def test_credentials_are_never_made_without_a_place_for_them(create: Run, clients: Clients) -> None:
    for options in ((), ("--json", "--directory", "x")):
        assert create("probe-1", *options).exit_code == 2
    assert not clients.take_calls()


def test_credentials_are_not_overwritten(create: Run, tmp_path: Path, stack: Any) -> None:
    (tmp_path / "certificate.pem").write_text("old")
    done = create("probe-1", "--directory", tmp_path)
    assert done.exit_code == 1
    assert "has certificate.pem already" in done.stderr
    assert not stack.list_things()["things"]


def test_a_refused_registration_leaves_no_key_behind(create: Run, tmp_path: Path) -> None:
    create("probe-1", "--directory", tmp_path / "first")
    done = create("probe-1", "--directory", tmp_path / "second")
    assert done.exit_code == 1
    assert "the device probe-1 exists, and its credentials were handed out: rotate it" in done.stderr
    assert not list((tmp_path / "second").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("probe 1", "--type", "temperature"), "NAME must have 1 to 128"),
        (("probe-1", "--type", "wind"), "--type must be a type of the stack Farm: temperature; got wind"),
        (("probe-1", "--type", "temperature", "--attribute", "model"), "--attribute must be NAME=VALUE"),
        (("probe-1", "--type", "temperature", "--attribute", "devEUI=0"), "--attribute devEUI can't be given"),
        (("probe-1", "--type", "temperature", "--attribute", "location=attic"), "--attribute location must be a loc"),
    ],
)
def test_what_no_device_can_be_is_wrong_usage(arguments: tuple[str, ...], message: str, run: Run, stack: Any) -> None:
    done = run("devices", "create", *arguments, "--json")
    assert done.exit_code == 2
    assert message in done.stderr
    assert not stack.list_things()["things"]


def test_a_stack_without_devices_says_so(run: Run) -> None:
    done = run("devices", "list", "--stack", "other")
    assert done.exit_code == 1
    assert "the stack other has no devices of this kind in eu-west-1: apply it with the variable devices" in done.stderr


def test_list_and_show_have_devices_alone_and_no_secrets(create: Run, run: Run, stack: Any) -> None:
    create("probe-1", "--attribute", "model=TC-2000", "--json")
    stack.create_thing(thingName="barn", thingTypeName="lorawan")
    (listed,) = json.loads(run("devices", "list", "--json").stdout)
    attributes = {"deviceType": "temperature", "model": "TC-2000"}
    assert listed == {"thingName": "probe-1", "type": "temperature", "attributes": attributes}
    assert "model=TC-2000" in run("devices", "list").stdout
    shown = run("devices", "show", "probe-1", "--json").stdout
    (certificate,) = json.loads(shown)["certificates"]
    assert (certificate["status"], certificate["registered"]) == ("ACTIVE", True)
    assert "BEGIN" not in shown
    assert "ACTIVE" in run("devices", "show", "probe-1").stdout
    assert run("devices", "show", "barn").exit_code == 1


def test_a_device_is_rotated_disabled_enabled_and_deleted(create: Run, run: Run, stack: Any, tmp_path: Path) -> None:
    first = json.loads(create("probe-1", "--json").stdout)["certificateId"]
    assert run("devices", "rotate", "probe-1", "--directory", tmp_path / "new").exit_code == 0
    ended = json.loads(run("devices", "rotate", "probe-1", "--end-old", "--json").stdout)
    assert ended == {"thingName": "probe-1", "ended": [first]}
    assert json.loads(run("devices", "disable", "probe-1", "--json").stdout) == {"disabled": ["probe-1"], "failed": {}}
    (certificate,) = stack.list_certificates()["certificates"]
    assert certificate["status"] == "INACTIVE"
    assert run("devices", "enable", "probe-1").exit_code == 0
    assert run("devices", "delete", "probe-1", stdin="n\n").exit_code == 1
    assert stack.list_things()["things"]
    assert run("devices", "delete", "probe-1", stdin="y\n").exit_code == 0
    assert not stack.list_things()["things"]


@pytest.fixture
def rotations(stack: Any, clients: Clients) -> Rotations:
    """The record of rotations, of a stack that was applied with devices.end_old_certificates."""
    clients("dynamodb").create_table(
        TableName="rotations",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "thing", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "thing", "AttributeType": "S"}],
    )
    boto3.client("lambda").update_function_configuration(
        FunctionName="Farm-devices",
        Environment={"Variables": {"DEVICES": json.dumps(CONFIGURATION), "ROTATIONS_TABLE": "rotations"}},
    )
    return Rotations(clients, "rotations")


def test_a_rotation_is_recorded_with_its_date(create: Run, run: Run, rotations: Rotations, tmp_path: Path) -> None:
    first = json.loads(create("probe-1", "--json").stdout)["certificateId"]
    done = run("devices", "rotate", "probe-1", "--directory", tmp_path / "new", "--end-old-after", "2099-12-31")
    assert done.exit_code == 0, done.output
    assert "ends once the new one is used" in done.stderr
    assert "On 2100-01-01 00:00 UTC it ends in any case" in done.stderr
    rotation = rotations.find("probe-1")
    assert rotation
    assert (rotation.replaces, rotation.end_at) == ((first,), datetime(2100, 1, 1, tzinfo=UTC).timestamp())
    assert run("devices", "rotate", "probe-1", "--end-old").exit_code == 0
    assert rotations.find("probe-1") is None
    run("devices", "rotate", "probe-1", "--json")
    assert rotations.find("probe-1")
    assert run("devices", "delete", "probe-1", "--yes").exit_code == 0
    assert rotations.find("probe-1") is None


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ("12h", datetime(2026, 12, 1, 12, tzinfo=UTC)),
        ("30d", datetime(2026, 12, 31, tzinfo=UTC)),
        ("2026-12-31", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12-31T18:00", datetime(2026, 12, 31, 18, tzinfo=UTC)),
        ("2026-12-31T18:00+02:00", datetime(2026, 12, 31, 16, tzinfo=UTC)),
    ],
)
def test_the_end_of_an_old_certificate_is_a_duration_a_day_or_a_time(given: str, end: datetime) -> None:
    assert ending(given, datetime(2026, 12, 1, tzinfo=UTC)) == end


@pytest.mark.parametrize("given", ["30", "0d", "soon", "99999d", "9999-12-31", "2020-01-01", "-1d"])
def test_an_end_that_is_none_or_is_over_is_wrong_usage(given: str, create: Run, run: Run, rotations: Rotations) -> None:
    create("probe-1", "--json")
    done = run("devices", "rotate", "probe-1", "--json", f"--end-old-after={given}")
    assert done.exit_code == 2
    assert "--end-old-after must be" in done.stderr
    assert rotations.find("probe-1") is None


def test_a_date_needs_a_stack_that_ends_certificates(create: Run, run: Run, stack: Any, tmp_path: Path) -> None:
    create("probe-1", "--json")
    done = run("devices", "rotate", "probe-1", "--directory", tmp_path / "new", "--end-old-after", "30d")
    assert done.exit_code == 1
    assert "apply it with devices.end_old_certificates, or leave out --end-old-after" in done.stderr
    assert len(stack.list_certificates()["certificates"]) == 1
    assert run("devices", "rotate", "probe-1", "--end-old", "--end-old-after", "30d").exit_code == 2


def test_credentials_of_a_rotation_are_complete_on_the_disk_before_their_certificate_can_connect(
    create: Run, run: Run, clients: Clients, tmp_path: Path
) -> None:
    create("probe-1", "--json")
    seen: list[set[str]] = []

    def look(**_: object) -> None:
        seen.append({each.name for each in (tmp_path / "new").iterdir()})

    clients("iot").meta.events.register("before-call.iot.AttachPolicy", look)
    clients("iot").meta.events.register("before-call.iot.UpdateCertificate", look)
    assert run("devices", "rotate", "probe-1", "--directory", tmp_path / "new").exit_code == 0
    assert seen == [{"private.key", "public.key", "certificate.pem", "ca.pem", "device.json"}] * 2


@pytest.mark.parametrize("as_json", [False, True], ids=["in files", "as JSON"])
@pytest.mark.parametrize("operation", ["AttachPolicy", "UpdateCertificate"])
def test_credentials_of_a_failed_rotation_stay_only_if_their_certificate_does(
    operation: str, as_json: bool, create: Run, run: Run, clients: Clients, stack: Any, tmp_path: Path
) -> None:
    create("probe-1", "--json")
    clients("iot").meta.events.register(f"before-call.iot.{operation}", lambda **_: refusal(503, "ServiceUnavailable"))
    done = run("devices", "rotate", "probe-1", *(("--json",) if as_json else ("--directory", tmp_path / "new")))
    assert done.exit_code == 1
    left = len(stack.list_certificates()["certificates"]) == 2
    assert left is (operation == "UpdateCertificate")
    if as_json:
        assert ("The credentials that were printed are not valid" in done.stderr) is not left
    else:
        assert bool(list((tmp_path / "new").iterdir())) is left
    assert ("may be valid" in done.stderr) is left
    assert ("rotate probe-1 again" in done.stderr) is left
    assert "The old certificate still works" not in done.stderr


def test_one_wrong_name_does_not_stop_the_others_from_being_disabled(create: Run, run: Run) -> None:
    create("probe-1", "--json")
    done = run("devices", "disable", "nothing", "probe-1", "--json")
    assert done.exit_code == 1
    result = json.loads(done.stdout)
    assert result["disabled"] == ["probe-1"]
    assert result["failed"] == {"nothing": "the device nothing does not exist"}


def test_a_wrong_name_stops_a_deletion_before_it_begins(create: Run, run: Run, stack: Any) -> None:
    create("probe-1", "--json")
    assert run("devices", "delete", "probe-1", "nothing", "--yes").exit_code == 1
    assert run("devices", "delete", "probe-1", "--all", "--yes").exit_code == 2
    assert stack.list_things()["things"]


def test_the_desired_state_is_merged_replaced_and_removed(create: Run, run: Run) -> None:
    create("probe-1", "--json")

    def desired(*arguments: str) -> Any:
        done = run("devices", "state", "set", "probe-1", *arguments, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["desired"]

    assert desired('{"active": true, "limits": {"low": 1, "high": 2}}')["reporting_interval"] == 60
    assert desired('{"limits": {"low": 5}}')["limits"] == {"low": 5, "high": 2}
    assert "active" not in desired("--remove", "active")
    assert desired('{"limits": {"high": 9}}', "--replace") == {"limits": {"high": 9}}
    state = json.loads(run("devices", "state", "get", "probe-1", "--json").stdout)
    assert state["delta"] == {"limits": {"high": 9}}
    assert state["reported"] == {}
    assert "limits" in run("devices", "state", "get", "probe-1").stdout


def test_a_state_that_somebody_changed_is_not_overwritten(create: Run, run: Run) -> None:
    create("probe-1", "--json")
    done = run("devices", "state", "set", "probe-1", '{"active": false}', "--version", "7")
    assert done.exit_code == 1
    assert "does not have the version 7: somebody changed it" in done.stderr
    assert run("devices", "state", "set", "probe-1", "[]").exit_code == 1
    assert run("devices", "state", "set", "probe-1").exit_code == 2


def test_a_fleet_is_imported_continued_and_exported(run: Run, stack: Any, tmp_path: Path) -> None:
    file, directory = tmp_path / "fleet.csv", tmp_path / "keys"
    text = "name,type,location,model\nprobe-1,temperature,hall-3,TC-2000\nprobe-2,temperature,,\n"
    file.write_text(text)
    first = run("devices", "import", file, "--directory", directory, "--json")
    assert json.loads(first.stdout) == {"registered": 2, "existing": 0, "failed": 0, "failures": {}}
    file.write_text(f"{text}probe-3,temperature,,\n")
    again = run("devices", "import", file, "--directory", directory, "--json")
    assert json.loads(again.stdout) == {"registered": 1, "existing": 2, "failed": 0, "failures": {}}
    assert len(stack.list_certificates()["certificates"]) == 3
    assert (directory / "probe-3" / "private.key").exists()
    exported = run("devices", "export").stdout
    assert exported == f"{text}probe-3,temperature,,\n"


def test_a_file_with_a_wrong_row_changes_nothing(run: Run, stack: Any, tmp_path: Path) -> None:
    file = tmp_path / "fleet.csv"
    file.write_text("name,type\nprobe-1,temperature\nprobe-1,temperature\nprobe-2,wind\n")
    done = run("devices", "import", file, "--directory", tmp_path / "keys")
    assert done.exit_code == 2
    assert "row 3: name: probe-1 is in an earlier row already" in done.stderr
    assert "row 4: type: must be a type of the stack Farm" in done.stderr
    assert not stack.list_things()["things"]


def test_devices_are_registered_below_the_quota_of_the_account(run: Run, time_passes: Time, tmp_path: Path) -> None:
    file = tmp_path / "fleet.csv"
    file.write_text("name,type\n" + "".join(f"probe-{n},temperature\n" for n in range(12)))
    assert run("devices", "import", file, "--directory", tmp_path / "keys").exit_code == 0
    assert time_passes.seconds >= 11 / 8


def test_verify_shows_what_is_missing(create: Run, run: Run, stack: Any) -> None:
    def steps(name: str, *options: str) -> dict[str, Any]:
        return {
            each["step"]: each["passed"]
            for each in json.loads(run("devices", "verify", name, *options, "--json").stdout)
        }

    assert steps("probe-1") == {"thing": False}
    create("probe-1", "--json")
    assert steps("probe-1") == {"thing": True, "certificate": True, "policy": True, "rule": False, "shadow": True}
    actions = [{"lambda": {"functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:Farm-telemetry"}}]
    for name, sql in (
        ("Farm_telemetry", "SELECT * FROM 'Farm/sensor/+/+'"),
        ("other", "SELECT * FROM 'orchard/sensor/+/+'"),
    ):
        stack.create_topic_rule(ruleName=name, topicRulePayload={"sql": sql, "actions": actions})
    assert run("devices", "verify", "probe-1").exit_code == 0
    found = steps("probe-1", "--message", '{"temperature": 20}')
    assert (found["rule"], found["message"], found["function"]) == (True, True, False)
    run("devices", "disable", "probe-1")
    assert steps("probe-1")["certificate"] is False
    done = run("devices", "verify", "probe-1")
    assert done.exit_code == 1
    assert "probe-1 does not pass: certificate, policy" in done.stderr


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
