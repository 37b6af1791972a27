"""The whole local environment, kept in one directory: an AWS, a simulated Things Stack, and Thingbridge between them.

It consists of background processes and a file that describes them, so that one command starts it and others use and
stop it, also after a crash. What is shown of it: local/inspection.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local.aws import LocalAws, functions
from local.processes import Running, free_port, start, wait_until_ready
from local.stack import COMMAND, ROOT, Stack, TerraformError
from local.things_stack import foreign_account_credentials, profiles
from local.things_stack.control.client import Control

ENVIRONMENTS = ROOT / ".local"
STACK_NAME = "farm"
APPLICATION = "farm-app"
# The account of this Things Stack: not the user's, as in reality.
THINGS_STACK_ACCOUNT = "111122223333"
DESCRIPTION = "environment.json"

Say = Callable[[str], None]


class NotUp(Exception):
    """There is no environment in the directory; the message says how to start one."""


class Environment:
    """One local environment in `directory`: created by `start` or found by `load`, ended by `stop`."""

    def __init__(
        self,
        directory: Path,
        aws: LocalAws,
        things_stack_url: str,
        things_stack_process: Running,
        api_key: str,
    ) -> None:
        self.directory = directory
        self.aws = aws
        self.things_stack = Control(things_stack_url)
        self.things_stack_url = things_stack_url
        self.things_stack_process = things_stack_process
        self.api_key = api_key

    @classmethod
    def start(cls, directory: Path, say: Say = lambda _line: None, *, profile: str = profiles.DEFAULT) -> Environment:
        """Start everything that Terraform needs; a half-started or ended one in the directory is cleared first.
        `profile`: the deployment of The Things Stack that is simulated.

        An environment that already runs is used as it is. Raises StartFailed.
        """
        with contextlib.suppress(NotUp):
            found = cls.load(directory)
            if found.alive:
                return found
        clear(directory)
        directory.mkdir(parents=True)
        aws = LocalAws.from_environment(directory / "aws")
        _describe(directory, aws, None, "")
        say(f"AWS: {'ministack' if aws.process else 'already running'}, {aws.endpoint_url}, region {aws.region}")
        process, url = _start_things_stack(directory, aws, profile)
        # Before anything else can fail: `clear` must find what runs.
        _describe(directory, aws, process, "", url)
        control = Control(url)
        control.create_application(APPLICATION)
        key = control.create_api_key(APPLICATION)
        _describe(directory, aws, process, key, url)
        say(f"The Things Stack: simulated ({profile}), {url}, application {APPLICATION}")
        return cls(directory, aws, url, process, key)

    @classmethod
    def load(cls, directory: Path) -> Environment:
        """The environment that was started in this directory, alive or not. Raises NotUp."""
        try:
            found = json.loads((directory / DESCRIPTION).read_text(encoding="utf-8"))
            url, process = found["things_stack"]["url"], found["things_stack"]["process"]
            if not (url and process and found["api_key"]):
                raise NotUp("the environment was not completely started: `make up` starts it again")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotUp("no environment is up here: `make up` starts one") from error
        return cls(directory, _aws(directory, found["aws"]), url, Running(**process), found["api_key"])

    @property
    def alive(self) -> bool:
        """Whether AWS and The Things Stack both run."""
        own_aws = self.aws.process
        return self.things_stack_process.alive and (own_aws.alive if own_aws else self.aws.answers)

    @property
    def inputs(self) -> dict[str, Any]:
        """The root module's variables in this environment."""
        return {
            "stack_name": STACK_NAME,
            "cluster_address": self.things_stack_url,
            "application_id": APPLICATION,
            "application_api_key": self.api_key,
            "trusted_account_id": THINGS_STACK_ACCOUNT,
            "functions": functions(),
        }

    @property
    def stack(self) -> Stack:
        """Thingbridge in this environment, applied or not."""
        return Stack(self.directory / "stack", self.inputs, environment=self.aws.environment())

    def stop(self) -> None:
        """Stop what was started, and delete its state."""
        clear(self.directory)


def clear(directory: Path) -> bool:
    """Stop whatever the description in this directory names, and delete it. Returns whether there was anything.

    In an AWS that was not started here, the stack is destroyed first; otherwise it would remain.
    """
    if not directory.exists():
        return False
    found = _read(directory / DESCRIPTION)
    aws = found.get("aws") or {}
    if aws.get("endpoint_url") and not aws.get("process") and (directory / "stack").exists():
        with contextlib.suppress(NotUp, TerraformError):
            Environment.load(directory).stack.destroy()
    command = _read(directory / "stack" / COMMAND)
    for process in (command, found.get("things_stack", {}).get("process"), aws.get("process")):
        if process:
            Running(**process).stop()
    shutil.rmtree(directory, ignore_errors=True)
    return True


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
    )
    wait_until_ready(process, state.exists, timeout=20)
    return process, str(json.loads(state.read_text(encoding="utf-8"))["url"])


def _describe(directory: Path, aws: LocalAws, process: Running | None, api_key: str, url: str = "") -> None:
    """Write the description of what runs, readable by the user only: it holds the (simulated) API key."""
    description = {
        "aws": {
            "endpoint_url": aws.endpoint_url,
            "region": aws.region,
            "mqtt_port": aws.mqtt_port,
            "process": asdict(aws.process) if aws.process else None,
        },
        "things_stack": {"url": url, "process": asdict(process) if process else None},
        "api_key": api_key,
    }
    fresh = directory / f"{DESCRIPTION}.new"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(description, file, indent=2)
    fresh.replace(directory / DESCRIPTION)


def _aws(directory: Path, found: Mapping[str, Any]) -> LocalAws:
    process = Running(**found["process"]) if found["process"] else None
    aws = LocalAws.attach(found["endpoint_url"], directory / "aws", region=found["region"], process=process)
    aws.mqtt_port = found["mqtt_port"]
    if not process:
        aws.access_key = os.environ.get("AWS_ACCESS_KEY_ID") or aws.access_key
        aws.secret_key = os.environ.get("AWS_SECRET_ACCESS_KEY") or aws.secret_key
    return aws
