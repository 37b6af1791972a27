"""Webhooks receive the kinds of messages that they select: at a time, once, with their headers and URL expanded."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from local.things_stack import ThingsStack
from local.things_stack.network.application_up import Published
from local.things_stack.providers.status import Status
from local.things_stack.providers.webhook import WebhookProvider
from tests.unit.things_stack_simulation.conftest import APP, Client

Answer = Callable[[Request], int]
"""The status with which a request is answered."""


@contextmanager
def receiving(answer: Answer) -> Iterator[str]:
    """The URL of a receiver, which answers several requests at a time."""
    application = Request.application(lambda request: Response(status=answer(request)))
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def configure(client: Client, url: str, **kinds: dict[str, str]) -> None:
    webhook = {"base_url": url, "format": "json", "headers": {"X-Secret": "s"}, **kinds}
    mask = {"paths": ["base_url", "format", "headers", *kinds]}
    client.json("PUT", f"/as/webhooks/{APP}/hook-1", {"webhook": webhook, "field_mask": mask})


def test_a_webhook_receives_the_kinds_that_it_selects(simulation: ThingsStack, client: Client, device: str) -> None:
    received: Queue[tuple[str, str, Any]] = Queue()

    def answer(request: Request) -> int:
        received.put((request.path, request.headers.get("X-Secret", ""), request.get_json()))
        return 200

    with receiving(answer) as url:
        configure(client, f"{url}/tts{{/devEUI}}", uplink_message={"path": "/up"})
        simulation.network.join(APP, device)
        uplink = simulation.network.uplink(APP, device)
        assert received.get(timeout=5) == ("/tts/A81758FFFE0312AB/up", "s", uplink.message)
        assert received.empty()
        assert simulation.integrations.status(APP, "hook-1").undelivered == 1
        simulation.integrations.stop_all()


def test_messages_are_posted_at_a_time_and_may_arrive_in_any_order(
    simulation: ThingsStack, client: Client, device: str
) -> None:
    arrived: Queue[int] = Queue()
    second_is_here = threading.Event()

    def answer(request: Request) -> int:
        f_cnt = request.get_json()["uplink_message"].get("f_cnt", 0)
        assert f_cnt or second_is_here.wait(4)
        arrived.put(f_cnt)
        second_is_here.set()
        return 200

    with receiving(answer) as url:
        configure(client, url, uplink_message={"path": "/up"})
        simulation.network.join(APP, device)
        for _ in range(2):
            simulation.network.uplink(APP, device)
        assert [arrived.get(timeout=5) for _ in range(2)] == [1, 0]
        simulation.integrations.stop_all()


def test_a_message_that_was_refused_is_not_posted_again(simulation: ThingsStack, client: Client, device: str) -> None:
    received: Queue[str] = Queue()

    def answer(request: Request) -> int:
        received.put(request.path)
        return 503

    with receiving(answer) as url:
        configure(client, url, join_accept={"path": "/join"})
        simulation.network.join(APP, device)
        assert simulation.integrations.wait(APP, "hook-1", until="failed").state == "failed"
        simulation.integrations.stop_all()
    assert received.qsize() == 1
    (webhook,) = simulation.servers.application.webhooks.values()
    assert webhook["health_status"]["unhealthy"]["failed_attempts"] == "1"


def test_a_request_that_is_not_answered_in_time_has_failed() -> None:
    application = {"application_ids": {"application_id": APP}}
    message = {"end_device_ids": {"device_id": "tank-7", **application}}
    changed: Queue[str] = Queue()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base = f"http://127.0.0.1:{silent.getsockname()[1]}"
        selected = {"base_url": base, "uplink_message": {}}
        record: dict[str, Any] = {"ids": {"webhook_id": "hook-1", **application}, **selected}
        provider = WebhookProvider(record, None, status := Status(), lambda: changed.put(status.state), timeout=0.05)
        provider.start()
        provider.deliver(Published(APP, "uplink_message", "up", message))
        assert [changed.get(timeout=10), changed.get(timeout=10)] == ["connected", "failed"]
        provider.stop()
    assert record["health_status"]["unhealthy"]["failed_attempts"] == "1"
