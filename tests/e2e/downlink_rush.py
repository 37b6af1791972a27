"""Many downlink requests at once: the function's own code in several processes, as Lambda has several sandboxes."""

import base64
import json
import multiprocessing
import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

PROCESSES, THREADS = 3, 3


class Invocation:
    """Lambda's context of a call that has 30 seconds."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (30 - (time.monotonic() - self._started)))


def send(environment: Mapping[str, str], device_ids: Mapping[str, str], count: int) -> int:
    """Request `count` downlinks of devices (DevEUI → device id) in turn, each holding its number in four bytes.

    Returns how many were rejected. The things are named by their DevEUI.
    """
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, spawned, _tell, (environment,)) as pool:
        shares = [range(first, count, PROCESSES) for first in range(PROCESSES)]
        return sum(pool.map(_send_share, [device_ids] * PROCESSES, shares))


def _tell(environment: Mapping[str, str]) -> None:
    os.environ.update(environment)


def _send_share(device_ids: Mapping[str, str], numbers: range) -> int:
    from handlers import downlink
    from thingbridge.aws_iot import data_plane, things

    stack, thing_names = os.environ["STACK_NAME"], list(device_ids)
    rejected: list[Any] = []

    def describe(name: str) -> things.Thing:
        return things.Thing(name, {"devEUI": name, "deviceID": device_ids[name], "stackName": stack})

    # It is about counters: the registry, and answers to senders, are left out to save a third of the calls.
    things.describe = describe
    data_plane.publish = lambda topic, payload: rejected.append(payload)

    def ask(number: int) -> None:
        body = json.dumps({"bytes": base64.b64encode(number.to_bytes(4)).decode()}).encode()
        topic = f"lorawan/{thing_names[number % len(thing_names)]}/downlink/push"
        downlink.handler({"topic": topic, "payload": base64.b64encode(body).decode()}, Invocation())

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, numbers))
    return len(rejected)
