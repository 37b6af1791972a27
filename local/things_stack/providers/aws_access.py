"""Access of the simulation to AWS: its credentials and the endpoint. Calls to AWS services are in the providers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 3})
"""Short timeouts: an unreachable endpoint appears as the reason in the status and does not block."""

USER_NAME = "things-stack"

PUBLIC = re.compile(r"\.on\.aws$|-ats\.iot\.[a-z0-9-]+\.")
"""Hosts of functions and of AWS IoT's data endpoint."""


@dataclass(frozen=True)
class AwsAccess:
    """Credentials of The Things Stack itself, and the endpoint of AWS (`endpoint_url` None: the public endpoints).

    The Stack has an AWS account of its own and enters a customer's account only through a role that trusts that
    account. On an emulator, `foreign_account_credentials` creates such a user; on AWS it is an IAM user of the Stack's
    account that may call `sts:AssumeRole`.
    """

    endpoint_url: str | None
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def reach(self, url: str) -> tuple[str, dict[str, str]]:
        """The address of a public AWS URL (of a function, or of AWS IoT's data endpoint) and the headers that it needs;
        other URLs are unchanged.

        An emulator returns AWS host names, which do not resolve to the emulator."""
        address = urlsplit(url)
        if not self.endpoint_url or not PUBLIC.search(address.hostname or ""):
            return url, {}
        path = address.path + (f"?{address.query}" if address.query else "")
        return f"{self.endpoint_url}{path or '/'}", {"Host": address.netloc}

    def client(self, service: str, region: str) -> Any:
        """A boto3 client with the Stack's own identity."""
        session = boto3.session.Session(self.access_key_id, self.secret_access_key, self.session_token, region)
        make: Any = session.client  # the type stubs accept only literal service names
        return make(service, endpoint_url=self.endpoint_url, config=CONFIG)


def foreign_account_credentials(endpoint_url: str, account_id: str) -> AwsAccess:
    """Creates an IAM user in another account of an emulator and returns its credentials, which allow `sts:AssumeRole`
    only.

    ministack accepts an account id as the access key id of that account's root user (secret `test`); the user's key is
    an ordinary one. Idempotent: an existing user is kept and its older keys are replaced.
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
