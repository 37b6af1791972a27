"""Files as other programs write them: each case has a file and what an import makes of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.device_file import DeviceFile, Row
from tests import cases


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
        assert [attributes[name] for attributes in made(rows)] == expected


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
    assert [attributes["devEUI"] for attributes in made(rows)] == STREAM["expected"]["devEUI"]
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
        assert [attributes["devEUI"] for attributes in made(rows)] == ["0011AA22BB33CC25"]
        assert [row.number for row in rows] == [2 + len(before)]


def test_a_column_of_keys_with_a_number_shows_no_digit_of_it(tmp_path: Path) -> None:
    for spoilt in ("1,12233445566779E+30", "112233445566778899", "0x00112233445566778899AABBCCDDEEFF"):
        rows, _ = read(tmp_path, f"dev_eui;join_eui;app_key\n0011AA22BB33CC25;0011AA22BB000000;{spoilt}\n")
        assert rows[0].fault.startswith("app_key ")
        assert spoilt[:4] not in rows[0].fault
        assert rows[0].has_secrets
