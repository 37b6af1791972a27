"""`thingbridge import` and `thingbridge export`, as a person runs them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import AddThing, Report, Run, Time
from tests.unit.conftest import AnswerWith
from thingbridge.aws.clients import Clients

KEY = "0123456789ABCDEF0123456789ABCDEF"
OTHER_KEY = KEY[::-1]
HEADER = "dev_eui;join_eui;frequency_plan_id;lorawan_version;lorawan_phy_version;app_key"
FAST = ("--rate", 1000)
AT = "2025-01-02T03:04:05Z"


def row(number: int, key: str = KEY) -> str:
    return f"A81758FFFE{number:06X};A81758FFFE00000F;EU_863_870_TTN;MAC_V1_0_3;PHY_V1_0_3_REV_A;{key}"


def name(number: int) -> str:
    return f"A81758FFFE{number:06X}"


@pytest.fixture
def devices(tmp_path: Path) -> Callable[..., Path]:
    """Write a CSV file of these rows."""

    def write(*rows: str, header: str = HEADER) -> Path:
        path = tmp_path / "devices.csv"
        path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
        return path

    return write


def attributes(stack: Any) -> dict[str, dict[str, str]]:
    pages = stack.get_paginator("list_things").paginate()
    return {thing["thingName"]: thing["attributes"] for page in pages for thing in page["things"]}


def test_an_import_creates_things_that_describe_their_devices(
    run: Run, stack: Any, devices: Callable[..., Path]
) -> None:
    result = run("import", devices(*map(row, range(1, 41))), *FAST)
    assert (result.exit_code, result.stdout) == (0, "40 rows: 40 created\n")
    assert attributes(stack)[name(40)] == {
        "stackName": "Farm",
        "devEUI": name(40),
        "joinEUI": "A81758FFFE00000F",
        "frequencyPlanID": "EU_863_870_TTN",
        "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a",
        "appKey": KEY,
    }
    assert stack.describe_thing(thingName=name(40))["thingTypeName"] == "lorawan"


def test_a_second_import_only_reads(run: Run, devices: Callable[..., Path], clients: Clients) -> None:
    file = devices(*map(row, range(1, 301)))
    run("import", file, *FAST)
    clients.take_calls()
    answer = json.loads(run("import", file, "--json", *FAST).stdout)
    assert (answer["unchanged"], answer["created"], answer["failed"]) == (300, 0, 0)
    assert answer["awsCalls"] == {"DescribeLogGroups": 1, "ListThings": 2}


def test_an_import_that_was_interrupted_can_be_continued(
    run: Run, stack: Any, devices: Callable[..., Path], time_passes: Time
) -> None:
    file = devices(*map(row, range(1, 101)))

    def interrupt() -> None:
        raise KeyboardInterrupt

    # One thing per pause of the pace, and one before the first pause.
    time_passes.then = [*([lambda: None] * 36), interrupt]
    result = run("import", file)
    assert result.exit_code == 130
    assert "the same command continues" in result.stderr
    there = len(attributes(stack))
    assert 0 < there <= 37
    answer = json.loads(run("import", file, "--json", *FAST).stdout)
    assert (answer["unchanged"], answer["created"]) == (there, 100 - there)


def test_a_dry_run_shows_what_would_be_done_and_creates_nothing(
    run: Run, stack: Any, devices: Callable[..., Path]
) -> None:
    run("import", devices(row(1)), *FAST)
    result = run("import", devices(row(1), row(2)), "--dry-run")
    assert (result.exit_code, result.stdout) == (0, "2 rows: would be 1 created, 1 unchanged\n")
    assert list(attributes(stack)) == [name(1)]


def test_no_row_is_imported_while_one_is_invalid(
    run: Run, stack: Any, devices: Callable[..., Path], tmp_path: Path
) -> None:
    file = devices(row(1), "A8;" + row(2).partition(";")[2], row(3, key="12"), row(1))
    result = run("import", file, "--report", tmp_path / "report.csv", *FAST)
    assert result.exit_code == 1
    assert "nothing was imported: 3 rows" in result.stderr
    assert "--skip-invalid" in result.stderr
    assert attributes(stack) == {}
    with (tmp_path / "report.csv").open() as report:
        assert list(csv.reader(report)) == [
            ["row", "thing", "reason"],
            ["3", "", "dev_eui must be 16 hexadecimal digits"],
            ["4", name(3), "app_key must be 32 hexadecimal digits"],
            ["5", name(1), f"DevEUI {name(1)} is already in row 2: keep one of the two"],
        ]
    assert "app_key must be 32 hexadecimal digits" in result.stdout


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("dev_eui", "A81758FFFE00000", "dev_eui must be 16 hexadecimal digits; got A81758FFFE00000"),
        ("dev_eui", "1,82E+13", "by a spreadsheet: format the column as text and enter the digits again; got 1,82E+13"),
        ("join_eui", "A81758FFFE00000X", "join_eui must be 16 hexadecimal digits; got A81758FFFE00000X"),
        ("frequency_plan_id", "EU 863 870 TTN", "= [ ] -; got EU 863 870 TTN"),
        ("lorawan_version", "1.2", "lorawan_version '1.2' is not one of"),
        ("app_key", KEY[:-1], "app_key must be 32 hexadecimal digits"),
    ],
)
def test_a_failed_row_shows_its_device_and_the_wrong_value_but_no_key(
    run: Run, devices: Callable[..., Path], column: str, value: str, shown: str
) -> None:
    cells = dict(zip(HEADER.split(";"), row(7).split(";"), strict=True))
    answer = json.loads(run("import", devices(";".join({**cells, column: value}.values())), "--json").stdout)
    (failure,) = answer["failures"]
    assert shown in failure["reason"]
    assert failure["thingName"] == ("" if column == "dev_eui" else name(7))
    assert KEY[:16] not in failure["reason"]


def test_a_wrong_value_that_is_the_rows_claim_code_is_not_shown(run: Run, devices: Callable[..., Path]) -> None:
    code = "ABCDEF0123456"
    header = "dev_eui;join_eui;claim_authentication_code"
    result = run("import", devices(f"{code};A81758FFFE00000F;{code}", header=header))
    assert result.exit_code == 1
    assert "dev_eui must be 16 hexadecimal digits" in result.stdout
    assert code not in result.output


def test_invalid_rows_can_be_left_out(run: Run, stack: Any, devices: Callable[..., Path]) -> None:
    result = run("import", devices(row(1), row(2, key="12"), row(1, key=OTHER_KEY)), "--skip-invalid", *FAST)
    assert result.exit_code == 1
    assert "3 rows: 1 created, 2 failed" in result.stdout
    assert attributes(stack)[name(1)]["appKey"] == KEY


def test_a_thing_that_differs_is_reported_and_changed_only_on_request(
    run: Run, stack: Any, devices: Callable[..., Path]
) -> None:
    run("import", devices(row(1)), *FAST)
    stack.update_thing(thingName=name(1), attributePayload={"attributes": {"room": "12"}, "merge": True})
    file = devices(row(1, key=OTHER_KEY))
    result = run("import", file, *FAST)
    assert result.exit_code == 1
    assert f"the thing {name(1)} has another appKey: --update writes the file's" in result.stdout
    assert attributes(stack)[name(1)]["appKey"] == KEY
    assert run("import", file, "--update", *FAST).stdout == "1 row: 1 updated\n"
    assert (attributes(stack)[name(1)]["appKey"], attributes(stack)[name(1)]["room"]) == (OTHER_KEY, "12")


def test_a_thing_of_another_name_stands_for_its_device(run: Run, stack: Any, devices: Callable[..., Path]) -> None:
    run("import", devices(row(1) + ";tank", header=f"{HEADER};thing_name"), *FAST)
    assert run("import", devices(row(1)), *FAST).stdout == "1 row: 1 unchanged\n"
    result = run("import", devices(row(1) + ";pump", header=f"{HEADER};thing_name"), *FAST)
    assert "the thing tank has its DevEUI: use that name, or delete that thing" in result.stdout
    assert list(attributes(stack)) == ["tank"]


def test_a_name_that_belongs_to_another_stack_fails_alone(
    run: Run, stack: Any, devices: Callable[..., Path], add_thing: AddThing
) -> None:
    add_thing(name(1), stack_name="orchard", devEUI=name(1))
    result = run("import", devices(row(1), row(2)), *FAST)
    assert "2 rows: 1 created, 1 failed" in result.stdout
    assert f"the name {name(1)} is taken: it belongs to the stack orchard" in result.stdout
    assert attributes(stack)[name(1)]["stackName"] == "orchard"


def test_a_thing_that_aws_refuses_fails_alone_and_a_missing_permission_stops_the_import(
    run: Run, devices: Callable[..., Path], answer_with: AnswerWith
) -> None:
    file = devices(*map(row, range(1, 101)))
    answer_with("iot", "CreateThing", 400, "InvalidRequestException")
    assert "100 rows: 100 failed" in run("import", file, *FAST).stdout
    answer_with("iot", "ListThings", 403, "AccessDeniedException")
    stopped = run("import", file, *FAST)
    assert (stopped.exit_code, stopped.stdout) == (1, "")
    assert "AWS does not allow ListThings" in stopped.stderr


def test_a_missing_permission_to_create_things_ends_the_import_at_once(
    run: Run, devices: Callable[..., Path], answer_with: AnswerWith
) -> None:
    answer_with("iot", "CreateThing", 403, "AccessDeniedException")
    result = run("import", devices(*map(row, range(1, 101))), *FAST)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith("✗ AWS does not allow CreateThing")


def test_a_name_that_another_client_takes_in_the_meantime_fails_alone(
    run: Run, stack: Any, devices: Callable[..., Path], add_thing: AddThing, time_passes: Time
) -> None:
    # The second row waits for the pace; by then, what the stack had was read.
    time_passes.then = [lambda: add_thing(name(2), devEUI=name(2))]
    result = run("import", devices(row(1), row(2)))
    assert "2 rows: 1 created, 1 failed" in result.stdout
    assert f"another client created the thing {name(2)} in the meantime" in " ".join(result.stdout.split())


def test_a_missing_thing_type_ends_the_import_with_one_sentence(run: Run, devices: Callable[..., Path]) -> None:
    result = run("import", devices(*map(row, range(1, 101))), "--thing-type", "sensor", *FAST)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "✗ the thing type sensor does not exist in eu-west-1: give the stack's thing type with --thing-type"
    )


def test_a_stack_that_does_not_exist_is_reported_before_anything_is_created(
    run: Run, stack: Any, devices: Callable[..., Path]
) -> None:
    result = run("import", devices(row(1)), "--stack", "Fram")
    assert (result.exit_code, attributes(stack)) == (1, {})
    assert result.stderr == "✗ the stack Fram does not exist in eu-west-1: the stacks there are Farm\n"


def test_ignored_columns_are_named_once(run: Run, devices: Callable[..., Path]) -> None:
    file = devices(row(1) + ";5;acme", row(2) + ";5;acme", header=f"{HEADER};model_id;brand_id")
    result = run("import", file, *FAST)
    assert result.exit_code == 0
    assert result.stderr.count("Ignored, because a thing can't carry it: brand_id, model_id.") == 1


def test_values_that_the_file_lacks_can_be_given_as_options(run: Run, stack: Any, devices: Callable[..., Path]) -> None:
    file = devices(f"{name(1)};A81758FFFE00000F;{KEY}", header="dev_eui;join_eui;app_key")
    versions = ("--lorawan-version", "MAC_V1_0_4", "--lorawan-phy-version", "RP002_V1_0_4")
    assert run("import", file, *versions, "--frequency-plan-id", "EU_863_870", *FAST).exit_code == 0
    assert attributes(stack)[name(1)]["regionalParametersVersion"] == "RP002-1.0.4"
    assert attributes(stack)[name(1)]["frequencyPlanID"] == "EU_863_870"


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_exported_fleet_is_imported_unchanged(
    run: Run, stack: Any, devices: Callable[..., Path], tmp_path: Path, form: str
) -> None:
    run("import", devices(row(1) + ";tank", row(2) + ";", header=f"{HEADER};thing_name"), *FAST)
    before = attributes(stack)
    output = tmp_path / "export"
    assert run("export", "--format", form, "--output", output, "--show-keys").exit_code == 0
    assert output.stat().st_mode & 0o077 == 0
    assert run("import", output, *FAST).stdout == "2 rows: 2 unchanged\n"
    for each in before:
        stack.delete_thing(thingName=each)
    assert run("import", output, *FAST).stdout == "2 rows: 2 created\n"
    assert attributes(stack) == before


def test_an_export_has_no_keys_unless_requested(run: Run, devices: Callable[..., Path]) -> None:
    run("import", devices(row(1)), *FAST)
    result = run("export")
    assert KEY not in result.stdout
    assert result.stdout.splitlines()[1].startswith(f"{name(1)};{name(1)};A81758FFFE00000F;")
    assert "1 thing without keys, which --show-keys adds" in result.stderr
    assert KEY in run("export", "--show-keys").stdout


def test_no_message_contains_a_key(run: Run, devices: Callable[..., Path]) -> None:
    run("import", devices(row(1)), *FAST)
    for result in (
        run("import", devices(row(1, key=OTHER_KEY)), *FAST),
        run("import", devices(row(2, key=OTHER_KEY + "0")), *FAST),
        run("import", devices(row(1)), "--json", *FAST),
    ):
        assert KEY not in result.output
        assert OTHER_KEY not in result.output


@pytest.fixture
def outcomes(clients: Clients, report: Report, stack: Any) -> dict[str, dict[str, str]]:
    """By thing: what the stack reports of the device as soon as the thing is created."""
    arranged: dict[str, dict[str, str]] = {}

    def report_outcome(parsed: dict[str, Any], **_: Any) -> None:
        thing = parsed["thingName"]
        if thing in arranged:
            report(thing, {"provisioning": arranged[thing]})

    clients("iot").meta.events.register("after-call.iot.CreateThing", report_outcome)
    return arranged


def test_an_import_that_waits_shows_the_outcome_for_each_device(
    run: Run, devices: Callable[..., Path], outcomes: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    for number in (1, 2):
        outcomes[name(number)] = {"state": "created", "at": AT}
    outcomes[name(3)] = {"state": "failed", "step": "Network Server", "reason": "unknown frequency plan", "at": AT}
    report_file = tmp_path / "report.csv"
    result = run("import", devices(row(1), row(2), row(3)), *FAST, "--wait", "--report", report_file)
    assert result.exit_code == 1
    assert "3 devices: 2 created, 1 failed" in result.stdout
    (failed,) = csv.DictReader(report_file.open(encoding="utf-8"))
    assert (failed["row"], failed["thing"]) == ("4", name(3))
    assert "Network Server: unknown frequency plan" in failed["reason"]


def test_an_import_that_waits_in_vain_has_an_exit_code_of_its_own(
    run: Run, devices: Callable[..., Path], outcomes: dict[str, dict[str, str]]
) -> None:
    outcomes[name(1)] = {"state": "created", "at": AT}
    outcomes[name(2)] = {"state": "retrying", "reason": "busy", "at": AT}
    result = run("import", devices(row(1), row(2)), *FAST, "--wait", "--timeout", 1, "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["devices"] == {"created": 1, "unknown": 1}
    assert "the outcome for 1 device is not known after 1 s without another" in result.stderr


def test_an_import_that_is_interrupted_while_it_waits_shows_what_it_created_and_where_the_rest_is_seen(
    run: Run, stack: Any, devices: Callable[..., Path], outcomes: dict[str, dict[str, str]], time_passes: Time
) -> None:
    outcomes[name(1)] = {"state": "retrying", "reason": "busy", "at": AT}

    def interrupt_once_both_exist() -> None:
        if len(attributes(stack)) == 2:
            raise KeyboardInterrupt

    time_passes.then = [interrupt_once_both_exist] * 50
    result = run("import", devices(row(1), row(2)), *FAST, "--wait")
    assert result.exit_code == 130
    assert result.stdout == "2 rows: 2 created\n2 devices: 2 unknown\n"
    assert "`thingbridge things list --failed`" in result.stderr


def test_an_import_that_waits_ignores_what_an_earlier_thing_reported(
    run: Run, devices: Callable[..., Path], shadows_stay: Callable[[dict[str, Any]], None]
) -> None:
    shadows_stay({"provisioning": {"state": "failed", "at": AT}})
    result = run("import", devices(row(1)), *FAST, "--wait", "--timeout", 1)
    assert (result.exit_code, result.stdout) == (3, "1 row: 1 created\n1 device: 1 unknown\n")


def test_an_import_that_changes_nothing_has_nothing_to_wait_for(run: Run, devices: Callable[..., Path]) -> None:
    file = devices(row(1))
    assert run("import", file, *FAST).exit_code == 0
    result = run("import", file, *FAST, "--wait")
    assert (result.exit_code, result.stdout) == (0, "1 row: 1 unchanged\n0 devices: none to wait for\n")
