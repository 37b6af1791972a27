"""What the documents show of the local environment exists: commands with their options, and make's targets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from local.cli import app

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_commands_and_options_in_a_document_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for line in re.findall(r"thingbridge-local ([a-z].*?)(?:`|$)", text, flags=re.MULTILINE):
        name = line.split()[0]
        assert name in COMMANDS, line
        known = {spelling for each in COMMANDS[name].params for spelling in each.opts}
        assert set(re.findall(r"(?<!\S)--[a-z][a-z0-9-]*", line)) <= known, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_make_targets_in_a_document_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert set(re.findall(r"`make ([a-z0-9-]+)", text)) <= TARGETS


def test_the_readme_shows_how_a_device_joins_sends_and_receives() -> None:
    shown = re.findall(r"thingbridge-local (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"join", "uplink", "downlink", "watch"} <= set(shown)
