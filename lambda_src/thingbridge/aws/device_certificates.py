"""The certificates of things: issued, attached to one thing and to policies, deactivated and deleted.

Which of them belong to a registered device is decided in `devices.credentials`.
"""

import functools
import time
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors
from thingbridge.devices.credentials import HeldCertificate, IssuedCertificate

DETACHED_WITHIN: Final = 10
"""Seconds that a detachment may take to propagate."""


class DeviceCertificates:
    """The certificates of an account. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clients, self._sleep = clients, sleep

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
        """A certificate by its ARN, None if it was deleted.

        Its policies are read first: one that is deleted meanwhile would otherwise look as if it had never had any.
        """
        certificate_id = _id(arn)
        with translate_errors(f"read the certificate {certificate_id}"):
            try:
                pages = self._iot.get_paginator("list_attached_policies").paginate(target=arn)
                policies = [each["policyName"] for page in pages for each in page["policies"]]
                described = self._iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
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

        A detachment takes some seconds to propagate (API reference, DetachThingPrincipal), until which AWS refuses to
        delete the certificate. One that can't be deleted is attached again, inactive: the next deletion finds it there.
        Its policies show until the end whose certificate it was: `forceDelete` detaches them, and where AWS still
        refuses, which its documentation leaves open, they are detached before.
        """
        certificate_id = _id(arn)
        with translate_errors(f"delete the certificate {certificate_id}"):
            _unless_gone(lambda: self._iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE"))
            _unless_gone(lambda: self._iot.detach_thing_principal(thingName=thing_name, principal=arn))
            policies: list[str] = []
            try:
                self._delete_once_detached(arn, policies)
            except (BotoCoreError, ClientError):
                for policy in policies:
                    _unless_gone(functools.partial(self._iot.attach_policy, policyName=policy, target=arn))
                _unless_gone(lambda: self._iot.attach_thing_principal(thingName=thing_name, principal=arn))
                raise

    def _delete_once_detached(self, arn: str, detached: list[str]) -> None:
        """`detached` is given the policies that had to be detached."""
        for attempt in range(1, DETACHED_WITHIN + 1):
            try:
                _unless_gone(lambda: self._iot.delete_certificate(certificateId=_id(arn), forceDelete=True))
            except ClientError as error:
                if code(error) != "DeleteConflictException" or attempt == DETACHED_WITHIN:
                    raise
                if attempt == DETACHED_WITHIN // 2:
                    for policy in self._iot.list_attached_policies(target=arn)["policies"]:
                        self._iot.detach_policy(policyName=policy["policyName"], target=arn)
                        detached.append(policy["policyName"])
                self._sleep(1.0)
            else:
                return

    @property
    def _iot(self) -> Any:
        return self._clients("iot")


def _unless_gone(call: Callable[[], object]) -> None:
    """Make a call that counts as done if what it names does not exist."""
    try:
        call()
    except ClientError as error:
        if code(error) != "ResourceNotFoundException":
            raise


def _id(arn: str) -> str:
    """`arn:<partition>:iot:<region>:<account>:cert/<id>` → `<id>`."""
    return arn.partition(":cert/")[2]
