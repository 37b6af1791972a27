"""`make setup`: checks what this machine must have, and makes the virtual environment `.venv`.

Standard library only, and syntax that a Python too old for the project still reads, so that it can say
so. It does nothing (in a tenth of a second) when everything is in place. Finding the Terraform provider
is local/terraform.py's work.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements-dev.txt"
PYTHON_NEEDED = (3, 11)
PYTHONS_TRIED = ("python3.14", "python3.13", "python3.12", "python3.11")
TERRAFORM_NEEDED = (1, 11)


class Missing(Exception):
    """Something that must be there is not; the message is one sentence that says what and how to get it."""


def paint(text: str, code: str) -> str:
    """The text in a colour (an SGR code) when a person is watching."""
    watched = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    return f"\033[{code}m{text}\033[0m" if watched else text


def dotted(version: tuple) -> str:
    """(3, 11) -> "3.11"."""
    return ".".join(str(part) for part in version)


def newer_python(this: tuple, search_path: str) -> str:
    """The path of a Python that is new enough: "" when this one is, else the newest found. Raises Missing."""
    if this >= PYTHON_NEEDED:
        return ""
    for name in PYTHONS_TRIED:
        found = shutil.which(name, path=search_path)
        if found:
            return found
    raise Missing(
        f"Python {dotted(PYTHON_NEEDED)} or newer is needed, and this is {dotted(this)}: install one from "
        "https://www.python.org/downloads/ (or your system's packages) and run `make PYTHON=<its path>`."
    )


def check_terraform(search_path: str) -> str:
    """The version of the Terraform on the search path, as "1.11.4". Raises Missing when it is too old."""
    needed = f"Terraform {dotted(TERRAFORM_NEEDED)} or newer is needed"
    get_it = "get it from https://developer.hashicorp.com/terraform/install"
    binary = shutil.which("terraform", path=search_path)
    if not binary:
        raise Missing(f"{needed}, and no `terraform` is on the PATH: {get_it}.")
    try:
        answer = subprocess.run([binary, "version", "-json"], capture_output=True, timeout=30, check=True)
        version = str(json.loads(answer.stdout.decode())["terraform_version"])
        found = tuple(int(part) for part in version.partition("-")[0].split("."))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise Missing(f"{needed}, and {binary} does not say its version ({type(error).__name__}): {get_it}.") from error
    if found < TERRAFORM_NEEDED:
        raise Missing(f"{needed}, and {binary} is {version}: {get_it}.")
    return version


def fingerprint() -> str:
    """A hash of everything that `.venv` is made from: it is made anew when that changes."""
    parts = [sys.version.encode(), str(ROOT).encode()]
    parts += [path.read_bytes() for path in (REQUIREMENTS, ROOT / "pyproject.toml")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def pip(*arguments: str) -> None:
    """Run the environment's pip. Raises Missing, after showing pip's last lines, when it fails."""
    python = ENVIRONMENT / "bin" / "python"
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *arguments]
    done = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.stderr.write("\n".join(done.stdout.decode(errors="replace").splitlines()[-12:]) + "\n")
        raise Missing(
            "The Python packages could not be installed (pip's own words are above): is PyPI, "
            "or the index that `pip config list` names, reachable from here?"
        )


def make_environment() -> None:
    """Make `.venv`, install the pinned packages and this checkout into it. Raises Missing."""
    count = sum("==" in line for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    sys.stderr.write(f"Setting up .venv with {count} packages (once; about a minute) … ")
    sys.stderr.flush()
    started = time.time()
    try:
        venv.EnvBuilder(clear=True, with_pip=True, symlinks=True).create(str(ENVIRONMENT))
    except (subprocess.CalledProcessError, OSError) as error:
        sys.stderr.write("\n")
        raise Missing(
            f"{sys.executable} could not make a virtual environment ({type(error).__name__}): "
            "on Debian and Ubuntu `apt install python3-venv` brings what is missing."
        ) from error
    try:
        # Compiling everything takes longer than importing what is used.
        pip("--no-compile", "--require-hashes", "--requirement", str(REQUIREMENTS))
        pip("--no-compile", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    except Missing:
        sys.stderr.write("\n")
        raise
    sys.stderr.write(f"done in {time.time() - started:.0f} s\n")


def main() -> int:
    """Check and set up; 0 when everything is in place, 1 after a sentence about what is not."""
    try:
        better = newer_python(tuple(sys.version_info[:2]), os.environ.get("PATH", os.defpath))
        if better:
            os.execv(better, [better, str(Path(__file__).resolve())])  # noqa: S606
        check_terraform(os.environ.get("PATH", os.defpath))
        stamp = ENVIRONMENT / "made-from"
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != fingerprint():
            make_environment()
            stamp.write_text(fingerprint(), encoding="utf-8")
    except Missing as missing:
        sys.stderr.write(paint("Set-up: ", "1;31") + str(missing) + "\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\n" + paint("Set-up: ", "1;31") + "interrupted; the next `make` starts it again.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
