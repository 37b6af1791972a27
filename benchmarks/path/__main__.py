"""`python -m benchmarks.path [THINGS …]`: latency and throughput of the whole local path, with so many things.

A stack that is applied to the local AWS passes on uplinks of simulated devices. Latency is that of uplinks one after
the other, and its parts follow from the times at which the local AWS recorded what each uplink caused. Throughput is
that of several devices which send without a pause. Neither may depend on the number of things in the registry: the
ratio of the largest to the smallest is compared with its budget. Milliseconds are this machine's, not those of AWS.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks import budgets, results
from benchmarks.costs.one_stack import APPLICATION, PATIENCE, OneStack
from local.inspection import eventually
from local.metering import Event, capability_of

SIZES: Final = (100, 10_000, 100_000)
LATENCIES: Final = 150
DEVICES: Final = 4
EACH: Final = 50
WARM_UP: Final = 20
AT_ONCE: Final = 1_000
CHOICES: Final[Mapping[str, Any]] = {
    "ingest": {"mode": "pubsub", "pubsub": {"has_aws_iot_provider": True}},
    "shadow": {},
    # The things that fill the registry would pass through the stack's queue.
    "enable_registry_events": False,
}

PERCENTS: Final = (10, 50, 95, 99)
PARTS: Final = ("The Things Stack", "broker and rule", "start of the invocation", "function to subscriber")


class Sender:
    """A simulated device whose uplinks are awaited on its public topic."""

    def __init__(self, one: OneStack, number: int) -> None:
        self._one, self.device_id, dev_eui = one, f"sender-{number}", f"A81758FFFE05{number:04X}"
        self._topic = f"lorawan/{dev_eui}/uplink"
        one.things_stack.register_device(
            APPLICATION,
            device_id=self.device_id,
            dev_eui=dev_eui,
            join_eui="A81758FFFE000001",
            app_key="0123456789ABCDEF0123456789ABCDEF",
        )
        one.topics.subscribe(self._topic)
        one.things_stack.network.join(APPLICATION, self.device_id)

    def send(self) -> tuple[float, float]:
        """Send an uplink; returns when it was sent and when it arrived (Unix seconds)."""
        seen = len(self._one.topics.messages())
        began = time.time()
        self._one.things_stack.network.uplink(APPLICATION, self.device_id, f_port=2, frm_payload=b"\1\2\3", gateways=3)
        self._one.topics.wait_for(self._topic, after=seen, timeout=PATIENCE)
        return began, time.time()


def parts(sent: Sequence[tuple[float, float]], events: Sequence[Event], stack_name: str) -> Iterator[list[float]]:
    """Milliseconds of each of PARTS for each uplink, of uplinks that were sent one after the other."""
    published = [event["at"] for event in events if event["kind"] == "mqtt"]
    acted = [event["at"] for event in events if event["kind"] == "action"]
    # An invocation is recorded when it has ended.
    invoked = sorted(
        event["at"] - event["milliseconds"] / 1000
        for event in events
        if event["kind"] == "invocation" and capability_of(event, stack_name) == "upstream"
    )
    for (began, arrived), *between in zip(sent, published, acted, invoked, strict=True):
        times = (began, *between, arrived)
        yield [max(0.0, later - earlier) * 1000 for earlier, later in itertools.pairwise(times)]


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """p10, p50, p95 and p99."""
    cut = statistics.quantiles(values, n=100, method="inclusive")
    return {f"p{percent}": round(cut[percent - 1], 2) for percent in PERCENTS}


def measured(one: OneStack, senders: Sequence[Sender]) -> dict[str, Any]:
    """Quantiles of the latency and of its parts in milliseconds, and uplinks per second."""
    for _ in range(WARM_UP):
        senders[0].send()
    eventually("the end of the uplinks before", lambda: one.meter.is_quiet(1.0), PATIENCE)
    mark = one.meter.mark()
    sent = []
    for _ in range(LATENCIES):
        sent.append(senders[0].send())
        time.sleep(0.02)  # The function writes the shadow meanwhile: the next uplink finds it ready.
    eventually("the end of these uplinks", lambda: one.meter.is_quiet(1.0, mark), PATIENCE)
    by_part = list(zip(*parts(sent, one.meter.since(mark), one.meter.stack_name), strict=True))
    began = time.monotonic()
    with ThreadPoolExecutor(len(senders)) as pool:
        list(pool.map(lambda sender: [sender.send() for _ in range(EACH)], senders))
    seconds = time.monotonic() - began
    return {
        "whole": quantiles([(arrived - sent_at) * 1000 for sent_at, arrived in sent]),
        "parts": {name: quantiles(values) for name, values in zip(PARTS, by_part, strict=True)},
        "uplinks_per_second": round(len(senders) * EACH / seconds, 1),
    }


def fill(one: OneStack, first: int, end: int) -> None:
    """Create things, of other devices, as many as are missing."""
    for begin in range(first, end, AT_ONCE):
        numbers = range(begin, min(begin + AT_ONCE, end))
        one.aws.create_things(
            {f"filler-{each}": {"devEUI": f"70B3D57ED0{each:06X}", "stackName": "another"} for each in numbers}
        )


def table(found: Mapping[str, Mapping[str, Any]]) -> Table:
    """The quantiles of each part, and the throughput, by the number of things."""
    shown = Table("things", "", *(f"p{percent}" for percent in PERCENTS), title="milliseconds, on this machine")
    for size, each in found.items():
        for name, values in (("whole path", each["whole"]), *each["parts"].items()):
            shown.add_row(f"{int(size):,}", name, *(f"{value:.1f}" for value in values.values()))
        shown.add_row(f"{int(size):,}", f"uplinks per second, {DEVICES} devices", f"{each['uplinks_per_second']:.1f}")
    return shown


def main() -> None:
    sizes = sorted(int(each) for each in sys.argv[1:]) or list(SIZES)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as directory, OneStack.running(Path(directory)) as one:
        one.apply(CHOICES)
        senders = [Sender(one, number) for number in range(DEVICES)]
        filled = 0
        for size in sizes:
            fill(one, filled, size)
            filled = size
            found[str(size)] = measured(one, senders)
            results.record("path", {str(size): found[str(size)]})
    Console().print(table(found))
    # Of the fastest tenth: what else the machine did meanwhile shows least in it.
    growth = found[str(sizes[-1])]["whole"]["p10"] / found[str(sizes[0])]["whole"]["p10"]
    results.record("growth", {"path": round(growth, 3)})
    missed = [each.sentence for each in budgets.verdicts(results.load()) if each.section == "growth" and not each.holds]
    if missed:
        sys.exit("\n".join(missed))


if __name__ == "__main__":
    main()
