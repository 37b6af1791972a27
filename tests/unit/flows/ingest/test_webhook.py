"""Mode `webhook`: what The Things Stack posts, where, and with which secret."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Queue
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from local.things_stack import ThingsStack as Simulation
from local.things_stack.providers.webhook import MOST_FAILURES
from tests import cases
from tests.unit.conftest import APPLICATION
from thingbridge.flows.ingest import webhook
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import IngestMode, Integration
from thingbridge.messaging.topics import UPSTREAM_EVENTS
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.webhooks import Webhooks


def test_every_kind_has_a_path_the_secret_is_in_a_header_and_no_downlink_key_is_sent(
    simulation: Simulation,
    open_client: Callable[..., ThingsStack],
    account: Account,
    integration: Callable[..., Integration],
) -> None:
    client, wanted = open_client(), integration(IngestMode.WEBHOOK)
    webhook.configure(client, wanted, None, account)
    client.webhooks.set(wanted.id, {"downlink_api_key": "NNSXS.SET.BEFORE"}, ["downlink_api_key"])
    webhook.configure(client, wanted, wanted, account)
    (configured,) = simulation.servers.application.webhooks.values()
    assert configured["base_url"] == f"https://abc.lambda-url.eu-west-1.on.aws/{APPLICATION}"
    assert configured["headers"] == {"X-Thingbridge-Secret": "text of arn:secret"}
    assert {kind: configured[kind]["path"] for kind in UPSTREAM_EVENTS} == {
        kind: f"/{event}" for kind, event in UPSTREAM_EVENTS.items()
    }
    assert "downlink_api_key" not in configured
    webhook.remove(client, wanted)


class Receiver:
    """Where a webhook posts to: answers with `status`, and keeps the paths below the application's."""

    def __init__(self) -> None:
        self.status, self.paths = 204, Queue[str]()
        self.server = make_server("127.0.0.1", 0, self.answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @Request.application
    def answer(self, request: Request) -> Response:
        self.paths.put(request.path.removeprefix(f"/{APPLICATION}"))
        return Response(status=self.status)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def logged(capsys: pytest.CaptureFixture[str], event: str) -> list[dict[str, Any]]:
    """The entries of an event since the last time."""
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [entry for entry in entries if entry["event"] == event]


OUTAGE: Any = cases.load("6-webhook-after-an-outage")


@pytest.mark.parametrize("answer", OUTAGE["input"]["answers"])
def test_a_webhook_that_is_no_longer_called_is_resumed(
    answer: int,
    simulation: Simulation,
    open_client: Callable[..., ThingsStack],
    account: Account,
    integration: Callable[..., Integration],
    receiver: Receiver,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After ten failures in a row, The Things Stack sends nothing for a long time, also once AWS works again."""
    client, wanted = open_client(), integration(IngestMode.WEBHOOK, url=receiver.url)
    webhook.configure(client, wanted, None, account)
    device = f"tank-{answer}"
    simulation.register_device(
        APPLICATION, device_id=device, dev_eui=f"A81758FFFE000{answer}", join_eui="A81758FFFE000001"
    )
    receiver.status = answer
    # One after the other, because The Things Stack posts several at a time.
    simulation.network.join(APPLICATION, device)
    assert receiver.paths.get(timeout=5) == "/join"
    for _ in range(MOST_FAILURES - 1):
        simulation.network.uplink(APPLICATION, device)
        assert receiver.paths.get(timeout=5) == "/uplink"
    until_unhealthy(client, wanted)
    for _ in range(OUTAGE["input"]["failures"] - MOST_FAILURES):
        simulation.network.uplink(APPLICATION, device)
    receiver.status = 204
    simulation.network.uplink(APPLICATION, device)

    webhook.configure(client, wanted, wanted, account)
    assert received(receiver) == OUTAGE["expected"]["before_an_apply"]
    simulation.network.uplink(APPLICATION, device)
    assert [receiver.paths.get(timeout=5)] == OUTAGE["expected"]["after_an_apply"]

    client.webhooks.set(wanted.id, {"paused": True}, ["paused"])
    webhook.configure(client, wanted, wanted, account)
    simulation.network.uplink(APPLICATION, device)
    assert receiver.paths.get(timeout=5) == "/uplink"
    webhook.remove(client, wanted)
    resumed = logged(capsys, "webhook_resumed")
    assert [(each["failed_attempts"], each["paused"]) for each in resumed] == [(MOST_FAILURES, False), (0, True)]


def received(receiver: Receiver) -> list[str]:
    """The paths of the requests that were received since the last time."""
    return [receiver.paths.get() for _ in range(receiver.paths.qsize())]


def until_unhealthy(client: ThingsStack, wanted: Integration) -> None:
    """Wait until the last failure that counts is recorded."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = client.webhooks.get(wanted.id, ["health_status"]) or {}
        if found.get("health_status", {}).get("unhealthy", {}).get("failed_attempts") == str(MOST_FAILURES):
            return
        time.sleep(0.02)
    pytest.fail(f"the webhook did not become unhealthy: {found}")


class WithQueue(Webhooks):
    """Webhooks of a deployment that can repeat requests."""

    queue: Any = None

    def set(self, webhook_id: str, settings: Mapping[str, Any], paths: Sequence[str]) -> None:
        if "queue.enabled" in paths:
            self.queue = settings["queue"]
        else:
            super().set(webhook_id, settings, paths)


def test_the_queue_is_enabled_where_things_stack_has_one(
    simulation: Simulation,
    open_client: Callable[..., ThingsStack],
    account: Account,
    integration: Callable[..., Integration],
    capsys: pytest.CaptureFixture[str],
) -> None:
    client, wanted = open_client(), integration(IngestMode.WEBHOOK)
    client.webhooks = hosted = WithQueue(client.transport, APPLICATION)
    webhook.configure(client, wanted, None, account)
    assert hosted.queue == {"enabled": True}
    assert logged(capsys, "webhook_without_queue") == []
    webhook.remove(client, wanted)


def test_the_open_source_without_a_queue_is_configured_all_the_same(
    simulation: Simulation,
    open_client: Callable[..., ThingsStack],
    account: Account,
    integration: Callable[..., Integration],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It answers 400 `field_mask_paths`."""
    client, wanted = open_client(), integration(IngestMode.WEBHOOK)
    webhook.configure(client, wanted, None, account)
    (entry,) = logged(capsys, "webhook_without_queue")
    assert "field mask" in entry["reason"]
    webhook.remove(client, wanted)
