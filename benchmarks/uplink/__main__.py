"""`python -m benchmarks.uplink [UPLINKS]`: what an uplink and a cold start cost, ours beside the plain way.

Uplinks are handled alternately in this process against one local AWS, and starts run alternately in processes of their
own. What is measured is processor time, and a figure only means something beside the other's: the ratios of pairs are
compared with their budgets (budgets.py), and one that is exceeded fails. They are recorded in results/bench.json.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import budgets, results
from benchmarks.results import Spread
from benchmarks.uplink import cold_start, own_work
from benchmarks.uplink.messages import DEV_EUI, STACK, Message
from benchmarks.uplink.plain import PlainHandler
from local.aws import LocalAws

WARM_UP: Final = 20
STARTS: Final = 15
MEMORY: Final = 60.0
"""MB of a process that has started, at most."""

SETTINGS: Final = {
    "IOT_ENDPOINT": "local-ats.iot.eu-west-1.amazonaws.com",
    "STACK_NAME": STACK,
    "THINGS_LOG_GROUP": f"/thethings/lorawan/{STACK}/things",
    "THING_TYPE_NAME": "lorawan",
    "THING_NAME_SCHEME": "DevEUI",
    "DIRECTORY_TABLE": "bench-directory",
    "SHADOW": "{}",
}

PAIRS: Final = {
    "two_calls": ("our calls", "plain calls"),
    "handler": ("our handler", "plain handler"),
    "own_work": ("own work", "json"),
    "cold_start": ("our start", "plain start"),
    "cold_start_https": ("our start, https", "plain start, https"),
}
"""Ratios: what is measured, over what."""


def timed(work: Callable[[Message], object]) -> Callable[[Message], float]:
    """Milliseconds of processor time that the work takes, the kernel's included."""

    def milliseconds(message: Message) -> float:
        began = time.process_time()
        work(message)
        return (time.process_time() - began) * 1000

    return milliseconds


Ways = dict[str, Callable[[Message], float]]
"""What is measured, by name: the milliseconds that an uplink takes."""


def both() -> Ways:
    """Both ways to handle an uplink, and the two calls that both make for it."""
    from handlers import composition, upstream  # reads its environment when it is imported
    from thingbridge.aws.broker import Broker
    from thingbridge.aws.shadows import Shadows
    from thingbridge.shadow.state import SHADOW_NAME

    plain = PlainHandler(STACK)
    broker, shadows = Broker(composition.CLIENTS), Shadows(composition.CLIENTS, SHADOW_NAME)
    state = {"lastSeen": "2026-01-02T03:04:05Z", "fCntUp": 5, "gateways": 3, "rssi": -71, "snr": 8.5}
    document = json.dumps({"state": {"reported": state}})

    def our_calls(message: Message) -> None:
        with broker.publishing(f"lorawan/{DEV_EUI}/uplink", message.raw):
            shadows.report(DEV_EUI, state)

    def plain_calls(message: Message) -> None:
        plain.data.publish(topic=f"lorawan/{DEV_EUI}/uplink", qos=1, payload=message.raw)
        plain.data.update_thing_shadow(thingName=DEV_EUI, shadowName=SHADOW_NAME, payload=document)["payload"].read()

    return {
        "our handler": timed(lambda message: upstream.handler(message.event, None)),
        "plain handler": timed(lambda message: plain(message.body)),
        "our calls": timed(our_calls),
        "plain calls": timed(plain_calls),
    }


def measured(compared: Ways, uplinks: int) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Milliseconds of each way, which alternate; and the calls of our handler."""
    from handlers import composition

    calls: dict[str, int] = {}
    times: dict[str, list[float]] = {name: [] for name in compared}
    for number in track(range(WARM_UP + uplinks), ", ".join(compared), console=Console(stderr=True)):
        for name in sorted(compared, reverse=bool(number % 2)):
            message = Message.numbered(number)
            composition.CLIENTS.take_calls()
            milliseconds = compared[name](message)
            if number < WARM_UP:
                continue
            times[name].append(milliseconds)
            if name == "our handler":
                for operation, count in composition.CLIENTS.take_calls().items():
                    calls[operation] = calls.get(operation, 0) + count
    return times, calls


def ratios(times: Mapping[str, list[float]]) -> dict[str, Spread]:
    """The ratio of each pair, from measurements that were made one after the other."""
    return {
        name: results.spread([mine / other for mine, other in zip(times[ours], times[plain], strict=True)])
        for name, (ours, plain) in PAIRS.items()
    }


def table(milliseconds: Mapping[str, Spread], compared: Mapping[str, Spread], memory: Mapping[str, float]) -> Table:
    """Each pair, its ratio and its budget; then memory."""
    shown = Table("processor time", "measured", "beside", "ratio (quarters)", "budget")
    for name, (ours, plain) in PAIRS.items():
        ratio = compared[name]
        shown.add_row(
            name,
            f"{milliseconds[ours]['median']:.3g} ms ({ours})",
            f"{milliseconds[plain]['median']:.3g} ms ({plain})",
            f"{ratio['median']:.2f} ({ratio['low']:.2f}–{ratio['high']:.2f})",
            f"{budgets.RATIOS.get(name, '')}",
        )
    shown.add_row(
        "memory after the start", f"{memory['ours']:.0f} MB", f"{memory['plain']:.0f} MB", "", f"{MEMORY:.0f}"
    )
    return shown


def main() -> None:
    uplinks = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as directory, LocalAws(Path(directory)) as aws:
        settings = aws.settings() | SETTINGS
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(settings)
        aws.client("iot").create_thing_type(thingTypeName=settings["THING_TYPE_NAME"])
        aws.client("logs").create_log_group(logGroupName=settings["THINGS_LOG_GROUP"])
        aws.client("dynamodb").create_table(
            TableName=settings["DIRECTORY_TABLE"],
            KeySchema=[{"AttributeName": "device", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "device", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        times, calls = measured(both(), uplinks)
        times |= own_work.measured(settings, uplinks)
        starts = cold_start.measured(settings, Path(directory) / "bytecode", STARTS)
    times |= {name: [each.milliseconds for each in taken] for name, taken in starts.items()}
    memory = {
        ours: max(each.peak for name, taken in starts.items() if name.startswith(prefix) for each in taken)
        for ours, prefix in (("ours", "our"), ("plain", "plain"))
    }
    milliseconds = {name: results.spread(taken) for name, taken in times.items()}
    compared = ratios(times)
    Console().print(table(milliseconds, compared, memory))
    results.record("ratios", {name: round(ratio["median"], 3) for name, ratio in compared.items()})
    results.record("spread", compared)
    results.record("milliseconds", milliseconds)
    results.record("uplink", {"memory_mb": memory, "calls": calls, "bytes": len(Message.numbered(1).raw)})
    missed = [each.sentence for each in budgets.verdicts(results.load()) if each.section == "ratios" and not each.holds]
    # The directory is asked again once in KNOWN_FOR, however many uplinks come meanwhile.
    if sum(count for operation, count in calls.items() if operation != "GetItem") > 2 * uplinks:
        missed.append(f"A warm uplink costs more than two calls: {calls}.")
    if memory["ours"] > MEMORY:
        missed.append(f"A process that has started has {memory['ours']:.0f} MB, the budget is {MEMORY:.0f}.")
    if missed:
        sys.exit("\n".join(missed))


if __name__ == "__main__":
    main()
