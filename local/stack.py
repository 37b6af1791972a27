"""Thingbridge applied by real Terraform: one working directory that uses the root module as a user would.

python-terraform is the driver; what it lacks (an environment of its own, progress, a clear error) is added here.
Where the provider comes from: local/terraform.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from python_terraform import IsFlagged, IsNotFlagged, Terraform

from local import terraform
from local.processes import Running, start_stamp
from local.terraform import ProviderSource

ROOT = Path(__file__).resolve().parent.parent
NAME = "thingbridge"
# Inputs that Terraform must not store: declared as ephemeral variables of the working directory, and passed in the
# environment, so that they are neither on disk nor on a command line.
EPHEMERAL = ("application_api_key",)
# The provider waits about 25 s for each aws_sqs_queue it creates, so all of them should start at once.
PARALLELISM = 20
# Describes the Terraform command that runs in the directory: it can be ended even if its parent was killed.
COMMAND = ".command.json"

OnProgress = Callable[[int, int, str], None]
"""Called with: resources done, total resources, the address of the last one (or the current action)."""


class TerraformError(Exception):
    """A Terraform command failed. The message is Terraform's first error; `errors` holds all of them."""

    def __init__(self, command: str, errors: list[str]) -> None:
        self.command = command
        self.errors = errors or [f"terraform {command} failed without an error message"]
        super().__init__(self.errors[0])


@dataclass(frozen=True)
class Difference:
    """One change of a plan. `attribute` is empty for a whole resource (created, replaced, …)."""

    address: str
    action: str
    attribute: str = ""
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        change = f".{self.attribute}: {self.before!r} → {self.after!r}" if self.attribute else ""
        return f"{self.action} {self.address}{change}"


class Stack:
    """One Thingbridge in one working directory, which is created when it is missing.

    `inputs` are the root module's variables; `environment` is Terraform's (LocalAws.environment). Without a `provider`,
    it is found when it is needed first: for `terraform init`.
    The state stays in the directory: a new object on the same directory continues with it.
    """

    def __init__(
        self,
        directory: Path,
        inputs: Mapping[str, Any],
        *,
        environment: Mapping[str, str],
        provider: ProviderSource | None = None,
        source: Path = ROOT,
    ) -> None:
        self.directory = directory
        self.inputs = dict(inputs)
        self.source = source
        self._provider = provider
        self._environment = terraform.cleaned({**environment, "TF_IN_AUTOMATION": "1"})
        self._environment.pop("TF_DATA_DIR", None)
        # The zip is built by `python3`: this one is new enough and has pip; the system's may not be.
        search_path = environment.get("PATH", os.defpath)
        self._environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), search_path))
        self._ready = False

    @property
    def provider(self) -> ProviderSource:
        """Where `terraform init` gets the AWS provider. Raises ProviderNotFound."""
        if self._provider is None:
            self._provider = terraform.find_provider(self._environment)
        return self._provider

    def apply(self, on_progress: OnProgress | None = None) -> float:
        """Apply. Returns the seconds it took. Raises TerraformError."""
        return self._timed(
            "apply",
            lambda driver: driver.apply(skip_plan=True, json=IsFlagged, parallelism=PARALLELISM),
            on_progress,
        )

    def destroy(self, on_progress: OnProgress | None = None) -> float:
        """Destroy. Returns the seconds it took. Raises TerraformError."""
        return self._timed(
            "destroy",
            lambda driver: driver.destroy(
                force=IsNotFlagged,
                auto_approve=IsFlagged,
                json=IsFlagged,
                input=False,
                parallelism=PARALLELISM,
            ),
            on_progress,
        )

    def changed_by_an_apply(self) -> list[str]:
        """The addresses of the resources that an apply would change now. Raises TerraformError."""
        drivers: list[Driver] = []

        def plan(driver: Driver) -> tuple[int, str, str]:
            drivers.append(driver)
            outcome: tuple[int, str, str] = driver.plan(json=IsFlagged)
            return outcome

        self._run("plan", plan)
        return drivers[0].changed

    def plan_changes(self) -> list[Difference]:
        """What an apply would change now. Raises TerraformError."""
        planned = self.planned()
        return list(differences(json.loads(planned))) if planned else []

    def planned(self, *, always: bool = False) -> str:
        """The plan of an apply as JSON; empty if it would change nothing, unless `always`. Raises TerraformError."""
        saved = self.directory / ".plan"
        try:
            code = self._run("plan", lambda driver: driver.plan(out=saved.name, json=IsFlagged))
            if code == 0 and not always:
                return ""
            shown = self._driver("show")
            code, out, _ = shown.cmd("show", saved.name, json=IsFlagged)
            if code:
                raise TerraformError("show", shown.errors)
            return str(out)
        finally:
            saved.unlink(missing_ok=True)

    def output(self) -> dict[str, Any]:
        """The module's outputs by name; empty before the first apply. Raises TerraformError."""
        driver = self._driver("output")
        self._make_ready()
        answer = driver.output() or {}
        return dict(answer.get(NAME, {}).get("value", {}))

    def resources(self) -> list[str]:
        """The addresses in the state, sorted. Raises TerraformError."""
        self._make_ready()
        driver = self._driver("show")
        code, out, _ = driver.cmd("show", json=IsFlagged)
        if code:
            raise TerraformError("show", driver.errors)
        return sorted(addresses(json.loads(out).get("values", {}).get("root_module", {})))

    # Inside

    def _make_ready(self) -> None:
        """Write the configuration, and run `terraform init` unless that was done for it.

        Once per object is enough: of its configuration, only the inputs change.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        main = self.directory / "main.tf"
        text = configuration(os.path.relpath(self.source, self.directory.resolve()), self.inputs)
        changed = not main.exists() or main.read_text(encoding="utf-8") != text
        main.write_text(text, encoding="utf-8")
        if not self._ready and (changed or not (self.directory / ".terraform" / "providers").exists()):
            self._run("init", lambda driver: driver.cmd("init", json=IsFlagged, input=False), ready=True)
        self._ready = True

    def _timed(self, name: str, action: Callable[[Driver], Any], on_progress: OnProgress | None) -> float:
        started = time.monotonic()
        self._run(name, action, on_progress)
        return time.monotonic() - started

    def _run(
        self,
        name: str,
        action: Callable[[Driver], tuple[int, str, str]],
        on_progress: OnProgress | None = None,
        *,
        ready: bool = False,
    ) -> int:
        if not ready:
            self._make_ready()
        driver = self._driver(name, on_progress)
        code, _, _ = action(driver)
        # `plan` exits with 2 when there are changes.
        if code not in (0, 2) or driver.errors:
            raise TerraformError(name, driver.errors)
        return code

    def _driver(self, name: str, on_progress: OnProgress | None = None) -> Driver:
        secret = {f"TF_VAR_{key}": str(self.inputs[key]) for key in EPHEMERAL if self.inputs.get(key) is not None}
        provider = self.provider.environment if name == "init" else {}
        return Driver(self.directory, {**self._environment, **provider, **secret}, name, on_progress)


class Driver(Terraform):  # type: ignore[misc]
    """python-terraform with a given environment, read line by line, in a process group of its own.

    Errors are collected in `errors`, each as "summary: detail" on one line, and in `changed` the addresses of what is
    planned to change.
    """

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        name: str,
        on_progress: OnProgress | None = None,
    ) -> None:
        super().__init__(working_dir=str(directory), terraform_bin_path=terraform.tool(environment).command)
        self.variables = None
        self.errors: list[str] = []
        self.changed: list[str] = []
        self._environment = dict(environment)
        self._name = name
        self._on_progress = on_progress
        self._done = 0

    def read_state_file(self, file_path: str | None = None) -> None:
        """Not needed, and python-terraform can't read the current format."""

    def cmd(self, cmd: str, *args: str, **options: Any) -> tuple[int, str, str]:
        """Run one command; returns (exit code, standard output, standard error)."""
        options.setdefault("no_color", IsFlagged)
        options.pop("capture_output", None)
        process = subprocess.Popen(
            self.generate_cmd_string(cmd, *args, **options),
            cwd=self.working_dir,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout
        assert process.stderr
        diagnostics: list[str] = []
        reader = threading.Thread(target=lambda: diagnostics.extend(process.stderr or ()), daemon=True)
        reader.start()
        lines: list[str] = []
        note = Path(self.working_dir) / COMMAND
        try:
            command = Running(
                f"{Path(self.terraform_bin_path).name} {cmd}", process.pid, start_stamp(process.pid) or "", ""
            )
            note.write_text(json.dumps(asdict(command)), encoding="utf-8")
            for line in process.stdout:
                lines.append(line)
                self._read(line)
            code = process.wait()
        finally:
            _end(process)
            note.unlink(missing_ok=True)
            self.temp_var_files.clean_up()
        reader.join(timeout=5)
        if code and not self.errors:
            self.errors = first_errors("".join(diagnostics) or "".join(lines))
        return code, "".join(lines), "".join(diagnostics)

    def _read(self, line: str) -> None:
        """Read an error or a step of progress from one line of Terraform's machine-readable output."""
        try:
            event = json.loads(line)
            kind = event["type"]
        except (ValueError, KeyError, TypeError):
            return
        if kind == "diagnostic" and event["diagnostic"].get("severity") == "error":
            self.errors.append(one_line(event["diagnostic"]))
        change = event.get("hook") or event.get("change") or {}
        # Terraform reports reading a data source like a change.
        if kind not in ("planned_change", "apply_start", "apply_complete") or change.get("action") == "read":
            return
        address = str(change.get("resource", {}).get("addr", ""))
        if kind == "planned_change":
            self.changed.append(address)
        self._done += kind == "apply_complete"
        if self._on_progress:
            self._on_progress(self._done, len(self.changed), address)


def configuration(source: str, inputs: Mapping[str, Any]) -> str:
    """A root configuration that uses the module at `source` (a relative path) with these inputs, as HCL."""
    given = {name: value for name, value in inputs.items() if name not in EPHEMERAL and value is not None}
    ephemeral = [name for name in EPHEMERAL if inputs.get(name) is not None]
    width = max((len(name) for name in (*given, *ephemeral)), default=0)
    arguments = [f"  {name:<{width}} = {hcl(value)}" for name, value in given.items()]
    arguments += [f"  {name:<{width}} = var.{name}" for name in ephemeral]
    variables = [f'variable "{name}" {{\n  type      = string\n  ephemeral = true\n}}\n' for name in ephemeral]
    path = source if source.startswith((".", "/")) else f"./{source}"
    return "\n".join(
        [
            "# Written by the local environment: what a user writes to use Thingbridge.",
            *variables,
            f'module "{NAME}" {{',
            f"  source = {json.dumps(path)}",
            "",
            *arguments,
            "}",
            "",
            f'output "{NAME}" {{',
            f"  value     = module.{NAME}",
            "  sensitive = true",
            "}",
            "",
        ]
    )


def hcl(value: Any) -> str:
    """A value as an HCL expression: JSON is one, once its template sequences are escaped."""
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def differences(plan: Mapping[str, Any]) -> Iterator[Difference]:
    """The differences in a plan as `terraform show -json` prints it."""
    for change in plan.get("resource_changes", ()):
        actions = change["change"]["actions"]
        if actions in (["no-op"], ["read"]):
            continue
        if actions != ["update"]:
            yield Difference(change["address"], "/".join(actions))
            continue
        before, after = change["change"].get("before") or {}, change["change"].get("after") or {}
        unknown = change["change"].get("after_unknown") or {}
        for name in sorted({*before, *after, *unknown}):
            value = "(known after apply)" if unknown.get(name) else after.get(name)
            if before.get(name) != value:
                yield Difference(change["address"], "update", name, before.get(name), value)
    for name, change in plan.get("output_changes", {}).items():
        if change["actions"] != ["no-op"]:
            yield Difference(f"output.{name}", "/".join(change["actions"]))


def addresses(module: Mapping[str, Any]) -> Iterator[str]:
    """The managed resources of a module and of those below it, as `terraform show -json` prints them."""
    for resource in module.get("resources", ()):
        if resource["mode"] == "managed":
            yield resource["address"]
    for child in module.get("child_modules", ()):
        yield from addresses(child)


def one_line(diagnostic: Mapping[str, Any]) -> str:
    """A diagnostic of Terraform's machine-readable output as one line: "summary: detail (address)"."""
    parts = [str(diagnostic.get("summary", "")).strip(), str(diagnostic.get("detail", "")).strip()]
    text = ": ".join(" ".join(part.split()) for part in parts if part)
    text = text.partition(" This was checked by the validation rule at ")[0]
    address = diagnostic.get("address")
    return f"{text} ({address})" if address else text


def first_errors(text: str) -> list[str]:
    """The errors in Terraform's output for people, each on one line, without their frame."""
    found: list[list[str]] = []
    for raw in text.splitlines():
        line = raw.strip().lstrip("╷│╵").strip()
        if line.startswith("Error: "):
            found.append([line.removeprefix("Error: ")])
        elif line.startswith("Warning: ") or raw.startswith("╵"):
            found.append([])
        elif found and found[-1] and line:
            found[-1].append(line)
    return [": ".join((error[0], " ".join(error[1:]))) if error[1:] else error[0] for error in found if error]


def _end(process: subprocess.Popen[str], patience: float = 10.0) -> None:
    """End a command that still runs, and its providers: as Ctrl-C does, then by force."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
