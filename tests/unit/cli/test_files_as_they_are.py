"""Files as other programs write them: each case has a file and what an import makes of it."""

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.device_file import DeviceFile, Row
from tests import cases
from tests.unit.cli.conftest import AddThing, Run
from tests.unit.cli.test_import import FAST, attributes
from tests.unit.conftest import Response
from thingbridge.aws.clients import Clients
from thingbridge.registry.attributes import MAC_SETTINGS


def read(directory: Path, text: str, encoding: str = "utf-8") -> tuple[list[Row], DeviceFile]:
    path = directory / "devices"
    path.write_bytes(text.encode(encoding))
    file = DeviceFile(path)
    return list(file.rows()), file


def made(rows: list[Row]) -> list[dict[str, str]]:
    """The attributes of the things; no row may have failed."""
    assert [row.fault for row in rows] == ["" for _ in rows]
    return [dict(row.device.attributes) for row in rows if row.device]


def test_regional_parameters_are_read_by_the_name_of_their_specification(tmp_path: Path) -> None:
    case: Any = cases.load("6-regional-parameters-by-specification")
    rows, _ = read(tmp_path, case["text"])
    for name, expected in case["expected"].items():
        assert [each[name] for each in made(rows)] == expected


# JSON ----------------------------------------------------------------------------------------------------------------

STREAM: Any = cases.load("6-json-objects-one-after-another")
DEVICES = json.loads("[" + STREAM["text"].replace("}\n{", "}, {") + "]")


@pytest.mark.parametrize(
    "text",
    [
        STREAM["text"],
        STREAM["text"].replace("\n", "\r\n"),
        STREAM["text"].replace("}\n{", "} {"),
        json.dumps(DEVICES),
        json.dumps(DEVICES, indent=2),
        json.dumps(DEVICES, indent="\t"),
        "\n".join(json.dumps(each) for each in DEVICES),
        "\n\n".join(json.dumps(each) for each in DEVICES) + "\n",
        "\n" + ",\n".join(json.dumps(each, indent=1) for each in DEVICES),
    ],
    ids=["documented", "CRLF", "no line", "list", "indented list", "tabs", "lines", "blank lines", "commas"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_json_is_read_in_any_layout(tmp_path: Path, text: str, encoding: str) -> None:
    rows, _ = read(tmp_path, text, encoding)
    assert [each["devEUI"] for each in made(rows)] == STREAM["expected"]["devEUI"]
    assert len({row.number for row in rows}) == len(rows)


def test_a_device_has_the_number_of_the_line_where_it_starts(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, STREAM["text"])
    assert [row.number for row in rows] == STREAM["expected"]["rows"]


def test_a_device_that_is_cut_off_leaves_those_on_the_next_lines(tmp_path: Path) -> None:
    whole = json.dumps(DEVICES[1])
    for broken in (json.dumps(DEVICES[0])[:-9], '{"ids": {"device_id": "tank', "{", "null", "]", "7,"):
        rows, _ = read(tmp_path, f"{whole}\n{broken}\n{whole}\n")
        assert [bool(row.fault) for row in rows] == [False, True, False], broken
        assert [row.number for row in rows] == [1, 2, 3]


def test_a_file_that_ends_within_a_device_or_list_says_that_nothing_more_was_read(tmp_path: Path) -> None:
    for text in (json.dumps(DEVICES)[:-1], json.dumps(DEVICES, indent=2)[:-9]):
        rows, _ = read(tmp_path, text)
        assert "nothing after this row was read" in rows[-1].fault


def test_a_device_that_is_longer_than_what_is_read_at_once_is_read(tmp_path: Path) -> None:
    quotes = '\\"{[' * 50_000
    rows, _ = read(tmp_path, json.dumps([{**DEVICES[0], "name": quotes}, {**DEVICES[1], "name": "x" + quotes}]))
    assert len(made(rows)) == 2


CLAIMS: Any = cases.load("6-claim-code-beside-root-keys")


@pytest.mark.parametrize(("device", "expected"), zip(CLAIMS["devices"], CLAIMS["expected"], strict=True))
def test_root_keys_win_over_a_claim_code_which_must_be_valid_alone(
    tmp_path: Path, device: dict[str, Any], expected: dict[str, str]
) -> None:
    path = tmp_path / "devices"
    path.write_text(json.dumps(device), encoding="utf-8")
    file = DeviceFile(path, now=datetime.fromisoformat(CLAIMS["now"]))
    (row,) = file.rows()
    got = row.device.attributes if row.device else {}
    assert row.fault == expected.get("fault", "")
    for name in ("appKey", "claimAuthenticationCode"):
        assert got.get(name) == expected.get(name)
    assert ("claim_authentication_code beside root keys" in file.ignored) == ("appKey" in expected)


SESSIONS: Any = cases.load("6-devices-with-a-session")


@pytest.mark.parametrize("text", [json.dumps(SESSIONS["joins"]), SESSIONS["csv"]["joins"]], ids=["JSON", "CSV"])
def test_an_import_says_that_sessions_are_not_taken_over_before_it_creates_anything(
    run: Run, stack: Any, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "devices"
    file.write_text(text, encoding="utf-8")
    result = run("import", file, *FAST)
    assert result.exit_code == 0
    assert SESSIONS["expected"]["said"] in " ".join(result.stderr.split())
    assert list(attributes(stack)) == [SESSIONS["expected"]["thing"]]
    answer = json.loads(run("import", file, "--json", *FAST).stdout)
    assert (answer["sessions"], answer["unchanged"]) == (1, 1)
    assert not {"session", "dev_addr"} & set(answer["ignored"])


@pytest.mark.parametrize(
    "text", [json.dumps(SESSIONS["personalized"]), SESSIONS["csv"]["personalized"]], ids=["JSON", "CSV"]
)
def test_a_device_that_is_activated_by_personalization_is_not_taken_for_one_that_joins(
    tmp_path: Path, text: str
) -> None:
    (row,), _ = read(tmp_path, text)
    assert SESSIONS["expected"]["refused"] in row.fault
    assert "activated by personalization" in row.fault
    assert row.label == SESSIONS["expected"]["thing"]


# CSV -----------------------------------------------------------------------------------------------------------------

EXCEL: Any = cases.load("6-csv-of-a-german-excel")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_list_of_a_german_excel_is_read_and_its_spoilt_numbers_are_named(tmp_path: Path, encoding: str) -> None:
    rows, file = read(tmp_path, EXCEL["text"], encoding)
    imported = {str(row.number): row.device.attributes["devEUI"] for row in rows if row.device}
    failed = {str(row.number): row.fault for row in rows if row.fault}
    assert (imported, failed) == (EXCEL["expected"]["imported"], EXCEL["expected"]["failed"])
    assert file.ignored == set(EXCEL["expected"]["ignored"])
    assert rows[1].device
    assert rows[1].device.attributes["appKey"] == "00112233445566778899AABBCCDDEEFF"


@pytest.mark.parametrize("first", ["sep=,", '"sep=,"', "SEP=,"])
def test_the_line_that_names_the_separator_is_not_a_row(tmp_path: Path, first: str) -> None:
    lines = EXCEL["text"].removeprefix("\ufeff").split("\r\n")[1:3]
    for before in ("", "\n"):
        text = "\n".join((first, before + lines[0].replace(";", ","), lines[1].replace("; ", ",").replace(";", ",")))
        rows, _ = read(tmp_path, text.replace("Gerät, Nord", "Gerät"))
        assert [each["devEUI"] for each in made(rows)] == ["0011AA22BB33CC25"]
        assert [row.number for row in rows] == [2 + len(before)]


def test_a_column_of_keys_with_a_number_shows_no_digit_of_it(tmp_path: Path) -> None:
    for spoilt in ("1,12233445566779E+30", "11223344556677889911223344", "0x00112233445566778899AABBCCDDEEFF"):
        rows, _ = read(tmp_path, f"dev_eui;join_eui;app_key\n0011AA22BB33CC25;0011AA22BB000000;{spoilt}\n")
        assert rows[0].fault.startswith("app_key ")
        assert spoilt[:4] not in rows[0].fault
        assert rows[0].has_secrets


# Classes and MAC settings --------------------------------------------------------------------------------------------

RELAYS: Any = cases.load("6-class-c-and-receive-delay")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_class_and_a_receive_delay_become_attributes_of_the_thing(tmp_path: Path, form: str) -> None:
    rows, file = read(tmp_path, RELAYS[form] if form == "text" else json.dumps(RELAYS[form]))
    settings = [{name: value for name, value in each.items() if name in MAC_SETTINGS} for each in made(rows)]
    assert settings == RELAYS["expected"]["things"][: len(rows)]
    assert sorted(file.ignored) == RELAYS["expected"]["ignored"][form]


def test_a_class_or_receive_delay_that_can_not_be_read_fails_the_row(tmp_path: Path) -> None:
    for column, (value, fault) in RELAYS["expected"]["wrong"].items():
        header, row, *_ = RELAYS["text"].splitlines()
        cells = row.split(";")
        cells[header.split(";").index(column)] = value
        (failed,), _ = read(tmp_path, f"{header}\n{';'.join(cells)}\n")
        assert failed.fault == fault


def test_attributes_of_a_thing_can_be_written_as_json_means_them(tmp_path: Path) -> None:
    thing = {
        "devEUI": "0011AA22BB33CC16",
        "joinEUI": "0011AA22BB000000",
        "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a",
        "appKey": "00112233445566778899AABBCCDDEEFF",
        "supportsClassC": True,
        "rx1Delay": 5,
    }
    ((row,), _) = read(tmp_path, json.dumps(thing))
    (attributes_of_it,) = made([row])
    assert (attributes_of_it["supportsClassC"], attributes_of_it["rx1Delay"]) == ("true", "5")


# Exports -------------------------------------------------------------------------------------------------------------

CONSOLE: Any = cases.load("6-export-for-the-console")


def exported(run: Run, *options: object) -> list[dict[str, str]]:
    result = run("export", *options)
    assert result.exit_code == 0
    return list(csv.DictReader(result.stdout.splitlines(), delimiter=";"))


@pytest.fixture
def default_plan(clients: Clients) -> None:
    """Have the stack's function know the default frequency plan."""

    def answer(**_: Any) -> tuple[Response, dict[str, Any]]:
        variables = {"DEFAULT_FREQUENCY_PLAN_ID": CONSOLE["default_frequency_plan_id"]}
        return Response(200), {"Environment": {"Variables": variables}}

    clients("lambda").meta.events.register("before-call.lambda.GetFunctionConfiguration", answer)


@pytest.mark.usefixtures("default_plan")
def test_an_exported_row_has_what_the_console_would_miss_and_no_empty_key(run: Run, add_thing: AddThing) -> None:
    add_thing(CONSOLE["alone"], **CONSOLE["things"][CONSOLE["alone"]])
    assert exported(run, "--show-keys") == [CONSOLE["expected"]["alone"]]


@pytest.mark.usefixtures("default_plan")
def test_a_column_that_one_thing_needs_has_a_value_for_every_other(run: Run, add_thing: AddThing) -> None:
    for name, thing in CONSOLE["things"].items():
        add_thing(name, **thing)
    rows = {row["thing_name"]: row for row in exported(run, "--show-keys")}
    for column, values in CONSOLE["expected"]["together"].items():
        assert [rows[name][column] for name in CONSOLE["things"]] == values
    assert all(all(row.values()) for row in rows.values())


def test_the_default_plan_can_be_given_when_the_function_may_not_be_read(run: Run, add_thing: AddThing) -> None:
    add_thing("plain", **CONSOLE["things"]["plain"])
    assert exported(run)[0]["frequency_plan_id"] == ""
    assert "1 thing without a frequency plan" in run("export").stderr
    assert exported(run, "--frequency-plan-id", "EU_868_1")[0]["frequency_plan_id"] == "EU_868_1"


MADE_FOR_MESSAGES = {"devEUI": "0011AA22BB33CC40", "deviceID": "tank-7", "joinEUI": "0011AA22BB000000"}
PERSONALIZED = {"deviceID": "abp-7"}
SCRUBBED = {name: value for name, value in CONSOLE["things"]["relay"].items() if name != "appKey"}


@pytest.mark.usefixtures("default_plan")
@pytest.mark.parametrize("keys", [["--show-keys"], []])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_any_thing_is_exported_and_imported_as_the_same_thing(
    run: Run, stack: Any, tmp_path: Path, form: str, keys: list[str]
) -> None:
    things = {"messages": MADE_FOR_MESSAGES, "abp": PERSONALIZED, "scrubbed": SCRUBBED, **CONSOLE["things"]}
    things.pop("relay")
    for name, thing in things.items():
        payload = {"attributes": {"stackName": "Farm", **thing}}
        stack.create_thing(thingName=name, thingTypeName="lorawan", attributePayload=payload)
    before = attributes(stack)
    file = tmp_path / "fleet"
    assert run("export", "-o", file, "--format", form, *keys).exit_code == 0
    result = run("import", file, *FAST)
    assert (result.exit_code, result.stdout) == (0, "5 rows: 5 unchanged\n")
    assert attributes(stack) == before
    for name in ("messages", "abp"):
        stack.delete_thing(thingName=name)
    result = run("import", file, *FAST)
    assert (result.exit_code, result.stdout) == (0, "5 rows: 2 created, 3 unchanged\n")
    assert "no device is created from the thing" in " ".join(result.stderr.split())
    assert attributes(stack) == before


def test_a_described_device_without_keys_is_not_created(
    run: Run, stack: Any, add_thing: AddThing, tmp_path: Path
) -> None:
    add_thing("scrubbed", **SCRUBBED)
    file = tmp_path / "fleet"
    run("export", "-o", file)
    stack.delete_thing(thingName="scrubbed")
    result = run("import", file, *FAST)
    assert result.exit_code == 1
    assert "the thing does not exist, and appKey: is missing" in " ".join(result.stdout.split())
    assert attributes(stack) == {}
