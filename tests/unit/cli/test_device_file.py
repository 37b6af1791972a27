"""Files of devices: both formats, every separator, errors by row, and the way from a thing to a file and back."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cli.device_file import DeviceFile, DeviceWriter, Format
from cli.device_record import canonical, record
from cli.errors import Failed
from thingbridge.lorawan.versions import MAC_VERSIONS, PHY_VERSIONS
from thingbridge.registry.attributes import SECRETS

KEY = "0123456789ABCDEF0123456789ABCDEF"
HEADER = "dev_eui;join_eui;frequency_plan_id;lorawan_version;lorawan_phy_version;app_key"
ROW = f"A81758FFFE000001;A81758FFFE00000F;EU_863_870_TTN;MAC_V1_0_3;PHY_V1_0_3_REV_A;{KEY}"


def write(directory: Path, *lines: str, encoding: str = "utf-8") -> DeviceFile:
    path = directory / "devices"
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return DeviceFile(path)


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8"), (",", "utf-8"), ("\t", "utf-8-sig")])
def test_separator_and_byte_order_mark_are_recognised(tmp_path: Path, separator: str, encoding: str) -> None:
    lines = (line.replace(";", separator) for line in (HEADER, ROW))
    (row,) = write(tmp_path, *lines, encoding=encoding).rows()
    assert row.number == 2
    assert row.device
    assert row.device.attributes["frequencyPlanID"] == "EU_863_870_TTN"


def test_rows_keep_the_numbers_a_spreadsheet_shows(tmp_path: Path) -> None:
    file = write(tmp_path, HEADER, ROW, "", ";;;;;", "A8;" + ROW.partition(";")[2], ROW + ";more")
    assert [(row.number, row.fault) for row in file.rows()] == [
        (2, ""),
        (5, "dev_eui must be 16 hexadecimal digits"),
        (6, "must have 6 fields, as the header has; got 7"),
    ]


def test_columns_that_a_thing_can_not_carry_are_collected(tmp_path: Path) -> None:
    file = write(tmp_path, f"{HEADER};name;brand_id", f'{ROW};"Tank; the big one";acme')
    (row,) = file.rows()
    assert row.device
    assert file.ignored == {"name", "brand_id"}


def test_thingbridges_own_columns_name_the_thing_and_hold_the_claim_code(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "thing_name;dev_eui;app_eui;claim_authentication_code;id",
        "tank;A81758FFFE000001;A81758FFFE00000F;BE12;tank-7",
    )
    (row,) = file.rows()
    assert row.device
    assert (row.device.thing_name, row.device.named) == ("tank", True)
    assert row.device.attributes["claimAuthenticationCode"] == "BE12"


@pytest.mark.parametrize(
    ("thing_name", "device_id", "code", "refused"),
    [
        ("tank", "be-12", "BE12", "id"),
        ("BE:12", "tank-7", "be12", "thingName"),
        ("tank", KEY[:16].lower(), "BE12", "id"),
        ("tank", KEY[:15].lower(), "BE12", ""),
        ("tank", "be-123", "BE12", ""),
    ],
)
def test_a_row_is_refused_that_repeats_a_secret_where_messages_show_it(
    tmp_path: Path, thing_name: str, device_id: str, code: str, refused: str
) -> None:
    header = f"thing_name;id;claim_authentication_code;{HEADER}"
    (row,) = write(tmp_path, header, f"{thing_name};{device_id};{code};{ROW}").rows()
    assert row.fault == (f"{refused} must not be a key or claim code of the device" if refused else "")


def test_json_lines_are_read_by_line(tmp_path: Path) -> None:
    tts = {"ids": {"dev_eui": "A81758FFFE000001", "join_eui": "A81758FFFE00000F"}, "lorawan_version": "MAC_V1_0_3"}
    flat = {"thingName": "tank", "devEUI": "A81758FFFE000002", "joinEUI": "A81758FFFE00000F", "appKey": KEY}
    versions = {"lorawanVersion": "1.0.3", "regionalParametersVersion": "1.0.3-a"}
    lines = [json.dumps(tts), "", json.dumps({**flat, **versions, "stackName": "x", "room": "12"}), '{"ids": {', "[1]"]
    file = write(tmp_path, *lines)
    first, second, third, fourth = file.rows()
    assert (first.number, first.fault) == (
        1,
        "lorawan_phy_version is missing: the end device can't be created without it",
    )
    assert second.device
    assert (second.number, second.device.thing_name) == (3, "tank")
    assert "stackName" not in second.device.attributes
    assert "must be a whole JSON object" in third.fault
    assert "must be a whole JSON object" in fourth.fault
    assert file.ignored == {"room"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n\n", "is empty"),
        (b"a;b\n1;2\n", "no column dev_eui"),
        (b"dev_eui;join_eui;app_eui\n", "two columns for joinEUI"),
        ("dev_eui;näme\n".encode("latin-1"), "UTF-8"),
        (b'dev_eui;join_eui\n"A81758;1\n', "is not valid CSV"),
    ],
)
def test_a_file_that_can_not_be_read_fails_with_the_reason(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "devices.csv"
    path.write_bytes(content)
    with pytest.raises(Failed, match=message):
        list(DeviceFile(path).rows())


def hexadecimal(digits: int) -> st.SearchStrategy[str]:
    """Not all zeros: that is not a valid key."""
    return st.integers(1, 16**digits - 1).flatmap(lambda n: st.sampled_from([f"{n:0{digits}X}", f"{n:0{digits}x}"]))


def repeats(shown: str, secret: str) -> bool:
    """Whether they are the same letters and digits, or one has the other, of 16 or more, in it."""
    one, other = (re.sub("[^0-9A-Z]", "", each.upper()) for each in (shown, secret))
    return one == other or (min(len(one), len(other)) >= 16 and (one in other or other in one))


@st.composite
def things(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A thing that describes a device, with any documented spelling."""
    attributes = {
        "devEUI": draw(hexadecimal(16)),
        draw(st.sampled_from(["joinEUI", "appEUI"])): draw(hexadecimal(16)),
        "lorawanVersion": (mac := draw(st.sampled_from([*MAC_VERSIONS, *MAC_VERSIONS.values()]))),
        "regionalParametersVersion": draw(st.sampled_from([*PHY_VERSIONS, *PHY_VERSIONS.values()])),
        "appKey": draw(hexadecimal(32)),
    }
    if MAC_VERSIONS.get(mac, mac) == "MAC_V1_1":
        attributes["nwkKey"] = draw(hexadecimal(32))
    if draw(st.booleans()):
        attributes["deviceID"] = draw(st.from_regex(r"[a-z0-9](-?[a-z0-9]){2,17}", fullmatch=True))
    if draw(st.booleans()):
        attributes["frequencyPlanID"] = draw(st.sampled_from(["EU_863_870_TTN", "US_902_928_FSB_2"]))
    if draw(st.booleans()):
        attributes["rx1Delay"] = draw(st.sampled_from(["1", "5", "RX_DELAY_15"]))
    if draw(st.booleans()):
        attributes["supportsClassC"] = draw(st.sampled_from(["true", "FALSE"]))
    if draw(st.booleans()):
        attributes["claimAuthenticationCode"] = draw(st.from_regex(r"[0-9A-Za-z]{1,32}", fullmatch=True))
    name = draw(st.from_regex(r"[a-zA-Z0-9:_-]{1,128}", fullmatch=True))
    # A device is refused that repeats a secret where messages show it: with the claim code "000", the id can be "000".
    shown = [name, *(attributes[each] for each in ("deviceID", "frequencyPlanID") if each in attributes)]
    secrets = [attributes[each] for each in SECRETS if each in attributes]
    assume(not any(repeats(each, secret) for each in shown for secret in secrets))
    return name, attributes


@given(st.lists(things(), max_size=5), st.sampled_from(Format))
def test_an_exported_thing_is_imported_as_the_same_thing(
    tmp_path_factory: pytest.TempPathFactory, fleet: list[tuple[str, dict[str, str]]], form: Format
) -> None:
    written = io.StringIO()
    with DeviceWriter(written, form, keys=True, default_frequency_plan_id=lambda: "EU_868_1") as writer:
        for name, attributes in fleet:
            writer.write(name, attributes)
    path = tmp_path_factory.getbasetemp() / f"round-trip.{form}"
    path.write_text(written.getvalue(), encoding="utf-8")
    if not fleet and form is Format.JSON_LINES:
        return
    found = list(DeviceFile(path).rows())
    assert [row.fault for row in found] == ["" for _ in fleet]
    for row, (name, attributes) in zip(found, fleet, strict=True):
        assert row.device
        assert row.device.thing_name == name
        # The device is the same, and what a second import compares is the same.
        assert canonical(row.device.attributes) == canonical(record(attributes, name).attributes)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
END_DEVICE = {
    "ids": {"device_id": "tank-7", "dev_eui": "A81758FFFE000001", "join_eui": "A81758FFFE00000F"},
    "lorawan_version": "MAC_V1_1",
    "lorawan_phy_version": "PHY_V1_1_REV_B",
    "frequency_plan_id": "EU_863_870",
    "supports_join": True,
    "root_keys": {"app_key": {"key": KEY}, "nwk_key": {"key": KEY[::-1]}},
    "claim_authentication_code": {"value": ""},
}
FLAT = {
    "thingName": "tank",
    "devEUI": "A81758FFFE000001",
    "joinEUI": "A81758FFFE00000F",
    "appEUI": "A81758FFFE00000F",
    "deviceID": "tank-7",
    "lorawanVersion": "1.1",
    "regionalParametersVersion": "1.1-b",
    "frequencyPlanID": "EU_863_870",
    "appKey": KEY,
    "nwkKey": KEY[::-1],
    "claimAuthenticationCode": "",
    "stackName": "other",
}


def paths(value: object, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = (
        [each for name, part in value.items() for each in paths(part, (*at, name))] if isinstance(value, dict) else []
    )
    return [at, *inner] if at else inner


def replaced(value: dict[str, Any], at: tuple[str, ...], by: object) -> dict[str, Any]:
    return {**value, at[0]: replaced(value[at[0]], at[1:], by) if at[1:] else by}


@pytest.mark.parametrize("right", [END_DEVICE, FLAT])
def test_the_examples_are_right(right: dict[str, Any], tmp_path: Path) -> None:
    (row,) = write(tmp_path, json.dumps(right)).rows()
    assert row.fault == ""
    assert row.device


@given(st.data(), st.sampled_from([END_DEVICE, FLAT]), ANYTHING)
def test_a_row_in_which_any_field_is_anything_is_a_device_or_a_fault(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, right: dict[str, Any], anything: object
) -> None:
    wrong = replaced(right, data.draw(st.sampled_from(paths(right))), anything)
    file = write(tmp_path_factory.getbasetemp(), json.dumps(wrong), json.dumps(right))
    first, second = file.rows()
    assert (first.device is None) == bool(first.fault)
    assert KEY not in first.fault
    assert second.device


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"ids":' * 100_000 + "1" + "}" * 100_000,
        '{"ids": {}, "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"devEUI": ' + "9" * 5_000 + "}",
        '{"devEUI": 1e999}',
        '{"ids": "\\ud800"}',
        '{"ids": [{"dev_eui": "A81758FFFE000001"}]}',
        "{}",
        "null",
    ],
)
def test_an_object_that_is_none_or_nested_without_end_is_a_fault_of_its_row(tmp_path: Path, line: str) -> None:
    file = write(tmp_path, json.dumps(FLAT), line, json.dumps(END_DEVICE))
    assert [bool(row.fault) for row in file.rows()] == [False, True, False]
