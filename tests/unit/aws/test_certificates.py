"""Client certificates: known by the policy they carry, and none is left that carries none."""

import json
from typing import Any

import boto3
import pytest

from thingbridge.aws_iot import client_certificates, clients
from thingbridge.errors import Busy

POLICY = "farm-things-stack"


@pytest.fixture
def iot(account: None) -> Any:
    client = boto3.client("iot")
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    client.create_policy(policyName=POLICY, policyDocument=document)
    client.create_policy(policyName="other", policyDocument=document)
    other = client.create_keys_and_certificate(setAsActive=True)
    client.attach_policy(policyName="other", target=other["certificateArn"])
    return client


def test_a_certificate_is_made_active_found_by_its_policy_and_deleted(iot: Any) -> None:
    made = client_certificates.create(POLICY)
    assert "PRIVATE KEY" in made.private_key
    assert made.private_key not in repr(made)
    (found,) = client_certificates.attached(POLICY)
    assert (found.id, found.active, found.pem) == (made.id, True, made.pem)
    for _ in range(2):
        client_certificates.delete(made.id)
    assert client_certificates.attached(POLICY) == []
    assert len(iot.list_certificates()["certificates"]) == 1


def test_a_policy_that_is_gone_has_no_certificates(iot: Any) -> None:
    assert client_certificates.attached("gone") == []


@pytest.mark.parametrize("operation", ["AttachPolicy", "UpdateCertificate"])
def test_a_certificate_that_can_not_be_finished_is_deleted_again(iot: Any, answer_with: Any, operation: str) -> None:
    # The clean-up deactivates too, so only the first of these calls fails.
    calls: list[str] = []

    def fails_once(**given: Any) -> Any:
        calls.append(operation)
        return answer(**given) if len(calls) == 1 else None

    answers: list[Any] = []
    client = clients.client("iot")
    register = client.meta.events.register
    client.meta.events.register = lambda name, handler: answers.append((name, handler))
    answer_with("iot", operation, 503, "ServiceUnavailableException")
    ((name, answer),) = answers
    register(name, fails_once)
    with pytest.raises(Busy):
        client_certificates.create(POLICY)
    assert len(iot.list_certificates()["certificates"]) == 1
