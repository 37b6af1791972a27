"""The set-up: what is missing is named with how to get it, and environments are made again when their pins change."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local import bootstrap
from local.bootstrap import Environment, Missing

PINS = sorted([*bootstrap.ROOT.glob("requirements-*.txt"), *(bootstrap.ROOT / "lambda_src").glob("requirements*.txt")])


def program(directory: Path, name: str, script: str) -> Path:
    """An executable shell script."""
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def terraform(directory: Path, version: str) -> None:
    program(directory, "terraform", f'echo \'{{"terraform_version": "{version}", "platform": "linux_amd64"}}\'')


def test_a_python_that_is_new_enough_is_used() -> None:
    assert bootstrap.newer_python((3, 11), "") == ""
    assert bootstrap.newer_python((3, 14), "") == ""


def test_an_old_python_is_replaced_by_the_newest_on_the_path(tmp_path: Path) -> None:
    program(tmp_path, "python3.11", "true")
    newest = program(tmp_path, "python3.13", "true")
    assert bootstrap.newer_python((3, 9), str(tmp_path)) == str(newest)


def test_an_old_python_alone_is_refused_with_where_to_get_a_newer_one(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"^Python 3\.11 or newer is needed, and this is 3\.9: install .* `make PYTHON="):
        bootstrap.newer_python((3, 9), str(tmp_path))


@pytest.mark.parametrize("version", ["1.11.0", "1.11.4", "1.14.0-rc1", "2.0.0"])
def test_a_terraform_that_is_new_enough_is_taken(tmp_path: Path, version: str) -> None:
    terraform(tmp_path, version)
    assert bootstrap.check_terraform(str(tmp_path)) == version


@pytest.mark.parametrize("version", ["1.10.5", "0.15.5", "1.9.8"])
def test_an_old_terraform_is_refused_with_its_version(tmp_path: Path, version: str) -> None:
    terraform(tmp_path, version)
    with pytest.raises(Missing, match=rf"1\.11 or newer is needed, and .*terraform is {version}: get it from https://"):
        bootstrap.check_terraform(str(tmp_path))


def test_opentofu_is_taken_where_it_is_named(tmp_path: Path) -> None:
    program(tmp_path, "tofu", """echo '{"terraform_version": "1.11.0", "platform": "linux_amd64"}'""")
    assert bootstrap.check_terraform(str(tmp_path), "tofu") == "1.11.0"
    program(tmp_path, "tofu", """echo '{"terraform_version": "1.10.6", "platform": "linux_amd64"}'""")
    with pytest.raises(
        Missing, match=r"^OpenTofu 1\.11 or newer is needed, .*tofu is 1\.10\.6: .*https://opentofu\.org"
    ):
        bootstrap.check_terraform(str(tmp_path), "tofu")


def test_a_missing_terraform_is_reported_with_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"no `terraform` is on the PATH: get it from https://"):
        bootstrap.check_terraform(str(tmp_path))


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense", "echo '{}'"])
def test_a_terraform_that_does_not_report_its_version_is_refused(tmp_path: Path, script: str) -> None:
    program(tmp_path, "terraform", script)
    with pytest.raises(Missing, match="does not report its version"):
        bootstrap.check_terraform(str(tmp_path))


def test_the_command_ends_with_one_sentence_without_colour_when_it_is_not_on_a_terminal(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, bootstrap.__file__], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Set-up: Terraform 1.11 or newer is needed")
    assert done.stderr.count("\n") == 1


def test_make_reports_a_missing_python(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "setup", "PYTHON=python-not-installed"],
        cwd=bootstrap.ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "there is no python-not-installed: get it from https://" in done.stderr


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment that was made from one package."""
    (tmp_path / "requirements.txt").write_text("rich==15.0.0\n")
    made = Environment(tmp_path / "made", tmp_path / "requirements.txt")
    made.directory.mkdir()
    (made.directory / "made-from").write_text(made.fingerprint())
    return made


def test_an_environment_is_current_until_a_pin_changes(environment: Environment) -> None:
    assert environment.is_current
    environment.requirements.write_text("rich==15.0.1\n")
    assert not environment.is_current


def test_an_environment_that_was_not_finished_is_not_current(environment: Environment) -> None:
    environment.create()
    assert environment.python.exists()
    assert not environment.is_current


def test_an_environment_that_a_link_leads_to_is_left_alone(environment: Environment, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(environment.directory)
    linked = Environment(link, environment.requirements)
    linked.create()
    assert environment.is_current
    assert linked.python.exists()
    assert not link.is_symlink()


@pytest.mark.parametrize("file", PINS, ids=lambda file: file.name)
def test_everything_that_is_installed_is_pinned_in_one_version_with_its_hashes(file: Path) -> None:
    text = file.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert lines
    assert [
        line for line in lines if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ] == []


@pytest.mark.soak
def test_an_environment_has_what_its_requirements_pin_and_nothing_else(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    made = Environment(tmp_path / "made", requirements)
    made.create()
    made.install()
    assert made.is_current
    listed = subprocess.run(
        [bootstrap.PROJECT.python, "-m", "pip", "--python", made.python, "list", "--format=json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.strip() == "[]"


def test_packages_that_cannot_be_installed_are_reported_with_the_output_of_pip(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"nothing @ file://{tmp_path}/not-there.whl\n")
    made = Environment(tmp_path / "made", requirements)
    made.create()
    with pytest.raises(Missing, match=r"(?s)^ERROR: .*\nThe packages of requirements\.txt could not be installed"):
        made.install()
    assert not made.is_current


def test_the_local_aws_and_its_functions_run_on_the_python_of_the_project() -> None:
    versions = {
        subprocess.run([each.python, "-V"], capture_output=True, text=True, check=True).stdout
        for each in bootstrap.ENVIRONMENTS
    }
    assert versions == {f"Python {platform.python_version()}\n"}
