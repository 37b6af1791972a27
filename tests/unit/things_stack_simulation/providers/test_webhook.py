"""Webhooks receive the kinds of messages that they select, with their headers and their URL expanded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from local.things_stack import ThingsStack
from tests.unit.things_stack_simulation.conftest import APP, Client

Received = Queue[tuple[str, str, Any]]


@pytest.fixture
def receiver() -> Iterator[tuple[str, Received]]:
    received: Received = Queue()

    @Request.application
    def application(request: Request) -> Response:
        received.put((request.path, request.headers.get("X-Secret", ""), request.get_json()))
        return Response()

    server = make_server("127.0.0.1", 0, application)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_receives_the_kinds_that_it_selects(
    simulation: ThingsStack, client: Client, device: str, receiver: tuple[str, Received]
) -> None:
    url, received = receiver
    webhook = {
        "base_url": f"{url}/tts{{/devEUI}}",
        "format": "json",
        "headers": {"X-Secret": "s"},
        "uplink_message": {"path": "/up"},
    }
    mask = {"paths": ["base_url", "format", "headers", "uplink_message"]}
    client.json("PUT", f"/as/webhooks/{APP}/hook-1", {"webhook": webhook, "field_mask": mask})
    simulation.network.join(APP, device)
    uplink = simulation.network.uplink(APP, device)
    assert received.get(timeout=5) == ("/tts/A81758FFFE0312AB/up", "s", uplink.message)
    assert received.empty()
    assert simulation.integrations.status(APP, "hook-1").undelivered == 1
