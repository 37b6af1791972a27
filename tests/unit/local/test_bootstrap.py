"""The set-up: what is missing is named in one sentence, together with how to get it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import bootstrap
from local.bootstrap import Missing


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


def test_an_old_python_gives_way_to_the_newest_on_the_path(tmp_path: Path) -> None:
    program(tmp_path, "python3.11", "true")
    newest = program(tmp_path, "python3.13", "true")
    assert bootstrap.newer_python((3, 9), str(tmp_path)) == str(newest)


def test_an_old_python_alone_is_refused_with_the_way_to_a_newer_one(tmp_path: Path) -> None:
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


def test_no_terraform_is_said_with_the_place_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"no `terraform` is on the PATH: get it from https://"):
        bootstrap.check_terraform(str(tmp_path))


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense", "echo '{}'"])
def test_a_terraform_that_does_not_answer_is_refused(tmp_path: Path, script: str) -> None:
    program(tmp_path, "terraform", script)
    with pytest.raises(Missing, match="does not say its version"):
        bootstrap.check_terraform(str(tmp_path))


def test_the_command_ends_with_one_sentence_without_colour_when_nobody_watches(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, bootstrap.__file__], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Set-up: Terraform 1.11 or newer is needed")
    assert done.stderr.count("\n") == 1


def test_make_says_so_when_there_is_no_python(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "setup", "PYTHON=python-nobody-has"],
        cwd=bootstrap.ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "there is no python-nobody-has: get it from https://" in done.stderr


def test_the_environment_is_made_anew_when_a_pin_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = tmp_path / "requirements-dev.txt"
    requirements.write_text("rich==15.0.0\n")
    monkeypatch.setattr(bootstrap, "REQUIREMENTS", requirements)
    before = bootstrap.fingerprint()
    assert bootstrap.fingerprint() == before
    requirements.write_text("rich==15.0.1\n")
    assert bootstrap.fingerprint() != before
