"""`make contract`: plays the contract on a The Things Stack that the environment names, and reports what it keeps."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from tests.contract.remote import Remote, Settings, Unusable
from tests.contract.report import FILES, Report

OPTIONS = ("-q", "--no-header", "--no-summary", "--tb=line")
INTERRUPTED, UNUSABLE = 130, 2


def main() -> int:
    """0: the contract is kept, 1: it is not, 2: it can't be played, 130: interrupted."""
    # A file has no width: this is wide enough for a reason beside its line.
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)
    say = partial(console.print, soft_wrap=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = Settings.of(os.environ)
        remote, here = Remote(settings), Path(__file__).parent
        with remote:
            say(f"Playing the contract on {remote.url}. What is created there is removed at the end.")
            report = Report(remote)
            ended = pytest.main(
                [*OPTIONS, *(str(here / FILES[layer]) for layer in settings.layers)], plugins=[_Named(report)]
            )
    except Unusable as error:
        say(str(error), style="red")
        return UNUSABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    for left in remote.left:
        say(f"Not removed: {left}", style="yellow")
    report.show(console)
    if path := os.environ.get("REPORT"):
        report.write(Path(path))
    if ended is pytest.ExitCode.INTERRUPTED:
        return INTERRUPTED
    return 1 if report.broken or remote.left or ended not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) else 0


class _Named:
    """Registers the report by the name under which the tests look for it."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self._report, "contract")


if __name__ == "__main__":
    sys.exit(main())
