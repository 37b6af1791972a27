"""Background processes: free ports, starting, and stopping together with everything they started.

What the processes are (ministack, the simulated Things Stack) is decided in local/aws.py and local/environment.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOCALHOST = "127.0.0.1"


class StartFailed(Exception):
    """A process ended, or did not answer, while it was started; the message holds the end of its log."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now, chosen by the operating system."""
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        return int(probe.getsockname()[1])


def answers(port: int, timeout: float = 0.2) -> bool:
    """Whether something listens on this port of 127.0.0.1."""
    try:
        with socket.create_connection((LOCALHOST, port), timeout):
            return True
    except OSError:
        return False


@dataclass(frozen=True)
class Running:
    """A background process that leads a process group of its own.

    `started` is the system's own start stamp. Together with the pid it identifies the process for good: a pid that
    has been reused by another process since then is never signalled.
    """

    name: str
    pid: int
    started: str
    log: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return start_stamp(self.pid) == self.started

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of its log; "" when there is none."""
        try:
            return "\n".join(Path(self.log).read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def stop(self, timeout: float = 1.0) -> None:
        """Ask its whole group to end, wait up to `timeout` seconds, then kill what is left. Harmless when it is gone.

        A second is enough: nothing that is started here has anything to save.
        """
        if self.alive:
            _signal_group(self.pid, signal.SIGTERM)
            _wait(lambda: not self.alive, timeout)
        # What the leader left behind (workers) is still in its group, which keeps its number until the last has ended.
        if group_runs(self.pid) and not _pid_was_reused(self):
            _signal_group(self.pid, signal.SIGKILL)
            _wait(lambda: not group_runs(self.pid), 5.0)


def start(
    name: str,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    cwd: Path,
    ends_with_caller: bool = False,
) -> Running:
    """Start a command in the background, its output appended to `log`; returns at once.

    `ends_with_caller`: it ends when this process does, however that ends; it has to call `end_with_caller`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output, interrupts_deferred():
        process = subprocess.Popen(
            list(command),
            env={**environment, **({_ENDS_WITH_CALLER: "1"} if ends_with_caller else {})},
            cwd=cwd,
            stdin=subprocess.PIPE if ends_with_caller else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _children[process.pid] = process
        running = Running(name, process.pid, start_stamp(process.pid) or "", str(log))
        for each in _collectors:
            each.append(running)
    return running


@contextlib.contextmanager
def collected() -> Iterator[list[Running]]:
    """The processes that are started within the block, also those whose start was interrupted."""
    found: list[Running] = []
    _collectors.append(found)
    try:
        yield found
    finally:
        _collectors.pop()


_ENDS_WITH_CALLER = "THINGBRIDGE_ENDS_WITH_CALLER"


def end_with_caller() -> None:
    """For a process that was started with `ends_with_caller`: end its group as soon as the caller is gone.

    The caller holds the other end of its standard input, which the system closes. Harmless in any other process.
    """
    if os.environ.pop(_ENDS_WITH_CALLER, None):
        threading.Thread(target=_wait_for_the_end_of_input, name="caller", daemon=True).start()


def _wait_for_the_end_of_input() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


@contextlib.contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Ctrl-C and SIGTERM take effect at the end of the block, so that what it starts is known by then.

    A handler in Python, which a new process does not inherit, rather than ignored signals, which it would.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    before = {number: signal.signal(number, lambda number, _frame: seen.append(number)) for number in _INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if seen:
            os.kill(os.getpid(), seen[0])


_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


START_SECONDS = 120.0
"""How long a process may take to start. One that ends is noticed at once, so only a busy machine takes that long."""


def wait_until_ready(running: Running, ready: Callable[[], bool], timeout: float = START_SECONDS) -> None:
    """Wait until `ready()`; stops it and raises StartFailed when it ends before that or takes too long."""
    _wait(lambda: not running.alive or ready(), timeout)
    if running.alive and ready():
        return
    reason = (
        f"was not ready within {timeout:g} s: if this machine is busy, run the same command again"
        if running.alive
        else "ended while it was starting"
    )
    running.stop()
    tail = running.log_tail()
    log = f"the end of its log ({running.log}):\n{tail}" if tail else f"its log ({running.log}) is empty"
    raise StartFailed(f"{running.name} {reason}; {log}")


# Children of this process must be reaped by it, or they stay as zombies that look alive.
_children: dict[int, subprocess.Popen[bytes]] = {}
_collectors: list[list[Running]] = []


def start_stamp(pid: int) -> str | None:
    """When the process was started, as the system writes it; None when it does not run (a zombie does not)."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        return None
    if _PROC.joinpath("self").exists():
        state = _proc_stat(pid)
        return state[_START_TICKS] if state and state[_STATE] not in "ZX" else None
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def group_runs(group: int) -> bool:
    """Whether any process of the group runs. Zombies, which their new parent may take a second to reap, don't."""
    child = _children.get(group)
    if child is not None:
        child.poll()
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    if not _PROC.joinpath("self").exists():
        return True
    states = (_proc_stat(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return any(state[_GROUP] == str(group) and state[_STATE] not in "ZX" for state in states if state)


_PROC = Path("/proc")
# Fields of /proc/<pid>/stat, counted after the command name.
_STATE, _GROUP, _START_TICKS = 0, 2, 19


def _proc_stat(pid: int | str) -> list[str]:
    """The fields of /proc/<pid>/stat after the command name (in parentheses, it may hold spaces); empty when gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _pid_was_reused(running: Running) -> bool:
    stamp = start_stamp(running.pid)
    return stamp is not None and stamp != running.started


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _wait(condition: Callable[[], bool], timeout: float, interval: float = 0.03) -> bool:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True
