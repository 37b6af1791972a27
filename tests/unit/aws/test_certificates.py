"""Client certificates: found by the policy they carry, and none is left without it."""

import json
from typing import Any

import pytest

from tests.unit.conftest import refusal
from thingbridge.aws.certificates import ClientCertificates
from thingbridge.aws.clients import Clients
from thingbridge.errors import Busy

POLICY = "farm-things-stack"


@pytest.fixture
def iot(clients: Clients) -> Any:
    """The account, with a certificate that carries another policy."""
    client = clients("iot")
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    client.create_policy(policyName=POLICY, policyDocument=document)
    client.create_policy(policyName="other", policyDocument=document)
    other = client.create_keys_and_certificate(setAsActive=True)
    client.attach_policy(policyName="other", target=other["certificateArn"])
    return client


def test_a_certificate_is_created_active_found_by_its_policy_and_deleted(iot: Any, clients: Clients) -> None:
    certificates = ClientCertificates(clients)
    created = certificates.create(POLICY)
    assert "PRIVATE KEY" in created.private_key
    assert created.private_key not in repr(created)
    (found,) = certificates.attached(POLICY)
    assert (found.id, found.active, found.pem) == (created.id, True, created.pem)
    for _ in range(2):
        certificates.delete(created.id, POLICY)
    assert certificates.attached(POLICY) == []
    assert len(iot.list_certificates()["certificates"]) == 1


def test_a_policy_that_does_not_exist_has_no_certificates(iot: Any, clients: Clients) -> None:
    assert ClientCertificates(clients).attached("gone") == []


def test_a_policy_is_detached_where_aws_deletes_no_certificate_that_carries_one(iot: Any, clients: Clients) -> None:
    certificates = ClientCertificates(clients)
    created = certificates.create(POLICY)

    def refuse_while_attached(**_: Any) -> Any:
        attached = iot.list_targets_for_policy(policyName=POLICY)["targets"]
        return refusal(409, "DeleteConflictException") if attached else None

    iot.meta.events.register("before-call.iot.DeleteCertificate", refuse_while_attached)
    certificates.delete(created.id, POLICY)
    assert len(iot.list_certificates()["certificates"]) == 1


@pytest.mark.parametrize("operation", ["AttachPolicy", "UpdateCertificate"])
def test_a_certificate_that_can_not_be_finished_is_deleted_again(iot: Any, clients: Clients, operation: str) -> None:
    refused: list[str] = []

    def refuse_once(**_: Any) -> Any:
        # Only the first call: the clean-up deactivates the certificate with the same operation.
        if refused:
            return None
        refused.append(operation)
        return refusal(503, "ServiceUnavailableException")

    iot.meta.events.register(f"before-call.iot.{operation}", refuse_once)
    with pytest.raises(Busy):
        ClientCertificates(clients).create(POLICY)
    assert refused == [operation]
    assert len(iot.list_certificates()["certificates"]) == 1
