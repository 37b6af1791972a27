"""`make setup`: checks what this machine must have, and makes the virtual environments.

`python local/bootstrap.py plots` makes `.venv-plots` as well, in which `make bench` draws, and with `audit`
`.venv-audit`, in which `make audit` looks at plans and dependencies.

Three of them, from the same Python: `.venv` for all that is run here, `.venv-emulator` for the local AWS, and
`.venv-runtime` for the functions that it runs. Each is made again when its requirements change, and only then.

Standard library only, and syntax that a Python too old for the project can still read, so that it can say so. When
everything is in place, it takes a tenth of a second. Finding the Terraform provider is local/terraform.py's work.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON_NEEDED = (3, 11)
PYTHONS_TRIED = ("python3.14", "python3.13", "python3.12", "python3.11")
TERRAFORM_NEEDED = (1, 11)  # of OpenTofu too: both have ephemeral variables and write-only arguments from there on
TERRAFORMS = {
    "terraform": ("Terraform", "https://developer.hashicorp.com/terraform/install"),
    "tofu": ("OpenTofu", "https://opentofu.org/docs/intro/install/"),
}


class Missing(Exception):
    """A prerequisite is missing; the message is one sentence that names it and how to get it."""


class Environment:
    """A virtual environment of this checkout: its directory, and the pinned requirements it is made from.

    An environment `with_checkout` has pip, this checkout and its commands; the others have their requirements alone.
    `options` are pip's. By default nothing is compiled: that takes longer than importing what is used.
    """

    def __init__(
        self,
        directory: Path,
        requirements: Path,
        with_checkout: bool = False,
        options: tuple = ("--no-compile",),
    ) -> None:
        self.directory = directory
        self.requirements = requirements
        self.with_checkout = with_checkout
        self.options = options

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.directory / "bin" / "python"

    @property
    def package_count(self) -> int:
        """How many packages its requirements pin."""
        return sum("==" in line for line in self.requirements.read_text(encoding="utf-8").splitlines())

    @property
    def is_current(self) -> bool:
        """Whether it was made, completely, from the requirements and the Python of now."""
        return self._stamp.exists() and self._stamp.read_text(encoding="utf-8") == self.fingerprint()

    def fingerprint(self) -> str:
        """A hash of everything that it is made from."""
        parts = [sys.version.encode(), str(ROOT).encode(), self.requirements.read_bytes()]
        if self.with_checkout:
            parts.append((ROOT / "pyproject.toml").read_bytes())
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def create(self) -> None:
        """Make the empty environment. Raises Missing."""
        if self.directory.is_symlink():
            self.directory.unlink()  # Clearing it would empty the environment that it leads to, which is another's.
        try:
            # pip takes seconds to install; the pip of `.venv` installs into the others.
            venv.EnvBuilder(clear=True, with_pip=self.with_checkout, symlinks=True).create(str(self.directory))
        except (subprocess.CalledProcessError, OSError) as error:
            raise Missing(
                f"{sys.executable} could not make a virtual environment ({type(error).__name__}): "
                "on Debian and Ubuntu, `apt install python3-venv` adds what is missing."
            ) from error

    def install(self) -> None:
        """Install its requirements, with the pip of `.venv`, and the checkout where that belongs. Raises Missing."""
        self._pip(*self.options, "--require-hashes", "--requirement", str(self.requirements))
        if self.with_checkout:
            self._pip("--no-compile", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
        self._stamp.write_text(self.fingerprint(), encoding="utf-8")

    @property
    def _stamp(self) -> Path:
        return self.directory / "made-from"

    def _pip(self, *arguments: str) -> None:
        """Run `pip install` for this environment. Raises Missing, with pip's last lines, when it fails."""
        pip = [str(PROJECT.python), "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(self.python)]
        done = subprocess.run(
            [*pip, "install", *arguments], cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode:
            raise Missing(
                "\n".join(done.stdout.decode(errors="replace").splitlines()[-12:])
                + f"\nThe packages of {self.requirements.name} could not be installed (pip's output is above): "
                "is PyPI, or the index that `pip config list` names, reachable from here?"
            )


PROJECT = Environment(ROOT / ".venv", ROOT / "requirements-dev.txt", with_checkout=True)
# ministack pins its own botocore and changes often: it has no say in the versions of the project.
EMULATOR = Environment(ROOT / ".venv-emulator", ROOT / "requirements-emulator.txt")
# What a Lambda runtime has: boto3. Whatever else a function imports must come from its zip or its layers. Compiled, as
# on AWS: functions write no bytecode, and start twice as fast with it.
RUNTIME = Environment(ROOT / ".venv-runtime", ROOT / "requirements-runtime.txt", options=())
ENVIRONMENTS = (PROJECT, EMULATOR, RUNTIME)
# matplotlib, which is large and only draws what the benchmarks measure: made when it is asked for.
PLOTS = Environment(ROOT / ".venv-plots", ROOT / "requirements-plots.txt")
# checkov, which pins a boto3 and much else, and pip-audit: made when they are asked for.
AUDIT = Environment(ROOT / ".venv-audit", ROOT / "requirements-audit.txt")
ON_REQUEST = {"plots": PLOTS, "audit": AUDIT}


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


def check_terraform(search_path: str, command: str = "terraform") -> str:
    """The version of the Terraform or OpenTofu on the search path, as "1.11.4". Raises Missing when it is too old."""
    name, address = TERRAFORMS["tofu" if Path(command).name.startswith("tofu") else "terraform"]
    needed = f"{name} {dotted(TERRAFORM_NEEDED)} or newer is needed"
    get_it = f"get it from {address}"
    binary = shutil.which(command, path=search_path)
    if not binary:
        raise Missing(f"{needed}, and no `{command}` is on the PATH: {get_it}.")
    try:
        answer = subprocess.run([binary, "version", "-json"], capture_output=True, timeout=30, check=True)
        version = str(json.loads(answer.stdout.decode())["terraform_version"])
        found = tuple(int(part) for part in version.partition("-")[0].split("."))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise Missing(
            f"{needed}, and {binary} does not report its version ({type(error).__name__}): {get_it}."
        ) from error
    if found < TERRAFORM_NEEDED:
        raise Missing(f"{needed}, and {binary} is {version}: {get_it}.")
    return version


def set_up(environments: list) -> None:
    """Make these environments again, all at once. Raises Missing."""
    count = sum(environment.package_count for environment in environments)
    names = ", ".join(environment.directory.name for environment in environments)
    sys.stderr.write(f"Setting up {names} with {count} package{'' if count == 1 else 's'} (once; about a minute) … ")
    sys.stderr.flush()
    started = time.time()
    try:
        for environment in environments:
            environment.create()
        with ThreadPoolExecutor() as pool:
            list(pool.map(Environment.install, environments))
    except Missing:
        sys.stderr.write("\n")
        raise
    sys.stderr.write(f"done in {time.time() - started:.0f} s\n")


def main() -> int:
    """Check and set up; 0 when everything is in place, 1 after a sentence that says what is missing."""
    try:
        better = newer_python(tuple(sys.version_info[:2]), os.environ.get("PATH", os.defpath))
        if better:
            os.execv(better, [better, str(Path(__file__).resolve()), *sys.argv[1:]])  # noqa: S606
        check_terraform(os.environ.get("PATH", os.defpath), os.environ.get("TERRAFORM") or "terraform")
        wanted = [*ENVIRONMENTS, *(ON_REQUEST[name] for name in sys.argv[1:])]
        outdated = [environment for environment in wanted if not environment.is_current]
        if outdated:
            set_up(outdated)
    except Missing as missing:
        *output, sentence = str(missing).splitlines()
        sys.stderr.write("".join(line + "\n" for line in output) + paint("Set-up: ", "1;31") + sentence + "\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\n" + paint("Set-up: ", "1;31") + "interrupted; the next `make` starts again.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
