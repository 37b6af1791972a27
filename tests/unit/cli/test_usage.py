"""How the command begins and ends, whichever it is: region and profile, wrong usage, Ctrl-C, one thing or several."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cli import runtime
from tests.unit.cli.conftest import AddThing, Run
from tests.unit.cli.test_things import CREATE
from thingbridge.aws.clients import Clients

ROOT = Path(__file__).parents[3]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS configuration with two profiles."""
    file = tmp_path / "config"
    file.write_text("[default]\nregion = eu-north-1\n[profile farm]\nregion = eu-west-3\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "profile", "option", "region"),
    [
        ({}, None, None, "eu-north-1"),
        ({}, "farm", None, "eu-west-3"),
        ({"AWS_PROFILE": "farm"}, None, None, "eu-west-3"),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, "farm", None, "us-east-1"),
        ({"AWS_REGION": "eu-west-1"}, None, None, "eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}, "farm", None, "eu-west-1"),
        ({"AWS_REGION": ""}, None, None, "eu-north-1"),
        ({"AWS_REGION": "eu-west-1"}, "farm", "us-west-2", "us-west-2"),
    ],
)
def test_the_region_is_that_of_the_aws_command(
    config: None,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    profile: str | None,
    option: str | None,
    region: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert runtime.connect(profile, option)("sts").meta.region_name == region


@pytest.mark.parametrize(
    "arguments",
    [
        ("things", "list", "--no-such-option"),
        ("things", "no-such-command"),
        ("things", "show"),
        ("import", "no-such-file.csv"),
        ("sync", "--allow-deletions", "-1"),
        ("sync", "--timeout", "soon"),
        (*CREATE, "--app-key", "12"),
    ],
)
def test_wrong_usage_ends_with_2_before_anything_is_called(
    run: Run, clients: Clients, arguments: tuple[str, ...]
) -> None:
    assert run(*arguments).exit_code == 2
    assert clients.take_calls() == {}


def test_an_export_to_a_file_without_its_option_names_the_option(run: Run, clients: Clients) -> None:
    result = run("export", "fleet.csv")
    assert result.exit_code == 2
    assert result.stderr == "✗ the file is named by --output: thingbridge export --output fleet.csv\n"
    assert clients.take_calls() == {}


@pytest.mark.parametrize("arguments", [("things", "list"), ("export",), ("sync",), (*CREATE, "--wait")])
def test_ctrl_c_ends_any_command_with_130_and_a_line(run: Run, clients: Clients, arguments: tuple[str, ...]) -> None:
    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    clients("iot").meta.events.register("before-call", interrupt)
    clients("logs").meta.events.register("before-call", interrupt)
    result = run(*arguments)
    assert result.exit_code == 130
    assert result.stderr == "✗ interrupted\n"


def test_ctrl_c_while_the_command_is_loading_shows_no_traceback() -> None:
    program = (
        "import sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "from cli.main import main\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "✗ interrupted\n")


def test_one_thing_is_not_several(run: Run, add_thing: AddThing) -> None:
    add_thing("tank-7", devEUI="A81758FFFE0312AB")
    assert "1 thing of the stack Farm" in run("things", "list").stderr
    assert "0 of 1 thing is without" in run("things", "list", "--failed").stderr
    add_thing("tank-8", devEUI="A81758FFFE0312AC")
    assert "2 things of the stack Farm" in run("things", "list").stderr


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").stdout.startswith("thingbridge 0.")


def test_an_installation_outside_a_checkout_has_what_the_command_imports() -> None:
    """`pipx install` takes the dependencies of the project alone."""
    listing = """
import sys, cli.app
for name, module in sys.modules.items():
    if name.split(".")[0] in ("cli", "thingbridge") and module.__file__:
        print(module.__file__)
"""
    environment = {"PYTHONPATH": "lambda_src", "PATH": ""}
    printed = subprocess.check_output([sys.executable, "-c", listing], cwd=ROOT, env=environment, text=True)
    assert "thingbridge" in printed
    imported = set[str]()
    for file in printed.splitlines():
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"\W", each)[0] for each in project["dependencies"]}
    brought = {"botocore"}  # by boto3
    assert imported - sys.stdlib_module_names - {"cli", "thingbridge"} - brought <= declared
