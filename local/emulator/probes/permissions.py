"""IAM: who may assume a role, and what a role may do."""

from __future__ import annotations

from local.emulator.probes.account import Account, allow
from local.emulator.probes.probe import Probe, expect, refused

PUBLISH = """
    import boto3
    from botocore.exceptions import ClientError
    data = boto3.client("iot-data")

    def handler(event, context):
        def outcome(topic):
            try:
                data.publish(topic=topic, payload=b"1")
            except ClientError as error:
                return error.response["Error"]["Code"]
            return "published"
        return [outcome(topic) for topic in event]
"""


def external_id(account: Account) -> None:
    role = account.role({"AWS": "*"}, condition={"StringEquals": {"sts:ExternalId": "expected"}})
    sts = account.client("sts", **account.user(allow("sts:AssumeRole")))
    request = {"RoleArn": role, "RoleSessionName": "probe"}
    refused(lambda: sts.assume_role(**request), "AccessDenied")
    refused(lambda: sts.assume_role(**request, ExternalId="wrong"), "AccessDenied")
    sts.assume_role(**request, ExternalId="expected")


def rights_of_a_user(account: Account) -> None:
    iot = account.client("iot", **account.user(allow("iot:DescribeEndpoint")))
    iot.describe_endpoint(endpointType="iot:Data-ATS")
    refused(iot.list_things, "AccessDeniedException")


def topics_of_a_function(account: Account) -> None:
    topic = account.name()
    function = account.function(PUBLISH, allow("iot:Publish", account.arn("iot", f"topic/{topic}/*")))
    outcomes = account.invoke(function, [f"{topic}/allowed", "forbidden"])
    expect(outcomes == ["published", "ForbiddenException"], outcomes)


def certificates_of_a_policy(account: Account) -> None:
    root = account.client("iot")
    mine, other = account.name(), account.name()
    for name in (mine, other):
        root.create_policy(policyName=name, policyDocument='{"Version": "2012-10-17", "Statement": []}')
    certificate = root.create_keys_and_certificate(setAsActive=False)["certificateArn"]
    attach = allow("iot:AttachPolicy", account.arn("iot", "cert/*"))
    iot = account.client(
        "iot", **account.user(attach, allow("iot:ListTargetsForPolicy", account.arn("iot", f"policy/{mine}")))
    )
    iot.attach_policy(policyName=mine, target=certificate)
    expect(iot.list_targets_for_policy(policyName=mine)["targets"] == [certificate], "the certificate is not listed")
    refused(lambda: iot.list_targets_for_policy(policyName=other), "AccessDeniedException")
    group = account.arn("iot", f"thinggroup/{mine}")
    refused(lambda: iot.attach_policy(policyName=mine, target=group), "AccessDeniedException")


PROBES = (
    Probe("AssumeRole requires the external ID that the trust policy names", external_id),
    Probe("A user may do only what a policy allows", rights_of_a_user),
    Probe("AttachPolicy is checked on the certificate, ListTargetsForPolicy on the policy", certificates_of_a_policy),
    Probe("A function publishes only on the topics that its role allows", topics_of_a_function),
)
