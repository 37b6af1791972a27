"""`make e2e-account`: applies the module to an AWS account that the environment names, plays the whole way between
devices on the air, The Things Stack and AWS, and removes what it made. `clean` removes what an earlier run left."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.account.run import ACCOUNT, Account, Run, Say, Unusable, of_account
from tests.conftest import ON_ACCOUNT
from tests.contract import remote
from tests.contract.remote import Remote, Settings
from tests.contract.report import FILES, Report
from tests.contract.subject import Subject
from tests.contract.whole import Bridge, application_of, bridged

OPTIONS = ("-q", "--no-header", "--no-summary", "--tb=line")
INTERRUPTED, UNUSABLE = 130, 2


class OnAccount:
    """The plugin that hands the applied stack to the tests of tests/contract."""

    def __init__(self, account: Account, authority: str, say: Say) -> None:
        self._account, self._authority, self._say = account, authority, say
        self.run: Run | None = None

    @contextmanager
    def bridge(self, subject: Subject) -> Iterator[Bridge]:
        """The module, applied to the account with an application of its own."""
        application = application_of(subject)
        self.run = Run.begin(self._account, os.environ, application, self._authority)
        self._say(f"The stack is {self.run.stack_name}, in {self.run.directory}")
        with bridged(subject, application, self.run) as bridge:
            yield bridge


class _Named:
    """Registers the plugins by the names under which the tests look for them."""

    def __init__(self, **plugins: Any) -> None:
        self._plugins = plugins

    def pytest_configure(self, config: pytest.Config) -> None:
        for name, plugin in self._plugins.items():
            config.pluginmanager.register(plugin, name)


def main(arguments: Sequence[str]) -> int:
    """0: everything holds, and nothing is left; 1: it does not; 2: it can't be played; 130: interrupted."""
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)
    say = partial(console.print, soft_wrap=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ[ON_ACCOUNT] = "1"
    try:
        if arguments[:1] == ["clean"]:
            return clean(say, sure="--yes" in arguments)
        return play(console, say)
    except (Unusable, remote.Unusable) as error:
        say(str(error), style="red")
        return UNUSABLE
    except KeyboardInterrupt:
        return INTERRUPTED


def play(console: Console, say: Say) -> int:
    """Apply, play, remove."""
    settings = Settings.of(os.environ)
    account = Account.named(os.environ)
    before = account.account_wide()
    on_account = OnAccount(account, settings.ca_certificate, say)
    with Remote(settings) as things_stack:
        say(f"Playing on the account {os.environ[ACCOUNT]} in {account.region}, with {things_stack.url}. What is "
            "created is removed at the end.")  # fmt: skip
        report = Report(things_stack)
        files = [str(Path(__file__).parents[1] / "contract" / FILES[layer]) for layer in ("account", "whole")]
        try:
            ended = pytest.main([*OPTIONS, *files], plugins=[_Named(contract=report, account=on_account)])
        finally:
            gone = on_account.run is None or on_account.run.end(say)
    report.show(console)
    for left in things_stack.left:
        say(f"Not removed from The Things Stack: {left}")
    for name, after in account.account_wide().items():
        if after != before[name]:
            say(f"The account's {name} were {before[name]} and are {after}: they are shared, so they stay.")
    if not gone:
        say("Something is left: `make e2e-account-clean` lists it again.")
    if ended is pytest.ExitCode.INTERRUPTED:
        return INTERRUPTED
    return 0 if gone and not things_stack.left and ended is pytest.ExitCode.OK else 1


def clean(say: Say, *, sure: bool) -> int:
    """List what earlier runs left, and remove it if the person is sure."""
    account = Account.named(os.environ)
    runs = list(of_account(account, os.environ[ACCOUNT].strip()))
    if not runs:
        say("No run has left anything here.")
    ended = [run.end(say, sure=sure) for run in runs]
    if runs and not sure:
        say("Nothing was removed: `make e2e-account-clean YES=1` destroys these stacks and removes what is listed.")
    return 0 if all(ended) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
