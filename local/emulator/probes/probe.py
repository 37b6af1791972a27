"""What a probe is: a sentence about AWS that this project relies on, and a check that it holds in the emulator."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from local.emulator.probes.account import Account

Seen = TypeVar("Seen")
Check = Callable[[Account], None]


@dataclass(frozen=True)
class Probe:
    """One fact. `check` raises, usually AssertionError, when it does not hold; it needs nothing of other probes."""

    fact: str
    check: Check

    @property
    def name(self) -> str:
        """The name of the check, for test ids."""
        return self.check.__name__


@dataclass(frozen=True)
class Outcome:
    """The result of one probe; `failure` is "" when the fact holds."""

    fact: str
    failure: str
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether the emulator behaves as the fact says."""
        return not self.failure


def run(probe: Probe, account: Account) -> Outcome:
    """Check one fact; whatever is raised is the failure."""
    started = time.monotonic()
    try:
        probe.check(account)
    except Exception as error:
        failure = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    else:
        failure = ""
    return Outcome(probe.fact, failure, time.monotonic() - started)


def eventually(what: str, look: Callable[[], Seen], timeout: float = 20.0) -> Seen:
    """Look until something (a true value) is seen; AssertionError, naming it, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not seen within {timeout:g} s: {what}"
        time.sleep(0.05)
    return seen


def expect(condition: object, actual: object) -> None:
    """AssertionError that shows what was seen, unless the condition is true."""
    assert condition, f"got {actual!r}"


def refused(call: Callable[[], object], code: str) -> None:
    """Call an AWS operation that must be refused with this error code."""
    try:
        answer = call()
    except Exception as error:
        actual = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        if actual != code:
            raise
        return
    raise AssertionError(f"{code} expected, got {answer!r}")
