"""The checkup: what ends soon, whether there is a new version, and that neither stops when the other can't be seen."""

import json
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Thread
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from local.things_stack import ThingsStack as Simulation
from tests.documents import ROOT
from tests.private_authority import Authority
from thingbridge import VERSION
from thingbridge.flows.checkup import Checkup
from thingbridge.things_stack import releases
from thingbridge.things_stack.client import ThingsStack

DAY = 86_400
NOWHERE = "http://127.0.0.1:1"

Logged = Callable[[Checkup], list[dict[str, Any]]]


@contextmanager
def answering(body: bytes, status: int = 200) -> Iterator[tuple[str, list[Request]]]:
    """A server of releases: its URL, and the requests that it got."""
    requests: list[Request] = []

    @Request.application
    def answer(request: Request) -> Response:
        requests.append(request)
        return Response(body, status, content_type="application/json")

    server = make_server("127.0.0.1", 0, answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/releases/latest", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Logged:
    def run(checkup: Checkup) -> list[dict[str, Any]]:
        checkup.run()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def metric(lines: list[dict[str, Any]], name: str) -> Any:
    return next((line[name] for line in lines if name in line and "_aws" in line), None)


def events(lines: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in lines if "event" in line]


def test_a_key_without_an_end_is_no_metric(open_client: Callable[..., ThingsStack], logged: Logged) -> None:
    assert logged(Checkup("farm", open_client)) == []


def test_what_ends_first_is_counted_and_each_is_named(
    open_client: Callable[..., ThingsStack], simulation: Simulation, logged: Logged
) -> None:
    things_stack = open_client()
    for key in simulation.servers.identity.api_keys.values():
        key.expires_at = datetime.fromtimestamp(time.time() + 200.5 * DAY, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = logged(Checkup("farm", lambda: things_stack, Authority.create("Farm Authority").pem))
    days = {line["what"]: line["days"] for line in lines if line.get("event") == "ends"}
    assert days["API key"] == 200
    assert metric(lines, "DaysLeft") == min(days.values())
    assert len(days) == 2


def test_a_new_version_is_named_although_the_things_stack_does_not_answer(
    open_client: Callable[..., ThingsStack], logged: Logged
) -> None:
    with answering(b'{"tag_name": "v99.0.0", "draft": false}') as (url, requests):
        lines = logged(Checkup("farm", lambda: open_client(address=NOWHERE), releases_url=url))
    assert events(lines) == ["ends_not_examined", "new_version"]
    assert lines[1]["latest"] == "99.0.0"
    assert (metric(lines, "NewVersion"), metric(lines, "DaysLeft")) == (1, None)
    # Nothing about the stack is sent.
    assert "farm" not in f"{requests[0].url} {requests[0].headers}"


@pytest.mark.parametrize(
    ("body", "status", "new"),
    [
        (f'{{"tag_name": "v{VERSION}"}}'.encode(), 200, 0),
        (b'{"tag_name": "0.0.9"}', 200, 0),
        (b'{"tag_name": "v99.0.0-rc1"}', 200, None),
        (b'{"message": "Not Found"}', 404, None),
        (b'{"tag_name": ', 200, None),
        (b"[]", 200, None),
        (b'{"tag_name": "v99.0.0", "body": "' + releases.LONGEST_ANSWER * b"x" + b'"}', 200, None),
    ],
    ids=["the same", "an older one", "before a release", "no release", "no JSON", "no object", "endless"],
)
def test_an_answer_that_names_no_later_release_is_no_alarm(
    open_client: Callable[..., ThingsStack], logged: Logged, body: bytes, status: int, new: int | None
) -> None:
    with answering(body, status) as (url, _):
        lines = logged(Checkup("farm", open_client, releases_url=url))
    assert metric(lines, "NewVersion") == new
    assert events(lines) == ([] if new == 0 else ["latest_version_unknown"])


def test_without_a_network_nothing_happens(open_client: Callable[..., ThingsStack], logged: Logged) -> None:
    lines = logged(Checkup("farm", open_client, releases_url=NOWHERE))
    assert events(lines) == ["latest_version_unknown"]
    assert metric(lines, "NewVersion") is None


def test_the_version_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"] == VERSION
    assert releases.version(VERSION)
