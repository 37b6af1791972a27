"""Background processes: free ports, starting, and stopping together with everything they started.

What the processes are (ministack, the simulated Things Stack) is known in local/aws.py and
local/environment.py.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
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

    `started` is the system's own start stamp: together with the pid it names the process for ever, so that
    a pid that was given to somebody else's process since then is never signalled.
    """

    name: str
    pid: int
    started: str
    log: str

    @property
    def alive(self) -> bool:
        """Whether exactly this process still runs."""
        return start_stamp(self.pid) == self.started

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of its log; "" when there is none."""
        try:
            return "\n".join(Path(self.log).read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def stop(self, timeout: float = 1.0) -> None:
        """Ask its whole group to end, wait, then insist. Does nothing when it is gone already.

        A second is enough: nothing that is started here has anything to save, and ministack would wait for
        its clients' open connections.
        """
        if self.alive:
            _signal_group(self.pid, signal.SIGTERM)
            _wait(lambda: not self.alive, timeout)
        # What the leader left behind (workers) is in its group still, which keeps its number to the last.
        if _group_exists(self.pid) and not _pid_is_somebody_elses(self):
            _signal_group(self.pid, signal.SIGKILL)
            _wait(lambda: not _group_exists(self.pid), 5.0)


def start(name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path, cwd: Path) -> Running:
    """Start a command in the background, its output appended to `log`; returns at once."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[process.pid] = process
    stamp = start_stamp(process.pid)
    return Running(name, process.pid, stamp or "", str(log))


def wait_until_ready(running: Running, ready: Callable[[], bool], timeout: float) -> None:
    """Wait until `ready()`; raises StartFailed (and stops it) when it ends before that or takes too long."""
    _wait(lambda: not running.alive or ready(), timeout)
    if running.alive and ready():
        return
    reason = f"was not ready within {timeout:g} s" if running.alive else "ended while it was starting"
    running.stop()
    raise StartFailed(f"{running.name} {reason}; the end of its log ({running.log}):\n{running.log_tail()}")


# Children of this process must be reaped by it, or they stay as zombies that look alive.
_children: dict[int, subprocess.Popen[bytes]] = {}


def start_stamp(pid: int) -> str | None:
    """When the process was started, in the system's words; None when it does not run (a zombie does not)."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        return None
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            # The command name, in parentheses, may hold spaces; then the state, …, the start in clock ticks.
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def _pid_is_somebody_elses(running: Running) -> bool:
    stamp = start_stamp(running.pid)
    return stamp is not None and stamp != running.started


def _group_exists(group: int) -> bool:
    child = _children.get(group)
    if child is not None:
        child.poll()
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False
    return True


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
