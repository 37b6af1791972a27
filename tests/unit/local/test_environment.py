"""The environment in its directory: found again, and cleared in any state; and the errors of the command."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from local import cli, demo
from local.aws import LocalAws
from local.environment import DESCRIPTION, Environment, NotUp, clear
from local.main import main
from local.processes import Running, start
from local.stack import COMMAND
from local.terraform import this_platform


@pytest.fixture
def sleeper(tmp_path: Path) -> Running:
    """A background process that a description can name."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    return start("It", command, environment=dict(os.environ), log=tmp_path / "log", cwd=tmp_path)


def describe(directory: Path, **parts: Any) -> Path:
    """An environment's directory with this description."""
    directory.mkdir()
    (directory / DESCRIPTION).write_text(json.dumps(parts))
    return directory


def aws(process: Running | None) -> dict[str, Any]:
    described = asdict(process) if process else None
    return {"endpoint_url": "http://127.0.0.1:1", "region": "eu-west-1", "mqtt_port": 2, "process": described}


def things_stack(process: Running | None) -> dict[str, Any]:
    described = asdict(process) if process else None
    return {"url": "http://127.0.0.1:3", "process": described, "own": None, "gate": None}


def test_an_environment_is_found_again_with_its_inputs(tmp_path: Path, sleeper: Running) -> None:
    directory = describe(tmp_path / "up", aws=aws(sleeper), things_stack=things_stack(sleeper), api_key="NNSXS.KEY")
    try:
        found = Environment.load(directory)
        assert found.alive
        assert found.inputs["cluster_address"] == "http://127.0.0.1:3"
        assert found.inputs["application_api_key"] == "NNSXS.KEY"
        assert found.aws.mqtt_port == 2
    finally:
        assert clear(directory)
    assert not sleeper.alive
    assert not directory.exists()
    assert not clear(directory)


def test_a_process_of_a_half_started_environment_is_stopped(tmp_path: Path, sleeper: Running) -> None:
    directory = describe(tmp_path / "up", aws=aws(sleeper), things_stack=things_stack(None), api_key="")
    with pytest.raises(NotUp, match="not completely started: `make up`"):
        Environment.load(directory)
    clear(directory)
    assert not sleeper.alive


def test_a_terraform_command_whose_caller_was_killed_is_ended(tmp_path: Path, sleeper: Running) -> None:
    directory = describe(tmp_path / "up")
    (directory / "stack").mkdir()
    (directory / "stack" / COMMAND).write_text(json.dumps(asdict(sleeper)))
    clear(directory)
    assert not sleeper.alive


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_description_that_can_not_be_read_is_cleared(tmp_path: Path, text: str) -> None:
    directory = describe(tmp_path / "up")
    (directory / DESCRIPTION).write_text(text)
    with pytest.raises(NotUp, match="`make up` starts"):
        Environment.load(directory)
    assert clear(directory)
    assert not directory.exists()


def test_a_description_is_readable_by_its_user_only(tmp_path: Path) -> None:
    Environment(tmp_path, LocalAws.attach("http://127.0.0.1:1", tmp_path), api_key="NNSXS.KEY")._describe()
    assert stat.S_IMODE((tmp_path / DESCRIPTION).stat().st_mode) == 0o600


def command(environments: Path, *words: str) -> int:
    """Run `thingbridge-local` in this process; its exit code. No environment is up but those in `environments`."""
    with pytest.raises(SystemExit) as ended:
        cli.main(words, cli.Directories(environments))
    return int(ended.value.code or 0)


@pytest.mark.parametrize("words", [["status"], ["things"], ["join", "tank-7"], ["watch"], ["env"]])
def test_a_command_without_an_environment_says_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert command(tmp_path, *words) == 1
    assert capsys.readouterr().err == "✗ no environment is up here: `make up` starts one\n"


def test_env_points_a_terraform_of_the_users_own_to_the_mirror_where_there_is_no_registry(
    tmp_path: Path, sleeper: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "home" / "mirror"
    (mirror / "registry.terraform.io" / "hashicorp" / "aws" / "5.100.0" / this_platform()).mkdir(parents=True)
    for name in ("TF_CLI_CONFIG_FILE", "TF_CLI_ARGS_init"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": mirror.parent, "XDG_DATA_HOME": tmp_path, "XDG_DATA_DIRS": tmp_path}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    environments = tmp_path / "environments"
    environments.mkdir()
    describe(environments / "up", aws=aws(sleeper), things_stack=things_stack(sleeper), api_key="NNSXS.KEY")
    try:
        cli.app(["env"], obj=cli.Directories(environments), standalone_mode=False)
        shown = capsys.readouterr().out
        assert "export AWS_ENDPOINT_URL=http://127.0.0.1:1\n" in shown
        assert re.search("export TF_CLI_ARGS_init=.*-plugin-dir=", shown)
    finally:
        clear(environments / "up")


def test_down_is_harmless_when_nothing_is_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(tmp_path, "down") == 0
    assert capsys.readouterr().out == "Nothing was up.\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["uplink", "tank-7", "--hex", "zz"], "--hex must be hexadecimal; got 'zz'"),
        (["uplink", "tank-7", "--base64", "?"], "--base64 must be base64; got '?'"),
        (["downlink", "tank-7", "--json", "[]"], "--json must be a JSON object such as"),
    ],
)
def test_an_invalid_payload_is_rejected_under_its_option(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    assert command(tmp_path, *words) == 2
    assert sentence in capsys.readouterr().err


def test_the_demo_stops_everything_when_a_step_fails(
    tmp_path: Path, sleeper: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "demo"

    def start_it(where: Path, say: object) -> Environment:
        describe(where, aws=aws(sleeper), things_stack=things_stack(sleeper), api_key="NNSXS.KEY")
        return Environment.load(where)

    def fail(_demo: demo.Demo) -> None:
        raise KeyboardInterrupt

    steps, kept = [demo.Step("It fails", fail)], tmp_path / "last-failure"
    with pytest.raises(KeyboardInterrupt):
        demo.run(cli.out, directory, steps=steps, start=start_it, last_failure=kept)
    assert kept.is_dir()
    assert not sleeper.alive
    assert not directory.exists()
    assert "the logs are kept in" in capsys.readouterr().out


def test_outside_a_checkout_it_says_where_it_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(tmp_path)
    assert capsys.readouterr().err.startswith("✗ thingbridge-local works in a checkout of Thingbridge alone")


def test_an_interrupted_up_stops_what_it_started(
    tmp_path: Path, sleeper: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"

    def interrupted() -> None:
        with cli._all_or_nothing(new):
            describe(new, aws=aws(None), things_stack=things_stack(sleeper), api_key="")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not new.exists()
    assert not sleeper.alive
    assert "interrupted; stopping what was started" in capsys.readouterr().err


def test_an_interrupted_change_of_what_is_up_leaves_it_running(
    tmp_path: Path, sleeper: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    up = describe(tmp_path / "up", aws=aws(sleeper), things_stack=things_stack(sleeper), api_key="NNSXS.KEY")
    try:
        with pytest.raises(KeyboardInterrupt), cli._all_or_nothing(up):
            raise KeyboardInterrupt
        assert sleeper.alive
        assert "what was up still runs, and `make up` applies the rest" in capsys.readouterr().err
    finally:
        clear(up)


def test_an_interrupted_down_names_the_command_that_continues(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), cli._continued_by("make down"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "interrupted: `make down` again does the rest\n"
