"""Client certificates of AWS IoT that carry one policy: made, listed and deleted.

The policy is what tells whose a certificate is: certificates have neither names nor tags.
"""

from collections.abc import Sequence

from botocore.exceptions import ClientError

from thingbridge.aws_iot.clients import client
from thingbridge.aws_iot.errors import code, told_apart
from thingbridge.certificates import Certificate, NewCertificate
from thingbridge.errors import ThingbridgeError


def attached(policy_name: str) -> Sequence[Certificate]:
    """The certificates that carry the policy; none without such a policy. Raises Busy, Refused or Misconfigured."""
    with told_apart(f"list the certificates of the policy {policy_name}"):
        try:
            pages = client("iot").get_paginator("list_targets_for_policy").paginate(policyName=policy_name)
            targets = [target for page in pages for target in page["targets"]]
        except ClientError as error:
            if code(error) != "ResourceNotFoundException":
                raise
            return []
    # arn:<partition>:iot:<region>:<account>:cert/<id>
    ids = [target.partition(":cert/")[2] for target in targets if ":cert/" in target]
    found = (_describe(certificate_id) for certificate_id in ids)
    return [certificate for certificate in found if certificate]


def create(policy_name: str) -> NewCertificate:
    """Make keys and a certificate, and activate it once it carries the policy.

    A certificate that can't be given the policy is deleted again: without it, nobody would know whose it is.
    """
    with told_apart("make a certificate"):
        made = client("iot").create_keys_and_certificate(setAsActive=False)
    certificate_id = str(made["certificateId"])
    try:
        with told_apart(f"attach the policy {policy_name} to a certificate"):
            client("iot").attach_policy(policyName=policy_name, target=made["certificateArn"])
        with told_apart(f"activate the certificate {certificate_id}"):
            client("iot").update_certificate(certificateId=certificate_id, newStatus="ACTIVE")
    except ThingbridgeError:
        delete(certificate_id)
        raise
    return NewCertificate(certificate_id, True, made["certificatePem"], made["keyPair"]["PrivateKey"])


def delete(certificate_id: str) -> None:
    """Deactivate and delete; the policy stays on it until then, so that a broken-off deletion is found again."""
    with told_apart(f"delete the certificate {certificate_id}"):
        try:
            client("iot").update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
            client("iot").delete_certificate(certificateId=certificate_id, forceDelete=True)
        except ClientError as error:
            if code(error) != "ResourceNotFoundException":
                raise


def _describe(certificate_id: str) -> Certificate | None:
    with told_apart(f"read the certificate {certificate_id}"):
        try:
            found = client("iot").describe_certificate(certificateId=certificate_id)["certificateDescription"]
        except ClientError as error:
            if code(error) != "ResourceNotFoundException":
                raise
            return None
    return Certificate(certificate_id, found["status"] == "ACTIVE", found["certificatePem"])
