"""No key or claim code is shown, lost or left readable: badly written files, refusals of AWS, and exported files."""

import json
import os
import stat
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from cli import output_file
from cli.errors import Failed
from tests.unit.cli.conftest import AddThing, Run
from tests.unit.cli.test_import import FAST, attributes, name
from tests.unit.cli.test_things import CREATE
from tests.unit.conftest import refusal
from thingbridge.aws.clients import Clients

KEY = "00112233445566778899AABBCCDDEEFF"
CODE = "SECRET42"
HEADER = (
    "thing_name;dev_eui;join_eui;id;frequency_plan_id;lorawan_version;lorawan_phy_version;app_key;nwk_key;"
    "claim_authentication_code"
)
CELLS = ("tank", name(1), "A81758FFFE00000F", "tank-7", "EU_863_870_TTN", "1.0.3", "1.0.3-a", KEY, "", "")
SPELLINGS = (
    KEY,
    KEY.lower(),
    f"0x{KEY}",
    KEY[:-1],
    f"{KEY}0",
    " ".join(KEY[at : at + 2] for at in range(0, 32, 2)),
    "-".join(KEY[at : at + 2] for at in range(0, 32, 2)),
    ".".join(KEY[at : at + 2] for at in range(0, 32, 2)),
    f"{KEY}\u00a0",
    f"'{KEY}'",
)
SHOWS_A_KEY = tuple(spelling[:20] for spelling in SPELLINGS)


def shows_a_key(text: str) -> bool:
    return any(each.lower() in text.lower() for each in (*SHOWS_A_KEY, CODE))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of these lines."""

    def to_file(*lines: str, named: str = "devices") -> Path:
        path = tmp_path / named
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return to_file


def wrong_rows() -> list[str]:
    """Rows with a key in each place and in each spelling: alone, twice, shifted, and beside a claim code."""
    rows = []
    for at in range(len(CELLS)):
        for spelling in SPELLINGS:
            cells = [*CELLS]
            cells[at] = spelling
            rows.append(";".join(cells))
            rows.append(";".join((*cells[:-1], CODE)))
            cells[7] = CODE
            rows.append(";".join(cells))
    shifted = [";".join(("", *CELLS[:at], *CELLS[at + 1 :])) for at in range(len(CELLS))]
    shifted += [";".join((*CELLS[1:at], KEY, *CELLS[at:])) for at in range(1, len(CELLS))]
    copied = [";".join((*CELLS[:at], CODE, *CELLS[at + 1 : -1], CODE)) for at in range(len(CELLS) - 1)]
    return [*rows, *shifted, *copied]


def test_no_row_however_badly_written_shows_its_key(run: Run, write: Callable[..., Path], tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    file = write(HEADER, *wrong_rows())
    for result in (run("import", file, "--report", report), run("import", file, "--json")):
        assert result.exit_code == 1
        assert not shows_a_key(result.output)
    reasons = report.read_text()
    assert reasons.count("\n") > 250
    assert not shows_a_key(reasons)


def test_no_json_object_however_badly_written_shows_its_key(
    run: Run, write: Callable[..., Path], tmp_path: Path
) -> None:
    flat = {"devEUI": name(1), "joinEUI": "A81758FFFE00000F", "lorawanVersion": "1.0.3", "appKey": KEY}
    lines = [json.dumps({**flat, field: spelling}) for field in (*flat, "thingName", KEY) for spelling in SPELLINGS]
    lines += [json.dumps({**flat, KEY: "app_key", f"field {KEY}": 1, "x": 1}), f'{{"appKey": "{KEY}"', f'{{"{KEY}'] * 2
    report = tmp_path / "report.csv"
    result = run("import", write(*lines), "--report", report)
    assert result.exit_code == 1
    assert not shows_a_key(result.output + report.read_text())


def test_a_header_that_is_a_row_shows_no_key(run: Run, write: Callable[..., Path]) -> None:
    for header in (f"dev_eui;{KEY}", f"dev_eui;{KEY.lower()};{KEY}", ";".join(CELLS), f"dev_eui;dev_eui;{KEY}"):
        result = run("import", write(header, ";".join(CELLS)))
        assert result.exit_code == 1
        assert not shows_a_key(result.output)


def test_a_wrong_option_shows_no_key(run: Run) -> None:
    for option in (
        "--lorawan-version",
        "--regional-parameters-version",
        "--frequency-plan-id",
        "--device-id",
        "--name",
    ):
        for spelling in SPELLINGS:
            result = run(*CREATE, "--app-key", KEY, option, spelling)
            assert result.exit_code == 2
            assert not shows_a_key(result.output)


def test_a_refusal_of_aws_that_repeats_the_attributes_shows_no_key(
    run: Run, write: Callable[..., Path], clients: Clients, tmp_path: Path
) -> None:
    def refuse(params: dict[str, Any], **_: Any) -> Any:
        response, answer = refusal(400, "InvalidRequestException")
        sent = params["body"].decode() if isinstance(params["body"], bytes) else str(params["body"])
        return response, {**answer, "Error": {"Code": "InvalidRequestException", "Message": f"Value '{sent}' is wrong"}}

    clients("iot").meta.events.register("before-call.iot.CreateThing", refuse)
    report = tmp_path / "report.csv"
    created = run(*CREATE, "--app-key", KEY)
    imported = run("import", write(HEADER, ";".join(CELLS)), "--report", report, *FAST)
    for result in (created, imported):
        assert result.exit_code == 1
        assert "is wrong" in result.output
        assert not shows_a_key(result.output + report.read_text())


# Exported files ------------------------------------------------------------------------------------------------------


def test_a_file_with_keys_is_never_readable_by_others(run: Run, add_thing: AddThing, tmp_path: Path) -> None:
    add_thing("tank", devEUI=name(1), appKey=KEY)
    before = os.umask(0o022)
    try:
        with output_file.written(tmp_path / "keys", private=True) as file:
            file.write(KEY)
            modes = [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()]
        assert run("export", "-o", tmp_path / "fleet.csv", "--show-keys").exit_code == 0
        assert run("export", "-o", tmp_path / "open.csv").exit_code == 0
    finally:
        os.umask(before)
    assert modes == [0o600]
    assert stat.S_IMODE((tmp_path / "fleet.csv").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "open.csv").stat().st_mode) == 0o644
    # Also in place of a file that others may read.
    assert run("export", "-o", tmp_path / "open.csv", "--show-keys").exit_code == 0
    assert stat.S_IMODE((tmp_path / "open.csv").stat().st_mode) == 0o600


def fail_in_the_middle(file: Path) -> None:
    with output_file.written(file, private=False) as writing:
        writing.write("half")
        raise KeyboardInterrupt


def test_an_export_that_fails_leaves_the_file_as_it_was(run: Run, add_thing: AddThing, tmp_path: Path) -> None:
    add_thing("tank", devEUI=name(1))
    file = tmp_path / "fleet.csv"
    run("export", "-o", file)
    before = file.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        fail_in_the_middle(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("secret", [{"appKey": KEY}, {"claimAuthenticationCode": CODE}, {"nwkKey": "badly written"}])
def test_a_file_with_keys_is_not_overwritten(
    run: Run, add_thing: AddThing, stack: Any, tmp_path: Path, form: str, secret: dict[str, str]
) -> None:
    add_thing("barn", devEUI=name(1))
    add_thing("tank", devEUI=name(2), **secret)
    file = tmp_path / "fleet"
    assert run("export", "-o", file, "--format", form, "--show-keys").exit_code == 0
    before = file.read_bytes()
    # As the stack does once a device exists.
    stack.update_thing(thingName="tank", attributePayload={"attributes": dict.fromkeys(secret, ""), "merge": True})
    for options in ((), ("--show-keys",), ("--format", "jsonl"), ("--format", "csv", "--show-keys")):
        result = run("export", "-o", file, *options)
        assert result.exit_code == 1
        assert "has keys, which the stack's things may no longer have" in result.stderr
        assert file.read_bytes() == before


def test_a_file_without_keys_is_replaced_and_one_of_something_else_is_not(
    run: Run, add_thing: AddThing, tmp_path: Path
) -> None:
    add_thing("tank", devEUI=name(1), appKey=KEY)
    file = tmp_path / "fleet"
    for form in ("csv", "jsonl", "csv"):
        assert run("export", "-o", file, "--format", form).exit_code == 0
    for text in ("notes\n", "dev_eui;app_key\nshort\n", '{"a": \n', f"a;b\n{KEY};\n"):
        file.write_text(text)
        result = run("export", "-o", file)
        assert result.exit_code == 1
        assert "choose another file" in result.stderr
        assert file.read_text() == text


def test_a_report_does_not_overwrite_the_file_that_is_imported(
    run: Run, stack: Any, write: Callable[..., Path]
) -> None:
    file = write(HEADER, ";".join(CELLS))
    before = file.read_bytes()
    result = run("import", file, "--report", file, *FAST)
    assert result.exit_code == 1
    assert "is not a report: choose another file with --report" in result.stderr
    assert file.read_bytes() == before
    assert attributes(stack) == {}


def test_a_report_replaces_an_earlier_one(run: Run, write: Callable[..., Path], tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    for number in (3, 4):
        file = write("dev_eui;join_eui", *([";"] if number == 4 else []), "A8;A8")
        assert run("import", file, "--report", report).exit_code == 1
    assert report.read_text().count("\n") == 2


def test_keys_are_not_written_to_a_standard_output_that_others_may_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "fleet.csv"
    path.touch(0o644)
    with path.open("w") as stream, redirect_stdout(stream):
        assert output_file.standard_output(private=False) is stream
        with pytest.raises(Failed, match="write keys with --output FILE"):
            output_file.standard_output(private=True)
        path.chmod(0o600)
        assert output_file.standard_output(private=True) is stream
