"""What reaches a terminal is text, whatever others have written into names, attributes, shadows and logs."""

import csv
import io
import json
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import output
from tests import hostile
from tests.unit.cli.conftest import LOG_GROUP, AddThing, Report, Run, Time
from tests.unit.cli.test_things import CREATE, DEV_EUI
from tests.unit.conftest import refusal
from thingbridge.aws.clients import Clients

ATTACKS = (
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b2J",
    "a\rb",
    "a\nb",
    "\u202egnp.exe",
    "\u2066",
    "\u2028",
    "\x7f",
    "\ud800",
    "[bold]x[/bold]",
    "[/]",
    "[link=http://example.com]x[/link]",
    ":smile:",
    "\\[red]",
)


def escape(character: str) -> str:
    return "\\n" if character == "\n" else "\\r" if character == "\r" else f"\\u{ord(character):04x}"


def obeyed(text: str) -> list[str]:
    """The characters of a text that a terminal would obey; lines may end."""
    return [
        each
        for each in text
        if (unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") or each in "\u202e\u2066") and each != "\n"
    ]


@pytest.mark.parametrize("text", ATTACKS)
def test_a_text_is_printed_as_it_is_written(capsys: pytest.CaptureFixture[str], text: str) -> None:
    table = Table(text, title=text)
    table.add_row(text)
    output.out().print(text)
    output.out().print(table)
    output.say(text)
    printed = "".join(capsys.readouterr())
    assert obeyed(printed) == []
    spelled = text if text.isprintable() else "".join(each if each.isprintable() else escape(each) for each in text)
    assert printed.count(spelled) == 5


@pytest.mark.parametrize("text", ATTACKS)
def test_a_styled_text_is_printed_as_it_is_written_too(capsys: pytest.CaptureFixture[str], text: str) -> None:
    table = Table("cell")
    table.add_row(Text(text, "bold"))
    output.out().print(Text(text), table)
    output.err().print(Text.assemble(("✗", "bold red"), text))
    assert obeyed("".join(capsys.readouterr())) == []


def test_a_thing_is_shown_as_text_whatever_its_attributes_shadow_and_log_contain(
    run: Run, clients: Clients, add_thing: AddThing, report: Report
) -> None:
    attack = "".join(ATTACKS[:-6])
    add_thing("my:smile:tank", devEUI="A81758FFFE0312AB", room="[red]:smile:")
    report(
        "my:smile:tank",
        {
            attack: attack,
            "[bold]x": "[/] unbalanced",
            "provisioning": {
                "state": "failed",
                "reason": "[/b] no such tag",
                "at": {"[red]": [attack]},
                "step": attack,
            },
        },
    )
    logs = clients("logs")
    at = {"logGroupName": LOG_GROUP, "logStreamName": "my/smile/tank"}
    logs.create_log_stream(**at)
    entries = [
        json.dumps({"level": [attack], "event": {"[/]": attack}, "reason": f"[/red] {attack}", "at": "tomorrow"}),
        "[/] not JSON \x1b[2J",
    ]
    logs.put_log_events(**at, logEvents=[{"timestamp": int(time.time() * 1000), "message": each} for each in entries])
    for arguments in (("show", "my:smile:tank"), ("list",), ("list", "--failed")):
        result = run("things", *arguments)
        assert result.exit_code == 0
        assert obeyed(result.output) == []
        assert "my:smile:tank" in result.stdout
    text = run("things", "show", "my:smile:tank").stdout
    assert "[red]:smile:" in text
    assert "[/] unbalanced" in text
    assert "[/b] no such tag" in text
    assert "[/] not JSON" in text
    assert run("things", "show", "my:smile:tank", "--json").exit_code == 0


def test_an_error_is_shown_as_text(run: Run, clients: Clients) -> None:
    def refuse(**_: Any) -> Any:
        response, answer = refusal(400, "InvalidRequestException")
        return response, {**answer, "Error": {"Code": "\x1b[2JInvalid", "Message": "[/] \x1b]0;title\x07 [red]no"}}

    clients("iot").meta.events.register("before-call.iot.DescribeThing", refuse)
    result = run("things", "show", "tank")
    assert result.exit_code == 1
    assert obeyed(result.output) == []
    assert "[red]no" in result.stderr


@pytest.mark.parametrize("reported", [{}, {"state": None}, {"state": {"[/]": []}}, {"at": 5, "reason": ["\x1b"]}])
def test_an_outcome_that_no_stack_reports_is_shown_as_text(
    run: Run, time_passes: Time, report: Report, reported: dict[str, Any]
) -> None:
    time_passes.then = [lambda: report(DEV_EUI, {"provisioning": reported})]
    result = run(*CREATE, "--wait")
    assert result.exit_code == 0
    assert "Device: " in result.stdout
    assert obeyed(result.output) == []


LISTED = ("Thing", "DevEUI", "Device", "LoRaWAN")
ROW = ("A81758FFFE0312AB", "A81758FFFE0312AB", "eui-a81758fffe0312ab", "1.0.3")


@pytest.mark.parametrize(
    ("width", "left_out"), [(120, []), (65, ["LoRaWAN"]), (45, ["LoRaWAN", "Device"]), (20, ["LoRaWAN", "Device"])]
)
def test_a_table_fits_the_terminal_and_names_what_it_leaves_out(width: int, left_out: list[str]) -> None:
    console = Console(file=io.StringIO(), width=width)
    table, missing = output.fitted(console, LISTED, [ROW], LISTED[2:])
    console.print(table)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert missing == left_out
    assert max(map(len, printed.splitlines())) <= width
    assert (ROW[0] in printed) is (width > 40)


def test_a_table_in_a_file_is_as_wide_as_its_content(run: Run, add_thing: AddThing) -> None:
    long = "tank-" + 100 * "7"
    add_thing(long, devEUI="A81758FFFE0312AB", deviceID="pump-12", frequencyPlanID="EU_863_870_TTN_" + 40 * "X")
    result = run("things", "list")
    assert long in result.stdout
    assert "EU_863_870_TTN_" + 40 * "X" in result.stdout
    assert "too narrow" not in result.stderr


SENDABLE = [each for each in hostile.SOME if not {"\0", "\ud800"} & set(each) and len(each) < 1000]
"""What the argument of a command can contain."""


def test_a_hostile_argument_reaches_no_terminal_and_creates_no_thing(run: Run, stack: Any) -> None:
    taken = {each["thingName"] for each in stack.list_things()["things"]}
    for text in SENDABLE:
        for arguments in (
            ("things", "show", f"x{text}"),
            ("things", "delete", f"x{text}", "--yes"),
            (*CREATE, "--name", f"x/{text}"),
            ("failures", "show", f"x{text}"),
            ("failures", "list", "--cause", text, f"--limit=x{text}"),
            (f"x{text}",),
        ):
            result = run(*arguments)
            assert result.exit_code in (1, 2), (ascii(text), result.output)
            assert obeyed(result.output) == [], (ascii(text), arguments)
    assert {each["thingName"] for each in stack.list_things()["things"]} == taken


@pytest.mark.parametrize("text", ["\udcff", "x\ud800\x1b[2J"])
def test_an_argument_that_is_not_utf_8_is_wrong_usage(run: Run, text: str) -> None:
    result = run("things", "show", text)
    assert result.exit_code == 2
    assert "must be text in UTF-8" in result.stderr
    assert obeyed(result.output) == []


def test_a_file_with_hostile_names_is_refused_and_shown_as_text(run: Run, stack: Any, tmp_path: Path) -> None:
    file, report = tmp_path / "devices.csv", tmp_path / "report.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(("name", "dev_eui", "join_eui", "lorawan_version", "lorawan_phy_version", "app_key"))
        for number, text in enumerate(hostile.SOME):
            named = f"x/{text}".encode(errors="replace").decode()
            rows.writerow((named, f"A81758FFFE{number:06X}", named, named, named, named))
    result = run("import", file, "--rate", 1000, "--report", report)
    assert result.exit_code == 1, result.output
    assert obeyed(result.output) == []
    assert stack.list_things()["things"] == []
    # What a spreadsheet would calculate is in no cell of the report.
    with report.open(encoding="utf-8", newline="") as opened:
        cells = [cell for row in csv.reader(opened) for cell in row]
    assert len(cells) > len(hostile.SOME)
    assert [cell for cell in cells if cell[:1] in ("=", "+", "@", "-", "\t", "\r")] == []
