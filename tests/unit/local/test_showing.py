"""What `thingbridge-local` shows fits the terminal, and is complete in a pipe."""

from __future__ import annotations

import contextlib
import io
import re
from typing import Any

import pytest

from local import showing

LOG = "/home/somebody/with/a/long/path/thingbridge/.local/up/things-stack.log"
PROCESS = {"name": "The Things Stack (simulated)", "running": True, "pid": 4711, "address": "http://127.0.0.1:42837"}
STATUS: dict[str, Any] = {
    "processes": [{**PROCESS, "log": LOG}],
    "queues": {"a-queue-with-a-long-name-that-is-one-word": 1},
    "outputs": {},
}


class Terminal(io.StringIO):
    """A terminal, as far as rich asks."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[60, 80])
def columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The width of the terminal."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("TERM", "xterm")
    return int(request.param)


def test_tables_fit_the_terminal_and_lose_nothing(columns: int) -> None:
    with contextlib.redirect_stdout(Terminal()) as shown:
        showing.status(STATUS)
    lines = re.sub("\x1b\\[[0-9;]*m", "", shown.getvalue()).splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in shown.getvalue()
    assert cells(lines, 4) == LOG


def cells(lines: list[str], column: int) -> str:
    """What a column of the first table shows, its lines put together."""
    rows = [line.split("│") for line in lines if line.startswith("│")]
    return "".join(row[column + 1].strip() for row in rows if len(row) == 7)


def test_a_table_in_a_pipe_has_each_row_in_one_line(columns: int) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        showing.status(STATUS)
    assert any(LOG in line and PROCESS["address"] in line for line in shown.getvalue().splitlines())


@pytest.mark.parametrize(
    ("topic", "colour"),
    [("lorawan/t/uplink", "32"), ("lorawan/t/downlink/queued", "33"), ("lorawan/t/downlink/failed", "31")],
)
def test_a_message_is_one_coloured_line_with_its_time(monkeypatch: pytest.MonkeyPatch, topic: str, colour: str) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("TZ", "UTC")
    with contextlib.redirect_stdout(Terminal()) as shown:
        showing.line(1764290000.5, topic, "FPort 2 · " + "08 " * 60)
    (line,) = shown.getvalue().splitlines()
    assert f"\x1b[1;{colour}m{topic}" in line
    assert ":33:20" in line
    assert line.endswith("…")


def test_a_message_in_a_pipe_is_complete() -> None:
    text = "08 " * 60 + "end"
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        showing.line(1764290000.5, "lorawan/t/uplink", text)
    (line,) = shown.getvalue().splitlines()
    assert line.endswith(text)
    assert "\x1b" not in line
