"""Files as other programs write them: each case has a file and what an import makes of it."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.device_file import DeviceFile, Row
from tests import cases
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_import import FAST, attributes
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
    assert ("claim_authentication_code" in file.ignored) == ("appKey" in expected)


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
