"""`thingbridge devices …`, on an account in process with the stack `Farm`, applied with the variable `devices`."""

import json
import stat
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
from tests.unit.cli.applied_devices import CONFIGURATION, apply_devices
from tests.unit.cli.conftest import Run, Time
from tests.unit.conftest import refusal
from thingbridge.aws.clients import Clients
from thingbridge.aws.rotations import Rotations


@pytest.fixture(autouse=True)
def applied(stack: Any) -> None:
    """What Terraform creates for devices."""
    apply_devices(stack)


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
