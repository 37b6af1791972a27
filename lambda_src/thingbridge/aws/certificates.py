"""Client certificates of AWS IoT that carry one policy: created, listed and deleted.

The policy identifies the owner of a certificate: certificates have neither names nor tags.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors
from thingbridge.errors import ThingbridgeError


@dataclass(frozen=True)
class Certificate:
    """A client certificate. `id` is AWS IoT's, `pem` the certificate itself; only an `active` one can connect."""

    id: str
    active: bool
    pem: str


@dataclass(frozen=True)
class NewCertificate(Certificate):
    """A certificate that was just created. AWS keeps no copy of the private key: this is the only one."""

    private_key: str = field(repr=False)


class ClientCertificates:
    """The certificates of an account, found by the policy they carry."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def attached(self, policy_name: str) -> Sequence[Certificate]:
        """The certificates that carry the policy; none if there is no such policy.

        Raises Busy, Refused or Misconfigured.
        """
        with translate_errors(f"list the certificates of the policy {policy_name}"):
            try:
                pages = self._clients("iot").get_paginator("list_targets_for_policy").paginate(policyName=policy_name)
                targets = [target for page in pages for target in page["targets"]]
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return []
        # arn:<partition>:iot:<region>:<account>:cert/<id>
        ids = [target.partition(":cert/")[2] for target in targets if ":cert/" in target]
        found = (self._describe(certificate_id) for certificate_id in ids)
        return [certificate for certificate in found if certificate]

    def create(self, policy_name: str) -> NewCertificate:
        """Create keys and a certificate, and activate it once it carries the policy.

        A certificate that can't carry the policy is deleted again: without the policy, its owner is unknown.
        """
        iot = self._clients("iot")
        with translate_errors("create a certificate"):
            created = iot.create_keys_and_certificate(setAsActive=False)
        certificate_id = str(created["certificateId"])
        try:
            with translate_errors(f"attach the policy {policy_name} to a certificate"):
                iot.attach_policy(policyName=policy_name, target=created["certificateArn"])
            with translate_errors(f"activate the certificate {certificate_id}"):
                iot.update_certificate(certificateId=certificate_id, newStatus="ACTIVE")
        except ThingbridgeError:
            self.delete(certificate_id, policy_name)
            raise
        return NewCertificate(certificate_id, True, created["certificatePem"], created["keyPair"]["PrivateKey"])

    def delete(self, certificate_id: str, policy_name: str) -> None:
        """Deactivate and delete a certificate that carries a policy; one that is gone counts as deleted.

        The policy stays attached until the end, so that an interrupted deletion is found again. AWS documents both: a
        certificate with a policy can't be deleted, and `forceDelete` deletes one that no thing has (API reference,
        DeleteCertificate). So the policy is detached where AWS refuses.
        """
        iot = self._clients("iot")
        with translate_errors(f"delete the certificate {certificate_id}"):
            try:
                iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
                try:
                    iot.delete_certificate(certificateId=certificate_id, forceDelete=True)
                except ClientError as error:
                    if code(error) != "DeleteConflictException":
                        raise
                    described = iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
                    iot.detach_policy(policyName=policy_name, target=described["certificateArn"])
                    iot.delete_certificate(certificateId=certificate_id, forceDelete=True)
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise

    def _describe(self, certificate_id: str) -> Certificate | None:
        with translate_errors(f"read the certificate {certificate_id}"):
            try:
                answer = self._clients("iot").describe_certificate(certificateId=certificate_id)
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return None
        found = answer["certificateDescription"]
        return Certificate(certificate_id, found["status"] == "ACTIVE", found["certificatePem"])
