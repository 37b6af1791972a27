"""How results reach people and programs: tables or JSON on standard output, all else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from thingbridge.registry.attributes import SECRETS

HIDDEN: Final = "hidden, --show-keys shows it"
_WIDE: Final = 160
"""Columns of a pipe or a build's log, which have no width: enough that no table is cut."""


def out() -> Console:
    """Standard output as it is now; a test or a caller may have replaced it."""
    return Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else _WIDE)


def err() -> Console:
    """Standard error as it is now."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _WIDE)


def say(text: str) -> None:
    """A line for a person, which is not part of the result."""
    err().print(escape(text), soft_wrap=True)


def print_json(value: Any) -> None:
    """The result for a program."""
    typer.echo(json.dumps(value, indent=2))


def shown(attributes: Mapping[str, str], *, keys: bool) -> dict[str, str | None]:
    """Attributes with None for keys and claim codes, unless `keys`: their presence may be seen."""
    return {name: None if name in SECRETS and not keys else value for name, value in sorted(attributes.items())}


def progress(*, quiet: bool) -> Progress:
    """A bar on standard error that leaves nothing behind; none if it is not a terminal."""
    console = err()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
