"""`make emulator`: checks what this project relies on in the emulator, and prints a table with its version."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.aws import LocalAws
from local.bootstrap import EMULATOR
from local.emulator.probes import PROBES, Account, Outcome, Probe, run
from local.processes import StartFailed

AT_ONCE = 6


def main(console: Console | None = None) -> int:
    """Start an emulator, check every fact, print the table; 0 when all of them hold."""
    out = console or Console()
    with tempfile.TemporaryDirectory(prefix="emulator-") as directory:
        try:
            with LocalAws(Path(directory)) as aws:
                return report(out, version(), PROBES, Account(aws))
        except StartFailed as failure:
            out.print(f"[bold red]✗[/] {escape(str(failure))}", soft_wrap=True)
            return 1


def report(out: Console, emulator: str, probes: Sequence[Probe], account: Account) -> int:
    """Check these facts, several at once, and print the table; 0 when all of them hold, 1 otherwise."""
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda probe: run(probe, account), probes))
    out.print(table(outcomes))
    broken = sum(not outcome.holds for outcome in outcomes)
    seconds = time.monotonic() - started
    summary = f"{emulator}: {len(outcomes) - broken} of {len(outcomes)} facts hold ({seconds:.0f} s)"
    out.print(f"[bold red]{summary}[/]" if broken else f"[bold green]{summary}[/]", highlight=False)
    return 1 if broken else 0


def table(outcomes: Sequence[Outcome]) -> Table:
    """Each fact, whether it holds, and what was seen instead."""
    made = Table("Fact", "", "s")
    for outcome in outcomes:
        text = escape(outcome.fact) + (f"\n[red]{escape(outcome.failure)}[/]" if outcome.failure else "")
        made.add_row(text, "[green]✓[/]" if outcome.holds else "[bold red]✗[/]", f"{outcome.seconds:.1f}")
    return made


def version() -> str:
    """The name and version of the emulator that is installed, as "ministack 1.5.33"."""
    code = "import importlib.metadata as m; print('ministack', m.version('ministack'))"
    return subprocess.run([EMULATOR.python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
