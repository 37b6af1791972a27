"""Requests to the downlink queue of the device, shared by the tests of the network."""

from __future__ import annotations

from typing import Any

from local.things_stack import ThingsStack
from tests.unit.things_stack_simulation.conftest import APP, DEVICE, Client

DOWN = f"/as/applications/{APP}/devices/{DEVICE}/down"


def push(client: Client, *items: dict[str, Any], how: str = "push") -> Any:
    return client.call("POST", f"{DOWN}/{how}", {"downlinks": list(items)})


def kinds(simulation: ThingsStack) -> list[str]:
    return [published.kind for published in simulation.network.published]
