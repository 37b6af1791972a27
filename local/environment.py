"""The whole local environment, kept in one directory: an AWS, a The Things Stack, and Thingbridge between them.

The Things Stack is a simulation, or one that the user names (local/own_things_stack.py). An environment is background
processes and a file that describes them, so that one command starts it and others use and stop it, also
after a crash. What is shown of it: local/inspection.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from local.aws import LocalAws, functions
from local.own_things_stack import PORT, REACHES, OwnThingsStack
from local.processes import Running, StartFailed, answers, free_port, start, wait_until_ready
from local.stack import COMMAND, ROOT, Stack, TerraformError
from local.terraform import ProviderNotFound
from local.things_stack import foreign_account_credentials, profiles
from local.things_stack.control.client import Control
from thingbridge.errors import ThingbridgeError

ENVIRONMENTS = ROOT / ".local"
STACK_NAME = "farm"
APPLICATION = "farm-app"
# The account of this Things Stack: not the user's, as in reality.
THINGS_STACK_ACCOUNT = "111122223333"
DESCRIPTION = "environment.json"

Say = Callable[[str], None]


class NotUp(Exception):
    """There is no environment in the directory; the message says how to start one."""


class OtherThingsStack(Exception):
    """What was requested needs an environment with another The Things Stack; the message is a sentence."""


class Environment:
    """One local environment in `directory`: created by `start` or found by `load`, ended by `stop`.

    `process` is the simulated The Things Stack's; None with `own`, the one that the user named. `gate` is the process
    that its webhooks come through.
    """

    def __init__(
        self,
        directory: Path,
        aws: LocalAws,
        *,
        url: str = "",
        api_key: str = "",
        process: Running | None = None,
        own: OwnThingsStack | None = None,
        gate: Running | None = None,
    ) -> None:
        self.directory = directory
        self.aws = aws
        self.things_stack_url = own.url if own else url
        self.things_stack_process = process
        self.api_key = own.api_key if own else api_key
        self.own, self.gate = own, gate

    @classmethod
    def start(
        cls,
        directory: Path,
        say: Say = lambda _line: None,
        own: OwnThingsStack | None = None,
        *,
        profile: str = profiles.DEFAULT,
        outlives: bool = False,
    ) -> Environment:
        """Start everything that Terraform needs; a half-started or ended one in the directory is cleared first.

        `profile`: the deployment of The Things Stack that is simulated without `own`.
        It ends with this process unless it `outlives` that. One that already runs is used as it is, with another key
        of `own` if that is given. Raises StartFailed, and OtherThingsStack if `own` is not that of the one that runs.
        """
        with contextlib.suppress(NotUp):
            found = cls.load(directory)
            if found.alive:
                found._renew(own)
                return found
        clear(directory, say)
        directory.mkdir(parents=True)
        aws = LocalAws.from_environment(directory / "aws", outlives=outlives)
        environment = cls(directory, aws, own=own)
        environment._describe()
        say(f"AWS: {'ministack' if aws.process else 'already running'}, {aws.endpoint_url}, region {aws.region}")
        # Each part is described as soon as it runs: `clear` must find it, whatever fails next.
        if own:
            environment._connect(own, say)
        else:
            environment._simulate(say, profile)
        return environment

    @classmethod
    def load(cls, directory: Path) -> Environment:
        """The environment that was started in this directory, alive or not. Raises NotUp."""
        try:
            found = json.loads((directory / DESCRIPTION).read_text(encoding="utf-8"))
            parts = found["things_stack"]
            environment = cls(
                directory,
                _aws(directory, found["aws"]),
                url=parts["url"],
                api_key=found["api_key"],
                process=_running(parts["process"]),
                own=_own(parts["own"], found["api_key"]),
                gate=_running(parts["gate"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotUp("no environment is up here: `make up` starts one") from error
        if not environment.api_key or not (environment.own or environment.things_stack_process):
            raise NotUp("the environment was not completely started: `make up` starts it again")
        return environment

    @property
    def alive(self) -> bool:
        """Whether everything that was started here runs, and AWS answers."""
        own_aws = self.aws.process
        started = [each for each in (self.things_stack_process, self.gate) if each]
        return all(each.alive for each in started) and (own_aws.alive if own_aws else self.aws.answers)

    @property
    def things_stack(self) -> Control:
        """Controls the simulated The Things Stack. Raises OtherThingsStack when there is none."""
        if self.own:
            raise OtherThingsStack(
                f"The Things Stack is your own, {self.own.url}: only devices of the simulation join and send on command"
            )
        return Control(self.things_stack_url)

    @property
    def application(self) -> str:
        """The application of The Things Stack."""
        return self.own.application if self.own else APPLICATION

    @property
    def inputs(self) -> dict[str, Any]:
        """The root module's variables in this environment."""
        common = {"stack_name": STACK_NAME, "functions": functions()}
        if self.own:
            # Another key has another number: Terraform does not see the key itself.
            version = int(hashlib.sha256(self.api_key.encode()).hexdigest()[:7], 16) + 1
            return {**common, **self.own.inputs(self.aws), "application_api_key_version": version}
        return {
            **common,
            "cluster_address": self.things_stack_url,
            "application_id": APPLICATION,
            "application_api_key": self.api_key,
        }

    @property
    def stack(self) -> Stack:
        """Thingbridge in this environment, applied or not."""
        return Stack(self.directory / "stack", self.inputs, environment=self.aws.environment())

    def stop(self) -> None:
        """Stop what was started, and delete its state."""
        clear(self.directory)

    # Inside

    def _simulate(self, say: Say, profile: str) -> None:
        self.things_stack_process, self.things_stack_url = _start_things_stack(self.directory, self.aws, profile)
        self._describe()
        self.things_stack.create_application(APPLICATION)
        self.api_key = self.things_stack.create_api_key(APPLICATION)
        self._describe()
        say(f"The Things Stack: simulated ({profile}), {self.things_stack_url}, application {APPLICATION}")

    def _connect(self, own: OwnThingsStack, say: Say) -> None:
        if own.reaches:
            self.gate = _start_gate(self.directory, self.aws, own.port)
            self._describe()
            way = f"webhooks to {own.reaches}, which must lead to 127.0.0.1:{own.port}"
        elif self.aws.process:
            way = f"MQTT to {self.aws.mqtt_url}"
        else:
            raise StartFailed(
                f"{REACHES} must be set with an AWS that was not started here: its MQTT port is not known"
            )
        say(f"The Things Stack: your own, {own.url}, application {own.application}; it sends {way}")

    def _renew(self, own: OwnThingsStack | None) -> None:
        """Use a new key for the same application. Raises OtherThingsStack."""
        if own is None:
            return
        if self.own is None or replace(own, api_key="") != replace(self.own, api_key=""):
            up = f"{self.own.application} at {self.own.url}" if self.own else "the simulated one"
            raise OtherThingsStack(
                f"the environment that is up uses another The Things Stack, {up}: `make down` ends it, then `make up`"
            )
        self.own, self.api_key = own, own.api_key
        self._describe()

    def _describe(self) -> None:
        """Write the description of what runs, readable by the user only: it holds the API key."""
        own = {name: value for name, value in asdict(self.own).items() if name != "api_key"} if self.own else None
        description = {
            "aws": {
                "endpoint_url": self.aws.endpoint_url,
                "region": self.aws.region,
                "mqtt_port": self.aws.mqtt_port,
                "process": _as_json(self.aws.process),
            },
            "things_stack": {
                "url": self.things_stack_url,
                "process": _as_json(self.things_stack_process),
                "own": own,
                "gate": _as_json(self.gate),
            },
            "api_key": self.api_key,
        }
        fresh = self.directory / f"{DESCRIPTION}.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(description, file, indent=2)
        fresh.replace(self.directory / DESCRIPTION)


def clear(directory: Path, say: Say = lambda _line: None) -> bool:
    """Stop whatever the description in this directory names, and delete it. Returns whether there was anything.

    Where something would remain, in an AWS that was not started here or in a The Things Stack of one's own, the stack
    is destroyed first.
    """
    if not directory.exists():
        return False
    found = _read(directory / DESCRIPTION)
    things_stack, aws = found.get("things_stack") or {}, found.get("aws") or {}
    command = _read(directory / "stack" / COMMAND)
    if command:
        Running(**command).stop()
    if (directory / "stack").exists() and (
        things_stack.get("own") or (aws.get("endpoint_url") and not aws.get("process"))
    ):
        with contextlib.suppress(NotUp):
            _leave(Environment.load(directory), say)
    for process in (things_stack.get("process"), things_stack.get("gate"), aws.get("process")):
        if process:
            Running(**process).stop()
    shutil.rmtree(directory, ignore_errors=True)
    return True


def _leave(environment: Environment, say: Say) -> None:
    """Destroy the stack. Where that fails, as after a crash, remove what a The Things Stack of one's own has of it."""
    try:
        if environment.alive:
            say("Destroying the stack, so that nothing of it is left …")
            environment.stack.destroy()
            return
    except (TerraformError, ProviderNotFound) as error:
        say(f"terraform destroy failed: {error}")
    own, region = environment.own, environment.aws.region
    if own is None:
        return
    try:
        own.remove_integration(STACK_NAME, region)
    except ThingbridgeError as error:
        name = own.integration_id(STACK_NAME, region)
        say(f"{error}: delete the integration {name} of {own.application} in the Console")


def _read(file: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _start_things_stack(directory: Path, aws: LocalAws, profile: str) -> tuple[Running, str]:
    """Start the simulation in a process. Returns the process and its URL."""
    access = foreign_account_credentials(aws.endpoint_url, THINGS_STACK_ACCOUNT)
    state = directory / "things-stack.json"
    environment = {
        name: value for name, value in aws.environment().items() if name not in ("AWS_ENDPOINT_URL", "AWS_REGION")
    }
    environment |= {
        "AWS_ACCESS_KEY_ID": access.access_key_id,
        "AWS_SECRET_ACCESS_KEY": access.secret_access_key,
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "local.things_stack", "--port", str(free_port()), "--state", str(state)]
    process = start(
        "The simulated Things Stack",
        [*command, "--profile", profile, "--aws-endpoint-url", aws.endpoint_url],
        environment=environment,
        log=directory / "things-stack.log",
        cwd=directory,
        ends_with_caller=not aws.outlives,
    )
    wait_until_ready(process, state.exists)
    return process, str(json.loads(state.read_text(encoding="utf-8"))["url"])


def _start_gate(directory: Path, aws: LocalAws, port: int) -> Running:
    """Start the way in for webhooks on a port of this machine. Raises StartFailed."""
    if answers(port):
        raise StartFailed(f"port {port} of 127.0.0.1, to which {REACHES} is to lead, is in use: {PORT} selects another")
    command = [sys.executable, "-m", "local.webhook_gate", "--port", str(port), "--aws-endpoint-url", aws.endpoint_url]
    process = start(
        "The way in for webhooks",
        [*command, "--region", aws.region, "--function", f"{STACK_NAME}-webhook"],
        environment={**aws.environment(), "PYTHONPATH": str(ROOT)},
        log=directory / "webhook-gate.log",
        cwd=directory,
        ends_with_caller=not aws.outlives,
    )
    wait_until_ready(process, lambda: answers(port))
    return process


def _as_json(process: Running | None) -> dict[str, Any] | None:
    return asdict(process) if process else None


def _running(found: Mapping[str, Any] | None) -> Running | None:
    return Running(**found) if found else None


def _own(found: Mapping[str, Any] | None, api_key: str) -> OwnThingsStack | None:
    return OwnThingsStack(api_key=api_key, **found) if found else None


def _aws(directory: Path, found: Mapping[str, Any]) -> LocalAws:
    process = Running(**found["process"]) if found["process"] else None
    aws = LocalAws.attach(found["endpoint_url"], directory / "aws", region=found["region"], process=process)
    aws.mqtt_port = found["mqtt_port"]
    if not process:
        aws.access_key = os.environ.get("AWS_ACCESS_KEY_ID") or aws.access_key
        aws.secret_key = os.environ.get("AWS_SECRET_ACCESS_KEY") or aws.secret_key
    return aws
