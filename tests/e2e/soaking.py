"""What a soak needs: traffic whose ends are known, functions that are killed, and the memory of their processes."""

import os
import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.conftest import Bridge

FAULTY = (500, 503, 429, 504)


def processes(bridge: Bridge) -> dict[int, str]:
    """The processes of a stack's functions in the local AWS: pid → function."""
    names = {name: function for function, name in bridge.outputs["function_names"].items() if name}
    found: dict[int, str] = {}
    group = bridge.aws.process.pid if bridge.aws.process else None
    for each in Path("/proc").glob("[0-9]*"):
        try:
            command = (each / "cmdline").read_bytes().decode(errors="replace")
            if "/ministack-lambda-" not in command or os.getpgid(int(each.name)) != group:
                continue
        except OSError:
            continue
        for name, function in names.items():
            if f"/ministack-lambda-{name}-" in command:
                found[int(each.name)] = function
    return found


def kill_functions(bridge: Bridge, *functions: str, at_most: int = 100) -> int:
    """Kill processes of these functions, of any if none is given; returns how many."""
    running = [pid for pid, function in processes(bridge).items() if function in functions or not functions]
    killed = 0
    for pid in random.sample(running, min(at_most, len(running))):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        killed += 1
    return killed


def megabytes(pid: int) -> float | None:
    """The memory that a process keeps, None if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass
class Chaos:
    """Kills functions and lets The Things Stack fail, at random, until it is stopped."""

    bridge: Bridge
    killed: int = 0
    failed: int = 0
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        started = time.monotonic()
        while not self._over.wait(random.uniform(0.5, 2.5)):
            for pid, function in processes(self.bridge).items():
                if (size := megabytes(pid)) is not None:
                    self.memory[function].append((time.monotonic() - started, size))
            if random.random() < 0.4:
                self.killed += kill_functions(self.bridge, at_most=1)
            else:
                self._fail()

    def _fail(self) -> None:
        """A fault of a server for some calls: an error, a slow answer, a connection that ends before or after it."""
        fault = random.choice(
            [{"status": random.choice(FAULTY)}, {"delay": 2.0}, {"reset": True}, {"reset": True, "after": True}]
        )
        path = random.choice(["/applications/[^/]+/devices", "/js/", "/ns/", "/as/", "/down/"])
        self.bridge.things_stack.faults.add(path=f"{path}", times=random.randint(1, 4), **fault)
        self.failed += 1

    def stop(self) -> None:
        self._over.set()
        self.bridge.things_stack.faults.clear()

    def grown(self) -> dict[str, tuple[float, float]]:
        """The most memory that each function had in the first half of the time, and in the last third.

        The most, because processes differ: one that has not needed boto3 yet is a third smaller.
        """
        found = {}
        for function, samples in self.memory.items():
            end = samples[-1][0]
            first = [size for at, size in samples if at <= end / 2]
            last = [size for at, size in samples if at >= 2 * end / 3]
            if len(first) > 5 and len(last) > 5:
                found[function] = max(first), max(last)
        return found


@contextmanager
def chaos(bridge: Bridge) -> Iterator[Chaos]:
    """Chaos while the block runs."""
    made = Chaos(bridge)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.stop()
        thread.join(timeout=30)


@contextmanager
def soon_again(bridge: Bridge, seconds: int) -> Iterator[None]:
    """What a killed function had received comes back after so many seconds, not after a multiple of its timeout."""
    sqs, before = bridge.aws.client("sqs"), dict[str, str]()
    for name, url in bridge.outputs["queue_urls"].items():
        if url and not name.endswith(("_failures", "_dead_letters")):
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
            before[url] = answer["Attributes"]["VisibilityTimeout"]
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(seconds)})
    try:
        yield
    finally:
        for url, timeout in before.items():
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": timeout})


def repeatedly(act: Callable[[], None], until: float) -> threading.Thread:
    """A thread that acts again and again until a time (monotonic seconds)."""

    def run() -> None:
        while time.monotonic() < until:
            act()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
