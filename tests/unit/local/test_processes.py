"""Background processes: stopped with everything they started, while processes of others are left alone."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.inspection import eventually
from local.processes import (
    Running,
    StartFailed,
    answers,
    collected,
    free_port,
    interrupts_deferred,
    start,
    start_stamp,
    wait_until_ready,
)

# A leader that starts a worker which ignores SIGTERM, and itself ends on SIGTERM at once.
LEADER = """
import signal, subprocess, sys, pathlib, time
worker = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"],
    stdout=subprocess.PIPE)
worker.stdout.readline()
pathlib.Path("worker").write_text(str(worker.pid))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(60)
"""


THAT_SAVES = """
import pathlib, signal, sys, time
def end(*_):
    time.sleep(0.5)
    pathlib.Path("saved").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path("up").touch()
time.sleep(60)
"""


def launch(directory: Path, code: str) -> Running:
    return start(
        "It", [sys.executable, "-c", code], environment=dict(os.environ), log=directory / "its.log", cwd=directory
    )


def runs(pid: int) -> bool:
    return start_stamp(pid) is not None


def worker_of(directory: Path) -> int:
    """The pid of the worker, once LEADER has started it."""
    file = directory / "worker"
    return int(eventually("the worker", lambda: file.exists() and file.read_text()))


def test_free_ports_are_free_and_differ() -> None:
    first = free_port()
    with socket.create_server(("127.0.0.1", first)):
        assert answers(first)
        assert free_port() != first
    assert not answers(first)


def test_stopping_ends_the_process_and_what_it_started(tmp_path: Path) -> None:
    running = launch(tmp_path, LEADER)
    try:
        worker = worker_of(tmp_path)
        assert running.alive
        assert runs(worker)
    finally:
        running.stop()
    assert not running.alive
    eventually("the worker's end", lambda: not runs(worker), timeout=20)


def test_workers_are_ended_even_when_their_leader_was_killed(tmp_path: Path) -> None:
    running = launch(tmp_path, LEADER)
    worker = worker_of(tmp_path)
    os.kill(running.pid, signal.SIGKILL)
    eventually("the leader's end", lambda: not running.alive, timeout=20)
    running.stop()
    eventually("the worker's end", lambda: not runs(worker), timeout=20)


def test_a_pid_that_was_reused_is_not_signalled(tmp_path: Path) -> None:
    running = launch(tmp_path, "import time; time.sleep(60)")
    try:
        other = replace(running, started="before that")
        assert not other.alive
        other.stop()
        assert running.alive
    finally:
        running.stop()


def test_nothing_is_waited_for_when_there_is_no_time(tmp_path: Path) -> None:
    running = launch(tmp_path, THAT_SAVES)
    eventually("it to be up", (tmp_path / "up").exists, timeout=20)
    running.stop(timeout=0)
    assert not running.alive
    assert not (tmp_path / "saved").exists()


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    running = launch(tmp_path, "import time; time.sleep(60)")
    running.stop()
    running.stop()
    assert not running.alive


def test_a_process_that_dies_while_starting_shows_the_end_of_its_log(tmp_path: Path) -> None:
    running = launch(tmp_path, "print('the port is taken'); raise SystemExit(3)")
    with pytest.raises(StartFailed, match=r"(?s)It ended while it was starting; .*its\.log\):\nthe port is taken"):
        wait_until_ready(running, lambda: False, timeout=20)


def test_a_process_that_is_not_ready_in_time_is_stopped(tmp_path: Path) -> None:
    running = launch(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(StartFailed, match=r"It was not ready within 0\.1 s: if this machine is busy, run the same"):
        wait_until_ready(running, lambda: False, timeout=0.1)
    assert not running.alive


def test_an_empty_log_is_called_empty(tmp_path: Path) -> None:
    running = launch(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(StartFailed, match=r"; its log \(.*its\.log\) is empty$"):
        wait_until_ready(running, lambda: False, timeout=0.1)


# Starts a process that ends with it, and waits.
CALLER = """
import os, pathlib, sys, time
from local.processes import start
code = "from local import processes; import time; processes.end_with_caller(); print('up', flush=True); time.sleep(60)"
here = pathlib.Path.cwd()
log, command = here / "it.log", [sys.executable, "-c", code]
it = start("It", command, environment=os.environ, log=log, cwd=here, ends_with_caller=True)
while "up" not in it.log_tail():
    time.sleep(0.02)
(here / "worker").write_text(str(it.pid))
time.sleep(60)
"""


def test_a_process_that_ends_with_its_caller_ends_when_the_caller_is_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    caller = start(
        "The caller", [sys.executable, "-c", CALLER], environment=environment, log=tmp_path / "log", cwd=tmp_path
    )
    try:
        worker = worker_of(tmp_path)
        assert runs(worker)
        os.kill(caller.pid, signal.SIGKILL)
        eventually("its end", lambda: not runs(worker))
    finally:
        caller.stop()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Python's own handler of Ctrl-C. A shell starts background commands, perhaps this run, with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_a_process_is_started_comes_once_it_is_known() -> None:
    known: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted_before(lambda: known.append(True))
    assert known == [True]


def interrupted_before(then: Callable[[], None]) -> None:
    with interrupts_deferred():
        signal.raise_signal(signal.SIGINT)
        then()


def test_a_process_whose_start_was_interrupted_is_collected_all_the_same(tmp_path: Path) -> None:
    before = launch(tmp_path, LEADER)
    with collected() as found, collected() as inner:
        running = launch(tmp_path, LEADER)
    assert found == inner == [running]
    for each in (before, running):
        each.stop()
