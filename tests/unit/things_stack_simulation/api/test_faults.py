"""Faults apply to the calls that they are set for, and to no others."""

from __future__ import annotations

import time

import pytest
import requests

from local.things_stack import ThingsStack
from tests.unit.things_stack_simulation.conftest import APP, DEVICE, Client, error_of

DEVICES = f"/applications/{APP}/devices"


def test_the_nth_matching_call_is_answered_with_the_status(simulation: ThingsStack, client: Client) -> None:
    simulation.faults.add(method="GET", path="/devices$", status=503, on_call=2, times=2)
    statuses = [client.call("GET", DEVICES).status_code for _ in range(4)]
    assert statuses == [200, 503, 503, 200]
    assert client.call("GET", f"{DEVICES}/{DEVICE}").status_code == 404


def test_a_429_carries_the_stacks_headers(simulation: ThingsStack, client: Client) -> None:
    simulation.faults.add(path=".", status=429)
    answer = client.call("GET", DEVICES)
    assert error_of(answer) == (429, "pkg/ratelimit:rate_limit_exceeded")
    assert answer.headers["X-Rate-Limit-Available"] == "0"
    assert int(answer.headers["X-Rate-Limit-Reset"]) == 1


def test_a_fault_can_have_its_own_body(simulation: ThingsStack, client: Client) -> None:
    simulation.faults.add(path=".", status=502, body={"bad": "gateway"})
    answer = client.call("GET", DEVICES)
    assert (answer.status_code, answer.json()) == (502, {"bad": "gateway"})


def test_a_reset_ends_the_connection_before_or_after_the_operation(
    simulation: ThingsStack, client: Client, device: str
) -> None:
    simulation.faults.add(method="DELETE", path="/devices/", reset=True)
    with pytest.raises(requests.ConnectionError):
        client.call("DELETE", f"{DEVICES}/{DEVICE}")
    assert (APP, DEVICE) in simulation.servers.identity.devices
    simulation.faults.add(method="DELETE", path="/devices/", reset=True, after=True)
    with pytest.raises(requests.ConnectionError):
        client.call("DELETE", f"{DEVICES}/{DEVICE}")
    assert (APP, DEVICE) not in simulation.servers.identity.devices
    assert [request.status for request in simulation.requests] == [0, 0]


def test_a_delay_postpones_the_operation(simulation: ThingsStack, client: Client) -> None:
    simulation.faults.add(path=".", delay=0.2)
    began = time.monotonic()
    assert client.call("GET", DEVICES).status_code == 200
    assert time.monotonic() - began >= 0.2


def test_cleared_faults_no_longer_apply(simulation: ThingsStack, client: Client) -> None:
    simulation.faults.add(path=".", status=500, times=100)
    simulation.faults.clear()
    assert client.call("GET", DEVICES).status_code == 200


@pytest.mark.parametrize("options", [{}, {"status": 500, "on_call": 0}, {"status": 500, "times": 0}])
def test_a_fault_without_effect_is_rejected(simulation: ThingsStack, options: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        simulation.faults.add(path=".", **options)  # type: ignore[arg-type]
