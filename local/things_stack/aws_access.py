"""How the simulation reaches AWS: whose credentials it has, and where AWS is. Nothing of what it does there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 3})
"""Bounded: what can't be reached shows as a reason, not as a hang."""

USER_NAME = "things-stack"


@dataclass(frozen=True)
class AwsAccess:
    """Credentials of The Things Stack itself, and the AWS it finds (`endpoint_url` None: AWS as it is).

    The Stack lives in an account of its own and gets into a customer's only by the role that trusts that account. On an
    emulator `foreign_account_credentials` makes such a user; on AWS it is an IAM user there who may `sts:AssumeRole`.
    """

    endpoint_url: str | None
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def reach(self, url: str) -> tuple[str, dict[str, str]]:
        """Where a public URL of AWS (`*.on.aws`) is found, and the headers that takes; others are as they are.

        An emulator gives out the names that AWS does, which do not resolve to it."""
        address = urlsplit(url)
        if not self.endpoint_url or not (address.hostname or "").endswith(".on.aws"):
            return url, {}
        path = address.path + (f"?{address.query}" if address.query else "")
        return f"{self.endpoint_url}{path or '/'}", {"Host": address.netloc}

    def client(self, service: str, region: str) -> Any:
        """A boto3 client of the Stack's own identity."""
        session = boto3.session.Session(self.access_key_id, self.secret_access_key, self.session_token, region)
        make: Any = session.client  # the stubs know each service by its literal name only
        return make(service, endpoint_url=self.endpoint_url, config=CONFIG)


def foreign_account_credentials(endpoint_url: str, account_id: str) -> AwsAccess:
    """Makes an IAM user in another account of an emulator and returns its credentials, good for `sts:AssumeRole` alone.

    ministack takes twelve digits as the access key id of that account's root (secret `test`); the user's key is an
    ordinary one. Repeatable: the user is kept, its older keys are replaced.
    """
    root = AwsAccess(endpoint_url, account_id, "test")
    iam = root.client("iam", "us-east-1")
    try:
        iam.create_user(UserName=USER_NAME)
    except iam.exceptions.EntityAlreadyExistsException:
        for key in iam.list_access_keys(UserName=USER_NAME)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=USER_NAME, AccessKeyId=key["AccessKeyId"])
    statement = {"Sid": "AssumeCustomerRoles", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_user_policy(UserName=USER_NAME, PolicyName="AssumeCustomerRoles", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=USER_NAME)["AccessKey"]
    return AwsAccess(endpoint_url, key["AccessKeyId"], key["SecretAccessKey"])
