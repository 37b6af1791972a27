"""Mode `mqtt`: one certificate, whatever is interrupted, and its key only at The Things Stack."""

import base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from local.things_stack import ThingsStack as Simulation
from tests.unit.flows.ingest.conftest import Certificates
from thingbridge.errors import Busy
from thingbridge.flows.ingest import mqtt
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import IngestMode, Integration
from thingbridge.messaging.topics import UPSTREAM_EVENTS
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import NotFound

Open = Callable[..., ThingsStack]
Make = Callable[..., Integration]


@pytest.fixture(autouse=True)
def removed(open_client: Open, integration: Make) -> Iterator[None]:
    yield
    with suppress(NotFound):
        mqtt.remove(open_client(), integration(IngestMode.MQTT))


def configured(simulation: Simulation) -> dict[str, Any]:
    (pubsub,) = simulation.servers.application.pubsubs.values()
    return dict(pubsub)


def key_of(simulation: Simulation) -> str:
    return base64.b64decode(configured(simulation)["mqtt"]["tls_client_key"]).decode()


def test_the_server_the_topics_and_the_certificate_are_configured(
    simulation: Simulation, open_client: Open, account: Account, integration: Make
) -> None:
    mqtt.configure(open_client(), integration(IngestMode.MQTT, ca_certificate="PEM"), None, account)
    pubsub = configured(simulation)
    assert pubsub["base_topic"] == "thethings/lorawan/Farm"
    assert pubsub["downlink_queue_invalidated"] == {"topic": "downlink/invalidated"}
    assert "downlink_push" not in pubsub
    provider = pubsub["mqtt"]
    assert (provider["publish_qos"], provider["use_tls"]) == ("AT_LEAST_ONCE", True)
    assert base64.b64decode(provider["tls_client_cert"]) == b"PEM of certificate-1\n"
    assert base64.b64decode(provider["tls_ca"]) == b"PEM"


def test_with_basic_ingest_every_message_names_the_rule_and_the_longest_topics_fit(
    simulation: Simulation, open_client: Open, account: Account, integration: Make
) -> None:
    longest = replace(integration(IngestMode.MQTT, basic_ingest_rule=f"{'a' * 53}_upstream"), stack_name="a" * 53)
    try:
        mqtt.configure(open_client(), longest, None, account)
        pubsub = configured(simulation)
        topics = {f"{pubsub['base_topic']}/{pubsub[kind]['topic']}" for kind in UPSTREAM_EVENTS}
    finally:
        mqtt.remove(open_client(), longest)
    below = f"$aws/rules/{'a' * 53}_upstream/thethings/lorawan/{'a' * 53}"
    assert topics == {f"{below}/{event}" for event in UPSTREAM_EVENTS.values()}


def test_another_apply_keeps_the_certificate(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, certificates: Certificates
) -> None:
    wanted = integration(IngestMode.MQTT)
    mqtt.configure(open_client(), wanted, None, account)
    # Terraform lost its state; then it runs again with another server.
    mqtt.configure(open_client(), wanted, None, account)
    moved = integration(IngestMode.MQTT, server_url="mqtts://other.example.com:8883")
    mqtt.configure(open_client(), moved, wanted, account)
    assert certificates.created == 1
    assert key_of(simulation) == "key of certificate-1"
    assert configured(simulation)["mqtt"]["server_url"] == "mqtts://other.example.com:8883"


def test_a_raised_version_replaces_the_certificate(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, certificates: Certificates
) -> None:
    wanted = integration(IngestMode.MQTT)
    mqtt.configure(open_client(), wanted, None, account)
    mqtt.configure(open_client(), integration(IngestMode.MQTT, certificate_version=2), wanted, account)
    assert list(certificates.existing) == ["certificate-2"]
    assert key_of(simulation) == "key of certificate-2"


def test_the_certificate_of_an_interrupted_apply_is_deleted_by_the_next_one(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, certificates: Certificates
) -> None:
    simulation.faults.add(path="/as/pubsub/", method="PUT", status=503, times=20)
    with pytest.raises(Busy):
        mqtt.configure(open_client(remaining=1.1), integration(IngestMode.MQTT), None, account)
    simulation.faults.clear()
    assert list(certificates.existing) == ["certificate-1"]
    mqtt.configure(open_client(), integration(IngestMode.MQTT), None, account)
    assert list(certificates.existing) == ["certificate-2"]
    mqtt.release(integration(IngestMode.MQTT), account)
    assert not certificates.existing
