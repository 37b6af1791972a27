"""The transport: retries, time-outs and a rotated API key, against a server that fails on purpose."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from local.things_stack import ThingsStack as Simulation
from tests.unit.conftest import APPLICATION, Clock
from thingbridge.registry.provisioning import Server
from thingbridge.things_stack.application import Application
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ThingsStackBusy, ThingsStackRefused
from thingbridge.things_stack.transport import CONNECT_TIMEOUT, MARGIN, READ_TIMEOUT, Transport

Open = Callable[..., ThingsStack]


def test_a_rotated_key_is_read_again_once(simulation: Simulation) -> None:
    refreshes: list[bool] = []
    fresh = simulation.create_api_key(APPLICATION)

    def api_key(refresh: bool) -> str:
        refreshes.append(refresh)
        return fresh if refresh else "NNSXS.OLD.KEY"

    transport = Transport(
        cluster_address=simulation.url,
        identity_server_address=simulation.url,
        api_key=api_key,
        remaining_seconds=lambda: 5.0,
    )
    Application(transport, APPLICATION).rights()
    assert refreshes == [False, True]


class Answers(BaseAdapter):
    """A server that gives the same answer to each request."""

    def __init__(self, status: int, body: bytes, **headers: str) -> None:
        super().__init__()
        self._status, self._body, self._headers = status, body, headers
        self.requests = 0

    def send(self, *_: Any, **__: Any) -> requests.Response:
        self.requests += 1
        answer = requests.Response()
        answer.status_code, answer.raw = self._status, io.BytesIO(self._body)
        answer.headers.update({name.replace("_", "-"): value for name, value in self._headers.items()})
        return answer

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (429, b"{}", {"Retry_After": "nan"}),
        (503, b"{}", {"Retry_After": "-inf"}),
        (503, b"{}", {"Retry_After": "-1", "X_Rate_Limit_Retry": "soon"}),
        (200, b"[" * 100_000, {}),
        (400, b'{"details":' * 100_000, {}),
    ],
    ids=["not a number", "infinite", "negative", "a deep answer", "a deep refusal"],
)
def test_an_answer_that_no_things_stack_gives_is_retried_until_the_time_is_over(
    clock: Clock, status: int, body: bytes, headers: dict[str, str]
) -> None:
    transport = Transport(
        cluster_address="http://localhost:1",
        identity_server_address="http://localhost:1",
        api_key=lambda _: "NNSXS.KEY",
        remaining_seconds=lambda: 5.0 - clock.now,
        now=clock,
        sleep=clock.wait,
    )
    server = Answers(status, body, **headers)
    transport.session.mount("http://", server)
    with pytest.raises(ThingsStackBusy, match=str(status)):
        Application(transport, APPLICATION).rights()
    assert server.requests > 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_request_to_a_busy_server_is_retried(simulation: Simulation, open_client: Open, status: int) -> None:
    simulation.faults.add(method="GET", path="/rights", status=status, times=2)
    assert open_client().application.rights()


def test_a_request_to_a_server_without_the_operation_is_not_retried(simulation: Simulation, open_client: Open) -> None:
    simulation.faults.add(method="GET", path="/rights", status=501)
    with pytest.raises(ThingsStackRefused, match="501"):
        open_client().application.rights()


@pytest.mark.parametrize("status", [200, 302, 404])
def test_a_page_of_another_server_is_not_taken_for_an_answer(
    simulation: Simulation, open_client: Open, status: int
) -> None:
    simulation.faults.add(method="GET", path="/devices/tank-7", status=status, body=["a page"], times=1000)
    with pytest.raises(ThingsStackBusy, match=rf"127\.0\.0\.1:\d+ answered {status}"):
        open_client(remaining=1.1).end_devices.get(Server.IDENTITY, "tank-7", ["ids"])


def test_a_request_whose_connection_breaks_is_retried(simulation: Simulation, open_client: Open) -> None:
    simulation.faults.add(method="GET", path="/rights", reset=True)
    assert open_client().application.rights()


@pytest.mark.parametrize("status", [429, 503])
def test_retries_end_while_time_is_left_to_record_the_failure(
    simulation: Simulation, open_client: Open, status: int
) -> None:
    simulation.faults.add(method="GET", path="/rights", status=status, times=1000)
    with pytest.raises(ThingsStackBusy, match=str(status)):
        open_client(remaining=1.1).application.rights()


def test_an_answer_is_waited_for_while_time_is_left_to_record_that_there_was_none(
    simulation: Simulation, open_client: Open, time_outs: list[Any]
) -> None:
    simulation.faults.add(method="GET", path="/rights", status=503, times=1000)
    with pytest.raises(ThingsStackBusy):
        open_client(remaining=12.0).application.rights()
    connect, read = zip(*time_outs, strict=True)
    assert set(connect) == {CONNECT_TIMEOUT}
    assert read[0] == READ_TIMEOUT
    # Each wait before a retry has used up some of it.
    assert read[-1] < READ_TIMEOUT - MARGIN
    assert list(read) == sorted(read, reverse=True)


def test_a_slow_machine_uses_up_no_simulated_time(
    simulation: Simulation, open_client: Open, time_outs: list[Any]
) -> None:
    simulation.faults.add(method="GET", path="/rights", delay=0.3)
    assert open_client(remaining=1.1).application.rights()
    assert len(time_outs) == 1


@pytest.mark.parametrize(("status", "answered"), [(None, True), (503, False)], ids=["slow", "slow and busy"])
def test_patience_bounds_the_retries_of_a_call_and_not_the_first_answer(
    simulation: Simulation, clock: Clock, status: int | None, answered: bool
) -> None:
    simulation.faults.add(method="GET", path="/rights", status=status, delay=0.5, times=1000)
    key = simulation.create_api_key(APPLICATION)
    transport = Transport(
        cluster_address=simulation.url,
        identity_server_address=simulation.url,
        api_key=lambda _refresh: key,
        remaining_seconds=lambda: 900 - clock(),
        patience=0.2,
        now=clock,
        sleep=clock.wait,
    )
    if answered:
        assert Application(transport, APPLICATION).rights()
    else:
        with pytest.raises(ThingsStackBusy, match="503"):
            Application(transport, APPLICATION).rights()
    assert clock() == 0


def test_an_address_where_nothing_answers_is_named(open_client: Open) -> None:
    with pytest.raises(ThingsStackBusy, match=r"no answer from 127\.0\.0\.1:9 \(can't connect\)"):
        open_client(remaining=1.1, address="http://127.0.0.1:9").application.rights()
