"""A simulated Things Stack per module, and a client of the product for it."""

from collections.abc import Callable, Iterator

import pytest

from local.things_stack import ThingsStack as Simulation
from thingbridge.things_stack.client import ThingsStack

APPLICATION = "farm-app"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulation]:
    simulation = Simulation(port=0).start()
    simulation.create_application(APPLICATION)
    yield simulation
    simulation.stop()


@pytest.fixture
def simulation(running: Simulation) -> Iterator[Simulation]:
    """The simulation with no faults; what broke the published API fails the test."""
    running.faults.clear()
    seen = len(running.violations)
    yield running
    assert list(running.violations)[seen:] == []
    running.faults.clear()


@pytest.fixture
def open_client(simulation: Simulation) -> Callable[..., ThingsStack]:
    """Make a client. `remaining`: seconds its invocation has left, which its waits use up."""

    def open_with(key: str | None = None, remaining: float = 5.0, address: str | None = None) -> ThingsStack:
        key = key or simulation.create_api_key(APPLICATION)
        return ThingsStack(
            cluster_address=address or simulation.url,
            identity_server_address=address or simulation.url,
            application_id=APPLICATION,
            api_key=lambda _refresh: key,
            remaining_seconds=lambda: remaining,
        )

    return open_with
