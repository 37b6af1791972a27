"""The certificates of things: issued, attached to one thing and to policies, deactivated and deleted.

Which of them belong to a registered device is decided in `devices.credentials`.
"""

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors
from thingbridge.devices.credentials import HeldCertificate, IssuedCertificate


class DeviceCertificates:
    """The certificates of an account. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def principals(self, thing_name: str) -> list[str]:
        """The ARNs of the certificates that are attached to a thing; none if there is no such thing."""
        with translate_errors(f"list the certificates of {thing_name}"):
            try:
                pages = self._iot.get_paginator("list_thing_principals").paginate(thingName=thing_name)
                found = [principal for page in pages for principal in page["principals"]]
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return []
        return [each for each in found if ":cert/" in each]

    def of_thing(self, thing_name: str) -> list[HeldCertificate]:
        """The certificates of a thing, with status and policies: one call, and two for each of them."""
        return [held for arn in self.principals(thing_name) if (held := self.held(arn))]

    def held(self, arn: str) -> HeldCertificate | None:
        """A certificate by its ARN, None if it was deleted."""
        certificate_id = _id(arn)
        with translate_errors(f"read the certificate {certificate_id}"):
            try:
                described = self._iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
                pages = self._iot.get_paginator("list_attached_policies").paginate(target=arn)
                policies = [each["policyName"] for page in pages for each in page["policies"]]
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return None
        created = described["creationDate"].timestamp()
        return HeldCertificate(certificate_id, arn, described["status"] == "ACTIVE", tuple(policies), created)

    def issue(self, csr: str | None) -> IssuedCertificate:
        """Create an inactive certificate: for the key of a signing request, or for a key pair that AWS makes."""
        with translate_errors("create a certificate"):
            if csr is not None:
                made = self._iot.create_certificate_from_csr(certificateSigningRequest=csr, setAsActive=False)
            else:
                made = self._iot.create_keys_and_certificate(setAsActive=False)
        keys = made.get("keyPair", {})
        return IssuedCertificate(
            made["certificateId"],
            made["certificateArn"],
            made["certificatePem"],
            keys.get("PrivateKey"),
            keys.get("PublicKey"),
        )

    def attach_to_thing(self, arn: str, thing_name: str) -> None:
        """Attach a certificate to a thing. AWS refuses to attach it to another one afterwards."""
        with translate_errors(f"attach the certificate {_id(arn)} to {thing_name}"):
            self._iot.attach_thing_principal(thingName=thing_name, principal=arn, thingPrincipalType="EXCLUSIVE_THING")

    def attach_policy(self, arn: str, policy_name: str) -> None:
        """Have a certificate carry a policy."""
        with translate_errors(f"attach the policy {policy_name} to the certificate {_id(arn)}"):
            self._iot.attach_policy(policyName=policy_name, target=arn)

    def set_active(self, certificate_id: str, *, active: bool) -> None:
        """Activate or deactivate a certificate. AWS ends the connections of an inactive one within minutes."""
        status = "ACTIVE" if active else "INACTIVE"
        with translate_errors(f"make the certificate {certificate_id} {status}"):
            self._iot.update_certificate(certificateId=certificate_id, newStatus=status)

    def delete(self, arn: str, thing_name: str) -> None:
        """Deactivate a certificate, detach it from its thing and delete it; what is gone counts as done.

        `forceDelete` detaches the policies: until then they show whose certificate it was.
        """
        certificate_id = _id(arn)
        steps: Sequence[tuple[str, dict[str, Any]]] = (
            ("update_certificate", {"certificateId": certificate_id, "newStatus": "INACTIVE"}),
            ("detach_thing_principal", {"thingName": thing_name, "principal": arn}),
            ("delete_certificate", {"certificateId": certificate_id, "forceDelete": True}),
        )
        with translate_errors(f"delete the certificate {certificate_id}"):
            for operation, request in steps:
                try:
                    getattr(self._iot, operation)(**request)
                except ClientError as error:
                    if code(error) != "ResourceNotFoundException":
                        raise

    @property
    def _iot(self) -> Any:
        return self._clients("iot")


def _id(arn: str) -> str:
    """`arn:<partition>:iot:<region>:<account>:cert/<id>` → `<id>`."""
    return arn.partition(":cert/")[2]
