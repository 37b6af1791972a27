"""docs/cli.md describes the command as it is: every command and option, and no other."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.app import app

DOCUMENT = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z0-9-]*")


def commands(command: Any, name: str) -> dict[str, Any]:
    """The commands below a group by their whole name, without the groups."""
    if not hasattr(command, "commands"):
        return {name: command}
    found: dict[str, Any] = {}
    for each, below in command.commands.items():
        found |= commands(below, f"{name} {each}")
    return found


def options(command: Any) -> set[str]:
    """Every spelling of a command's options."""
    return {
        spelling
        for each in command.params
        if each.param_type_name == "option"
        for spelling in (*each.opts, *each.secondary_opts)
    }


def variables(command: Any) -> set[str]:
    """The environment variables of a command's options."""
    return {each.envvar for each in command.params if getattr(each, "envvar", None)}


def documented(text: str) -> set[str]:
    """The options in the first column of a part's tables."""
    rows = [line for line in text.splitlines() if line.startswith("| `-")]
    return {option for row in rows for option in OPTION.findall(row.split(" | ")[0])}


ROOT = typer.main.get_command(app)
COMMANDS = commands(ROOT, "thingbridge")
CALL_NOTHING = {"thingbridge cost"}
"""Commands without the options of those that call AWS."""

INTRODUCTION, *PARTS = re.split(r"^## `", DOCUMENT, flags=re.MULTILINE)
SECTIONS = {re.sub(r" [A-Z].*", "", part.partition("`")[0]): part for part in PARTS}


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert sorted(SECTIONS) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_the_documented_options(name: str) -> None:
    shared = documented(INTRODUCTION) if name not in CALL_NOTHING else set()
    assert shared | documented(SECTIONS[name]) == options(COMMANDS[name])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_heading_names_the_commands_arguments(name: str) -> None:
    heading = SECTIONS[name].partition("`")[0].removeprefix(name).split()
    arguments = [each for each in COMMANDS[name].params if each.param_type_name == "argument"]
    assert [word.strip("…") for word in heading] == [
        (each.metavar or each.name).strip(".").upper() for each in arguments
    ]
    assert [word.endswith("…") for word in heading] == [each.nargs == -1 for each in arguments]


def test_the_environment_variables_are_documented_where_their_options_are() -> None:
    for name, command in COMMANDS.items():
        text = INTRODUCTION + SECTIONS[name] + (SECTIONS["thingbridge things create"] if "claim" in name else "")
        assert variables(command) <= set(re.findall(r"THINGBRIDGE_\w+", text)), name
    known = set[str]().union(*map(variables, COMMANDS.values()))
    assert set(re.findall(r"THINGBRIDGE_\w+", DOCUMENT)) == known


def test_the_options_of_the_command_itself_are_documented() -> None:
    own = ("-completion", "--version")
    assert options(ROOT) == {each for each in OPTION.findall(INTRODUCTION) if each.endswith(own)}


def test_every_option_of_an_example_exists() -> None:
    for line in re.findall(r"^(?:\$ )?(thingbridge .*(?:\\\n.*)?)", DOCUMENT, flags=re.MULTILINE):
        (name,) = [each for each in COMMANDS if line.startswith(each)]
        assert set(OPTION.findall(line)) <= options(COMMANDS[name]), line


NUMBERS = [
    (name, each.opts[0], each.default)
    for name, command in COMMANDS.items()
    for each in command.params
    if each.param_type_name == "option" and type(each.default) in (int, float)
]


@pytest.mark.parametrize(("name", "option", "default"), NUMBERS)
def test_the_default_of_a_number_is_documented(name: str, option: str, default: float) -> None:
    (row,) = [line for line in SECTIONS[name].splitlines() if line.startswith("| `-") and f"`{option}" in line]
    if "As for `create`" in row:
        assert ("thingbridge things create", option, default) in NUMBERS
    else:
        assert f"{default:g} by default" in row
