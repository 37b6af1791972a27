"""Whoever applies a stack: a user with the policies of docs/permissions.md, for this stack, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from local.aws import REGION, ROOT_ACCOUNT, LocalAws
from tests import documents


def user_name(stack_name: str) -> str:
    return f"applier-{stack_name}"


def policies(
    stack_name: str, *, region: str = REGION, account: str = ROOT_ACCOUNT, partition: str = "aws"
) -> list[dict[str, Any]]:
    """The policies of the page as its reader writes them for a stack."""
    written = {"farm_": f"{stack_name.replace('-', '_')}_", "farm": stack_name, "arn:aws:": f"arn:{partition}:"}
    written |= {"eu-west-1": region, "111122223333": account}
    placeholders = re.compile("|".join(written))
    texts = documents.blocks(documents.read("docs/permissions.md"), "json")
    return [json.loads(placeholders.sub(lambda found: written[found[0]], text)) for text in texts]


def environment(aws: LocalAws, stack_name: str, options: Collection[str] | None = None) -> dict[str, str]:
    """The environment of Terraform for that user, which is created; in an AWS that was not started here, its own.

    The user has the policy that every stack needs, and of the other one these statements, or all of them.
    """
    if aws.process is None:
        return aws.environment()
    iam, user = aws.client("iam"), user_name(stack_name)
    iam.create_user(UserName=user)
    every, other = policies(stack_name, region=aws.region)
    other["Statement"] = [each for each in other["Statement"] if options is None or each["Sid"] in options]
    for number, policy in enumerate([every, other] if other["Statement"] else [every], start=1):
        # Attached, not inline: a user's inline policies are limited to 2048 characters, a policy to 6144.
        document = json.dumps(policy, separators=(",", ":"))
        made = iam.create_policy(PolicyName=f"{user}-{number}", PolicyDocument=document)
        iam.attach_user_policy(UserName=user, PolicyArn=made["Policy"]["Arn"])
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {
        **aws.environment(),
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
