"""What the tests of devices with certificates of their own share: commands for the stack, and what they hand out."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.app import app
from cli.devices.keys import FILES, SETTINGS
from cli.runtime import Runtime
from tests.e2e.conftest import Bridge

Run = Callable[..., Result]
Credentials = Mapping[str, Any]


def commands(orchard: Bridge, monkeypatch: pytest.MonkeyPatch, runtime: Runtime | None = None) -> Run:
    """Run `thingbridge devices …` for the stack, as in a shell that is configured for this AWS; it must succeed."""
    for name, value in orchard.aws.settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("THINGBRIDGE_STACK", orchard.name)

    def run(*arguments: object) -> Result:
        words = ["devices", *map(str, arguments)]
        done = CliRunner().invoke(app, words, obj=runtime, catch_exceptions=False)
        assert done.exit_code == 0, f"{' '.join(words)}: {done.output}"
        return done

    return run


def read(directory: Path) -> Credentials:
    """The credentials that a command has written to a directory."""
    files = {field: (directory / name).read_text(encoding="utf-8") for name, field in FILES.items()}
    return {**json.loads((directory / SETTINGS).read_text(encoding="utf-8")), **files}
