"""`python -m benchmarks.uplink [UPLINKS]`: our handler and the plain way handle the same uplinks alternately.

Both run in this process against one local AWS, so a figure only means something beside the other's: the number of AWS
calls, which is exact, and the ratio of the medians are compared. It fails when ours costs more than two calls.
"""

import base64
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.uplink.plain import PlainHandler
from local.aws import LocalAws

STACK, DEV_EUI, WARM_UP = "bench", "A81758FFFE0312AB", 5
SETTINGS = {
    "STACK_NAME": STACK,
    "THINGS_LOG_GROUP": f"/thethings/lorawan/{STACK}/things",
    "THING_TYPE_NAME": "lorawan",
    "THING_NAME_SCHEME": "DevEUI",
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


def counting(calls: Counter[str], *clients: Any) -> None:
    """Count every request that leaves one of the clients, by operation."""

    def count(event_name: str, **_: object) -> None:
        calls[event_name.rpartition(".")[2]] += 1

    for client in clients:
        client.meta.events.register("before-send", count)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def measured(aws: LocalAws, uplinks: int) -> dict[str, tuple[float, Counter[str]]]:
    """Median milliseconds and calls of each way; they alternate, and so does the one that begins."""
    from handlers import composition, upstream  # reads its environment when it is imported

    aws.client("iot").create_thing_type(thingTypeName="lorawan")
    aws.client("logs").create_log_group(logGroupName=SETTINGS["THINGS_LOG_GROUP"])
    plain = PlainHandler(STACK)

    def ours(message: dict[str, Any]) -> None:
        payload = base64.b64encode(json.dumps(message).encode()).decode()
        upstream.handler({"topic": f"thethings/lorawan/{STACK}/uplink", "payload": payload}, None)

    ways: dict[str, Callable[[dict[str, Any]], None]] = {"ours": ours, "plain": plain}
    for number in range(WARM_UP):
        for way in ways.values():
            way(uplink(number))
    calls: dict[str, Counter[str]] = {name: Counter() for name in ways}
    counting(calls["ours"], composition.CLIENTS("iot"), composition.CLIENTS("iot-data"))
    counting(calls["plain"], plain.registry, plain.data)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in track(range(WARM_UP, WARM_UP + uplinks), "uplinks", console=Console(stderr=True)):
        for name in sorted(ways, reverse=bool(number % 2)):
            times[name].append(timed(lambda name=name, number=number: ways[name](uplink(number))))
    return {name: (statistics.median(times[name]), calls[name]) for name in ways}


def main() -> None:
    uplinks = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as directory, LocalAws(Path(directory)) as aws:
        os.environ.update(aws.settings() | SETTINGS)
        results = measured(aws, uplinks)
    table = Table("way", "median", "AWS calls per uplink", "which")
    for name, (median, calls) in results.items():
        which = ", ".join(sorted(calls))
        table.add_row(name, f"{median:.1f} ms", f"{sum(calls.values()) / uplinks:.2f}", which)
    Console().print(table)
    ratio = results["plain"][0] / results["ours"][0]
    Console().print(f"The plain way takes {ratio:.2f} times as long, in {uplinks} uplinks each.")
    assert sum(results["ours"][1].values()) <= 2 * uplinks, "a warm uplink costs more than two calls"


main()
