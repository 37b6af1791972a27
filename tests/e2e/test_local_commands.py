"""`thingbridge-local` as make calls it: the demo to its end, and the environment from `up` to `down`.

Each command runs in a process of its own, on environments in a directory of this run. What a command does with wrong
input, or without an environment, is in tests/unit/local.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import pytest

from local.demo import STEPS
from local.environment import DESCRIPTION
from local.processes import Running, free_port, group_runs, start, wait_until_ready
from local.things_stack.control.client import Control
from tests import documents
from tests.conftest import FIGURES
from tests.documents import ROOT
from tests.e2e.polling import eventually

pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("local-commands")]

PROGRAM = """
import sys
from pathlib import Path
from local import cli
cli.main(sys.argv[2:], cli.Directories(Path(sys.argv[1])))
"""
OWN_APPLICATION = "own-app"
LONGEST = 400.0
"""Seconds for the longest command, on a machine that runs other tests as well."""


@dataclass(frozen=True)
class Commands:
    """The command, on the environments in a directory."""

    environments: Path
    variables: dict[str, str] = field(default_factory=dict)

    def start(self, *words: str, output: TextIO, errors: TextIO | int = subprocess.STDOUT) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM, str(self.environments), *words]
        # A The Things Stack of the person who runs the tests is not theirs.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TTS_")}
        environment = {**kept, **self.variables}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=errors, text=True)

    def run(self, *words: str, code: int = 0) -> str:
        """What the command prints; it must end with this exit code."""
        file = self.environments / "output"
        with file.open("w") as output:
            process = self.start(*words, output=output)
            ended = process.wait(LONGEST)
        assert ended == code, file.read_text()
        return file.read_text()

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.run("status", "--json")))

    def processes(self, name: str) -> list[Running]:
        """The processes of an environment, as far as they are started."""
        try:
            found = json.loads((self.environments / name / DESCRIPTION).read_text())
        except FileNotFoundError:
            return []
        parts = found["things_stack"]
        described = (found["aws"]["process"], parts["process"], parts["gate"])
        return [Running(**each) for each in described if each]


@pytest.fixture
def commands(tmp_path: Path) -> Any:
    made = Commands(tmp_path)
    yield made
    made.run("down")


def test_the_demo_shows_every_step_ends_with_the_summary_and_leaves_nothing_running(
    commands: Commands, record_property: Any
) -> None:
    file, started = commands.environments / "transcript", time.monotonic()
    with file.open("w") as output:
        process = commands.start("demo", output=output)
        eventually("two processes", lambda: len(commands.processes("demo")) == 2, timeout=60)
        running = commands.processes("demo")
        assert process.wait(LONGEST) == 0, file.read_text()
    transcript = file.read_text()
    record_property(FIGURES, f"demo: {time.monotonic() - started:.0f} s")
    assert re.findall(r"^(\d+) · (.+?) ─+$", transcript, re.MULTILINE) == [
        (str(number), step.title) for number, step in enumerate(STEPS, 1)
    ]
    assert labels(transcript) == labels("\n".join(documents.blocks(documents.read("README.md"), "text")))
    assert ", 0 resources left" in transcript
    assert [each for each in running if group_runs(each.pid)] == []
    assert not (commands.environments / "demo").exists()


def labels(transcript: str) -> list[str]:
    """What the lines of a transcript's summary are about."""
    summary = transcript.partition("Summary")[2].strip("─ \n").partition("\n\n")[0]
    return [re.split(r"\s{2,}", line.strip())[0] for line in summary.splitlines()]


def test_the_commands_of_the_readme_work_between_up_and_down(commands: Commands) -> None:
    shown = [
        shlex.split(line)[1:]
        for block in documents.blocks(documents.read("README.md"), "shell")
        for line in block.splitlines()
        if "thingbridge-local" in line
    ]
    assert [words[0] for words in shown] == ["join", "uplink", "downlink", "watch"]
    *acting, watching = shown

    assert "applied in" in commands.run("up")
    processes = commands.processes("up")
    eventually("the connection of The Things Stack", lambda: states(commands) == ["connected"], timeout=60)
    # With an environment that is up, it applies what has changed: here, nothing.
    assert "applied in" in commands.run("up")
    assert commands.processes("up") == processes
    assert commands.run("status").count("running") == len(processes)

    messages = commands.environments / "messages"
    hint = commands.environments / "hint"
    with messages.open("w") as output, hint.open("w") as errors:
        watch = commands.start(*watching, "--count", "4", "--json", output=output, errors=errors)
        eventually("the subscription", lambda: "watching" in hint.read_text(), timeout=60)
        for words in acting:
            commands.run(*words)
        assert watch.wait(LONGEST) == 0
    thing = acting[-1][1]
    seen = [json.loads(line)["topic"] for line in messages.read_text().splitlines()]
    assert sorted(seen) == sorted(
        ["lorawan/downlink", *(f"lorawan/{thing}/{event}" for event in ("join", "uplink", "downlink/queued"))]
    )

    (listed,) = json.loads(commands.run("things", "--json"))
    assert listed["thingName"] == thing
    assert json.loads(commands.run("thing", thing, "--json"))["shadow"]["fCntUp"] == listed["shadow"]["fCntUp"]
    assert f"export AWS_ENDPOINT_URL={endpoint(commands)}\n" in commands.run("env")

    assert commands.run("down") == "Stopped; nothing is left running.\n"
    assert [each for each in processes if group_runs(each.pid)] == []
    assert commands.run("down") == "Nothing was up.\n"
    assert "no environment is up here" in commands.run("status", code=1)


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    """A The Things Stack that runs already, with an application: the simulation in a process of the test's own."""
    directory = tmp_path_factory.mktemp("own")
    state, log = directory / "state.json", directory / "log"
    command = [sys.executable, "-m", "local.things_stack", "--profile", "open-source", "--state", str(state)]
    process = start("A The Things Stack", command, environment=os.environ, log=log, cwd=ROOT)
    wait_until_ready(process, state.exists, timeout=30)
    control = Control(json.loads(state.read_text())["url"])
    control.create_application(OWN_APPLICATION)
    yield control
    process.stop()


@pytest.mark.parametrize("way", ["mqtt", "webhook"])
def test_a_the_things_stack_of_ones_own_takes_the_place_of_the_simulation(
    tmp_path: Path, own: Control, way: str
) -> None:
    variables = {
        "TTS_URL": f"http://{own.health()['address']}",
        "TTS_APPLICATION": OWN_APPLICATION,
        "TTS_API_KEY": own.create_api_key(OWN_APPLICATION),
    }
    if way == "webhook":
        port = free_port()
        variables |= {"TTS_REACHES": f"http://127.0.0.1:{port}", "TTS_REACHES_PORT": str(port)}
    commands = Commands(tmp_path, variables)
    try:
        shown = commands.run("up")
        assert f"your own, {variables['TTS_URL']}, application {OWN_APPLICATION}" in shown
        assert "thingbridge-local join" not in shown
        # The other commands need no variables.
        commands.variables.clear()
        processes = commands.processes("up")
        assert len(processes) == (2 if way == "webhook" else 1)
        eventually("the integration", lambda: states(commands) == ["configured"], timeout=60)
        assert "is your own" in commands.run("join", "tank-7", code=1)

        own.register_device(OWN_APPLICATION, device_id="tank-7", dev_eui="A81758FFFE0312AB")
        eventually("the connection", lambda: {e["state"] for e in own.integrations.all().values()} == {"connected"}, 60)
        own.network.join(OWN_APPLICATION, "tank-7")
        own.network.uplink(OWN_APPLICATION, "tank-7", f_port=2, frm_payload=b"\x2a")
        eventually("the uplink", lambda: seen(commands), timeout=60)
        commands.run("downlink", "A81758FFFE0312AB", "--hex", "01")
        eventually("the downlink", lambda: own.network.queue(OWN_APPLICATION, "tank-7"), timeout=60)

        assert commands.run("down").endswith("Stopped; nothing is left running.\n")
        assert [each for each in processes if group_runs(each.pid)] == []
        assert own.integrations.all() == {}
        assert list(own.servers["identity"]["devices"]) == [f"{OWN_APPLICATION}/tank-7"]
    finally:
        commands.run("down")


def seen(commands: Commands) -> bool:
    """Whether the shadow of the only thing has its uplink."""
    return [thing["shadow"].get("rssi") is not None for thing in json.loads(commands.run("things", "--json"))] == [True]


def states(commands: Commands) -> list[str]:
    """The states of the integrations that deliver to the environment."""
    return [each["state"] for each in commands.status()["integrations"].values()]


def endpoint(commands: Commands) -> str:
    return str(commands.status()["processes"][0]["address"])
