"""Many downlink requests at once: the function's own code in several processes, as Lambda has several instances."""

import base64
import json
import multiprocessing
import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from handlers import composition
from thingbridge.aws.clients import Clients

PROCESSES, THREADS = 3, 3


class Invocation:
    """Lambda's context of an invocation that has 30 seconds."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (30 - (time.monotonic() - self._started)))


class Account(Clients):
    """Clients of the account, whose registry and broker answer from memory: that saves a third of the calls.

    The rush is about counters. `rejected`: the answers to senders.
    """

    def __init__(self, stack_name: str, device_ids: Mapping[str, str]) -> None:
        super().__init__()
        self._stack_name, self._device_ids = stack_name, device_ids
        self.rejected: list[bytes] = []

    def __call__(self, service: str) -> Any:
        return self if service in ("iot", "iot-data") else super().__call__(service)

    def describe_thing(self, *, thingName: str) -> dict[str, Any]:  # noqa: N803
        ids = {"devEUI": thingName, "deviceID": self._device_ids[thingName]}
        return {"thingName": thingName, "attributes": {"stackName": self._stack_name, **ids}}

    def publish(self, *, payload: bytes, **_: Any) -> None:
        self.rejected.append(payload)


def send(environment: Mapping[str, str], device_ids: Mapping[str, str], count: int) -> int:
    """Request `count` downlinks of devices (DevEUI → device id) in turn, each with its number in four bytes.

    Returns how many were rejected. The things are named by their DevEUI.
    """
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, spawned, _configure, (environment,)) as pool:
        shares = [range(first, count, PROCESSES) for first in range(PROCESSES)]
        return sum(pool.map(_send_share, [device_ids] * PROCESSES, shares))


def _configure(environment: Mapping[str, str]) -> None:
    os.environ.update(environment)


def _send_share(device_ids: Mapping[str, str], numbers: range) -> int:
    account, thing_names = Account(os.environ["STACK_NAME"], device_ids), list(device_ids)
    order = composition.downlink(os.environ, account)

    def request(number: int) -> None:
        body = json.dumps({"bytes": base64.b64encode(number.to_bytes(4)).decode()}).encode()
        topic = f"lorawan/{thing_names[number % len(thing_names)]}/downlink/push"
        event = {"topic": topic, "payload": base64.b64encode(body).decode()}
        order(Invocation()).flow(event).handle(event, repeated=False)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(request, numbers))
    return len(account.rejected)
