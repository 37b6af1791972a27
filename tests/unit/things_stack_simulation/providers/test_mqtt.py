"""The provider `mqtt` against a broker that requires client certificates and applies policies."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from local.aws import LocalAws
from local.things_stack import ThingsStack
from tests.unit.things_stack_simulation.conftest import APP, Client

PATH, CLIENT_ID, BASE = f"/as/pubsub/{APP}/farm-1", "tts-0123456789abcdef", "thethings/lorawan/farm"
MASK = ["format", "base_topic", "uplink_message", "provider.mqtt"]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="module")
def certificate(aws: LocalAws) -> dict[str, Any]:
    """A certificate that allows one client id and the topics of the stack."""
    iot = aws.client("iot")
    arn = f"arn:aws:iot:{aws.region}:000000000000"
    allow = {"iot:Connect": f"{arn}:client/{CLIENT_ID}", "iot:Publish": f"{arn}:topic/{BASE}/*"}
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in allow.items()]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iot.create_policy(policyName="simulated-things-stack", policyDocument=document)
    made: dict[str, Any] = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_policy(policyName="simulated-things-stack", target=made["certificateArn"])
    return made


def pubsub(aws: LocalAws, certificate: dict[str, Any], **changes: Any) -> dict[str, Any]:
    provider = {
        "server_url": aws.mqtt_url,
        "client_id": CLIENT_ID,
        "publish_qos": "AT_LEAST_ONCE",
        "use_tls": True,
        "tls_ca": encoded(aws.mqtt_authority()),
        "tls_client_cert": encoded(certificate["certificatePem"]),
        "tls_client_key": encoded(certificate["keyPair"]["PrivateKey"]),
    }
    record = {"format": "json", "base_topic": BASE, "uplink_message": {"topic": "uplink"}}
    return record | {"mqtt": provider | changes}


def test_messages_are_published_below_the_base_topic_unless_they_have_no_topic(
    simulation: ThingsStack, client: Client, device: str, aws: LocalAws, certificate: dict[str, Any]
) -> None:
    with aws.mqtt("listener") as listener:
        listener.subscribe(f"{BASE}/#")
        client.json("PUT", PATH, {"pubsub": pubsub(aws, certificate), "field_mask": {"paths": MASK}})
        assert simulation.integrations.wait(APP, "farm-1").state == "connected"
        simulation.network.join(APP, device)
        sent = simulation.network.uplink(APP, device)
        assert listener.wait_for(f"{BASE}/uplink").payload == sent.body
        assert listener.messages(f"{BASE}/join") == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client_id": "somebody-else"}, "could not connect"),
        ({"tls_ca": ""}, "certificate verify failed"),
        ({"tls_client_key": ""}, "could not use the certificates"),
        ({"use_tls": False}, "only mqtts:// with TLS"),
    ],
)
def test_a_failed_connection_is_reported_with_its_reason(
    simulation: ThingsStack,
    client: Client,
    aws: LocalAws,
    certificate: dict[str, Any],
    changes: dict[str, Any],
    reason: str,
) -> None:
    client.json("PUT", PATH, {"pubsub": pubsub(aws, certificate, **changes), "field_mask": {"paths": MASK}})
    status = simulation.integrations.wait(APP, "farm-1")
    assert status.state == "failed"
    assert reason in status.reason


def test_publishing_on_a_topic_that_the_policy_does_not_allow_ends_the_connection(
    simulation: ThingsStack, client: Client, device: str, aws: LocalAws, certificate: dict[str, Any]
) -> None:
    record = pubsub(aws, certificate) | {"base_topic": "thethings/lorawan/another"}
    client.json("PUT", PATH, {"pubsub": record, "field_mask": {"paths": MASK}})
    assert simulation.integrations.wait(APP, "farm-1").state == "connected"
    simulation.network.join(APP, device)
    simulation.network.uplink(APP, device)
    assert simulation.integrations.status(APP, "farm-1").undelivered == 2
