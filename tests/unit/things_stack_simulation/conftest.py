"""A simulated Things Stack per test and an HTTP client for it. No product code: the simulation is under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from local.things_stack import ThingsStack

APP, DEVICE = "farm-app", "tank-7"
DEV_EUI, JOIN_EUI = "A81758FFFE0312AB", "A81758FFFE000001"
API = "/api/v3"


class Client:
    """Sends requests with a bearer key; `call` returns every answer, `json` the body of a successful one."""

    def __init__(self, simulation: ThingsStack, token: str | None) -> None:
        self.simulation, self.token = simulation, token
        self.session = requests.Session()
        self.session.trust_env = False

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"{self.simulation.url}{API}{path}"
        return self.session.request(method, url, params=query, json=body, headers=headers, timeout=10)

    def json(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self.call(method, path, body, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def set_device(
        self, server: str, body: dict[str, Any], paths: list[str], device_id: str = DEVICE
    ) -> requests.Response:
        path = f"/{server}/applications/{APP}/devices/{device_id}"
        return self.call("PUT", path, {"end_device": body, "field_mask": {"paths": paths}})


@pytest.fixture
def simulation(profile: str) -> Iterator[ThingsStack]:
    with ThingsStack(profile=profile) as running:
        running.create_application(APP)
        yield running


@pytest.fixture
def client(simulation: ThingsStack) -> Client:
    return Client(simulation, simulation.create_api_key(APP))


@pytest.fixture
def with_rights(simulation: ThingsStack) -> Callable[..., Client]:
    return lambda *rights: Client(simulation, simulation.create_api_key(APP, rights=rights))


@pytest.fixture
def device(simulation: ThingsStack) -> str:
    """A device on all four servers, as the Console registers it."""
    simulation.register_device(APP, device_id=DEVICE, dev_eui=DEV_EUI, join_eui=JOIN_EUI)
    return DEVICE


def error_of(answer: requests.Response) -> tuple[int, str]:
    """Status and `namespace:name` of an error answer; asserts the shape of the answer."""
    body = answer.json()
    details = body["details"][0]
    assert details["@type"] == "type.googleapis.com/ttn.lorawan.v3.ErrorDetails"
    assert details["code"] == body["code"]
    source = f"{details['namespace']}:{details['name']}"
    assert body["message"].startswith(f"error:{source} (")
    return answer.status_code, source
