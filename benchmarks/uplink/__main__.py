"""`python -m benchmarks.uplink [UPLINKS]`: what an uplink and a cold start cost, ours beside the plain way.

Uplinks are handled alternately in this process against one local AWS, and starts run alternately in processes of their
own. What is measured is processor time, and a figure only means something beside the other's: ratios of medians are
compared with their budgets (budgets.py), and one that is exceeded fails. They are recorded in results/bench.json.
"""

import base64
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import budgets, results
from benchmarks.uplink import cold_start
from benchmarks.uplink.plain import PlainHandler
from local.aws import LocalAws

STACK, DEV_EUI, WARM_UP = "bench", "A81758FFFE0312AB", 5
STARTS = 15
OWN_WORK, MEMORY = 0.15, 60.0
"""Milliseconds of our handler beside its two calls, and MB of a process that has started."""

SETTINGS = {
    "IOT_ENDPOINT": "local-ats.iot.eu-west-1.amazonaws.com",
    "STACK_NAME": STACK,
    "THINGS_LOG_GROUP": f"/thethings/lorawan/{STACK}/things",
    "THING_TYPE_NAME": "lorawan",
    "THING_NAME_SCHEME": "DevEUI",
    "DIRECTORY_TABLE": "bench-directory",
    "SHADOW": "{}",
}


def uplink(number: int) -> dict[str, Any]:
    """The uplink with that frame counter, received by three gateways just now: a late one would cost a read more."""
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    return {
        "end_device_ids": {
            "device_id": "tank-7",
            "application_ids": {"application_id": "farm-app"},
            "dev_eui": DEV_EUI,
            "join_eui": "A81758FFFE000001",
            "dev_addr": "260B1C2D",
        },
        "received_at": at,
        "uplink_message": {
            "session_key_id": "AYxyz0ABCDE=",
            "f_port": 2,
            "f_cnt": number,
            "frm_payload": "AQID",
            "rx_metadata": [
                {"gateway_ids": {"gateway_id": f"gw-{each}"}, "rssi": -70 - each, "snr": 8.5 - each}
                for each in range(3)
            ],
            "received_at": at,
        },
    }


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of processor time, the kernel's included."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def ways() -> dict[str, Callable[[dict[str, Any]], None]]:
    """What is compared: an uplink, and the two calls that both ways make for it."""
    from handlers import composition, upstream  # reads its environment when it is imported
    from thingbridge.aws.broker import Broker
    from thingbridge.aws.shadows import Shadows
    from thingbridge.shadow.state import SHADOW_NAME

    plain = PlainHandler(STACK)
    broker, shadows = Broker(composition.CLIENTS), Shadows(composition.CLIENTS, SHADOW_NAME)

    def our_handler(message: dict[str, Any]) -> None:
        payload = base64.b64encode(json.dumps(message).encode()).decode()
        upstream.handler({"topic": f"thethings/lorawan/{STACK}/uplink", "payload": payload}, None)

    def our_calls(message: dict[str, Any]) -> None:
        broker.publish(f"lorawan/{DEV_EUI}/uplink", json.dumps(message).encode())
        shadows.report(DEV_EUI, message["uplink_message"]["rx_metadata"][0])

    def plain_calls(message: dict[str, Any]) -> None:
        document = json.dumps({"state": {"reported": message["uplink_message"]["rx_metadata"][0]}})
        plain.data.publish(topic=f"lorawan/{DEV_EUI}/uplink", qos=1, payload=json.dumps(message))
        plain.data.update_thing_shadow(thingName=DEV_EUI, shadowName=SHADOW_NAME, payload=document)["payload"].read()

    return {"our handler": our_handler, "plain handler": plain, "our calls": our_calls, "plain calls": plain_calls}


def measured(aws: LocalAws, uplinks: int) -> tuple[dict[str, float], dict[str, int]]:
    """Median milliseconds of each way, which alternate; and the calls of our handler."""
    from handlers import composition

    aws.client("iot").create_thing_type(thingTypeName="lorawan")
    aws.client("logs").create_log_group(logGroupName=SETTINGS["THINGS_LOG_GROUP"])
    compared = ways()
    for number in range(WARM_UP):
        for way in compared.values():
            way(uplink(number))
    calls: dict[str, int] = {}
    times: dict[str, list[float]] = {name: [] for name in compared}
    for number in track(range(WARM_UP, WARM_UP + uplinks), "uplinks", console=Console(stderr=True)):
        for name in sorted(compared, reverse=bool(number % 2)):
            message = uplink(number)
            composition.CLIENTS.take_calls()
            times[name].append(timed(lambda name=name, message=message: compared[name](message)))
            if name == "our handler":
                for operation, count in composition.CLIENTS.take_calls().items():
                    calls[operation] = calls.get(operation, 0) + count
    return {name: statistics.median(taken) for name, taken in times.items()}, calls


def main() -> None:
    uplinks = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as directory, LocalAws(Path(directory)) as aws:
        settings = aws.settings() | SETTINGS
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(settings)
        times, calls = measured(aws, uplinks)
        starts = cold_start.measured(settings, Path(directory) / "bytecode", STARTS)
    ratios = {
        "two_calls": times["our calls"] / times["plain calls"],
        "handler": times["our handler"] / times["plain handler"],
        "cold_start": starts["ours"].milliseconds / starts["plain"].milliseconds,
        "cold_start_https": starts["ours_https"].milliseconds / starts["plain_https"].milliseconds,
    }
    own_work = times["our handler"] - times["our calls"]
    memory = max(starts["ours"].peak, starts["ours_https"].peak)
    table = Table("processor time", "ours", "plain", "ratio", "budget")
    for name, ours, plain in (
        ("two_calls", times["our calls"], times["plain calls"]),
        ("handler", times["our handler"], times["plain handler"]),
        ("cold_start", starts["ours"].milliseconds, starts["plain"].milliseconds),
        ("cold_start_https", starts["ours_https"].milliseconds, starts["plain_https"].milliseconds),
    ):
        table.add_row(
            name, f"{ours:.2f} ms", f"{plain:.2f} ms", f"{ratios[name]:.2f}", f"{budgets.RATIOS.get(name, '')}"
        )
    table.add_row("own work", f"{own_work:.2f} ms", "", "", f"{OWN_WORK} ms")
    table.add_row(
        "memory after the start", f"{memory:.0f} MB", f"{starts['plain'].peak:.0f} MB", "", f"{MEMORY:.0f} MB"
    )
    Console().print(table)
    results.record("ratios", {name: round(ratio, 3) for name, ratio in ratios.items()})
    results.record("uplink", {"own_work_ms": round(own_work, 3), "memory_mb": round(memory, 1), "calls": calls})
    assert sum(calls.values()) <= 2 * uplinks, f"a warm uplink costs more than two calls: {calls}"
    exceeded = {name: ratio for name, ratio in ratios.items() if ratio > budgets.RATIOS.get(name, ratio)}
    assert not exceeded, f"over budget: {exceeded}"
    assert own_work <= OWN_WORK, f"own work: {own_work:.3f} ms"
    assert memory <= MEMORY, f"memory: {memory:.0f} MB"


main()
