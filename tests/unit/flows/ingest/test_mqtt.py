"""Mode `mqtt`: one certificate, whatever happens, and its key nowhere but at The Things Stack."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.unit.things_stack.ingest.conftest import Certificates
from thingbridge.things_stack.ingest import mqtt
from thingbridge.things_stack.ingest.account import Account
from thingbridge.things_stack.ingest.integration import IngestMode, Integration

from local.things_stack import ThingsStack as Simulation
from thingbridge.errors import Busy
from thingbridge.things_stack.client import ThingsStack

Open = Callable[..., ThingsStack]
Make = Callable[..., Integration]


@pytest.fixture(autouse=True)
def removed(open_client: Open, account: Account, integration: Make) -> Iterator[None]:
    yield
    mqtt.remove(open_client(), integration(IngestMode.MQTT), account)


def handed_over(simulation: Simulation) -> dict[str, Any]:
    (configured,) = simulation.servers.application.pubsubs.values()
    return dict(configured)


def key_of(simulation: Simulation) -> str:
    return base64.b64decode(handed_over(simulation)["mqtt"]["tls_client_key"]).decode()


def test_the_server_the_topics_and_the_certificate_are_handed_over(
    simulation: Simulation, open_client: Open, account: Account, integration: Make
) -> None:
    mqtt.configure(open_client(), integration(IngestMode.MQTT, ca_certificate="PEM"), None, account)
    configured = handed_over(simulation)
    assert configured["base_topic"] == "thethings/lorawan/Farm"
    assert configured["downlink_queue_invalidated"] == {"topic": "downlink/invalidated"}
    assert "downlink_push" not in configured
    provider = configured["mqtt"]
    assert (provider["publish_qos"], provider["use_tls"]) == ("AT_LEAST_ONCE", True)
    assert base64.b64decode(provider["tls_client_cert"]) == b"PEM of certificate-1\n"
    assert base64.b64decode(provider["tls_ca"]) == b"PEM"


def test_another_apply_keeps_the_certificate(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, certificates: Certificates
) -> None:
    wanted = integration(IngestMode.MQTT)
    mqtt.configure(open_client(), wanted, None, account)
    # Terraform forgot the first, or it runs again with another server.
    mqtt.configure(open_client(), wanted, None, account)
    moved = integration(IngestMode.MQTT, server_url="mqtts://other.example.com:8883")
    mqtt.configure(open_client(), moved, wanted, account)
    assert certificates.made == 1
    assert key_of(simulation) == "key of certificate-1"
    assert handed_over(simulation)["mqtt"]["server_url"] == "mqtts://other.example.com:8883"


def test_a_raised_version_brings_a_new_certificate_and_deletes_the_old_one(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, certificates: Certificates
) -> None:
    wanted = integration(IngestMode.MQTT)
    mqtt.configure(open_client(), wanted, None, account)
    mqtt.configure(open_client(), integration(IngestMode.MQTT, certificate_version=2), wanted, account)
    assert list(certificates.there) == ["certificate-2"]
    assert key_of(simulation) == "key of certificate-2"


def test_an_apply_that_breaks_off_leaves_no_certificate_behind_for_good(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, certificates: Certificates
) -> None:
    simulation.faults.add(path="/as/pubsub/", method="PUT", status=503, times=20)
    with pytest.raises(Busy):
        mqtt.configure(open_client(remaining=1.1), integration(IngestMode.MQTT), None, account)
    simulation.faults.clear()
    assert list(certificates.there) == ["certificate-1"]
    mqtt.configure(open_client(), integration(IngestMode.MQTT), None, account)
    assert list(certificates.there) == ["certificate-2"]
    mqtt.remove(open_client(), integration(IngestMode.MQTT), account)
    assert not certificates.there


def test_certificates_go_even_when_the_api_key_is_gone(
    open_client: Open, account: Account, integration: Make, certificates: Certificates
) -> None:
    mqtt.configure(open_client(), integration(IngestMode.MQTT), None, account)
    mqtt.remove(open_client("NNSXS.GONE.KEY"), integration(IngestMode.MQTT), account)
    assert not certificates.there
