"""Roles of IAM, read only: whom a role lets assume it."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors


class Roles:
    """The roles of the account. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def external_ids(self, name: str) -> list[str | None] | None:
        """What each statement of a role's trust asks for, None for no external id; None if the role is missing."""
        with translate_errors(f"read the role {name}"):
            try:
                role = self._clients("iam").get_role(RoleName=name)["Role"]
            except ClientError as error:
                if code(error) not in ("NoSuchEntity", "NoSuchEntityException"):
                    raise
                return None
        document: Mapping[str, Any] = role["AssumeRolePolicyDocument"]
        return [
            each.get("Condition", {}).get("StringEquals", {}).get("sts:ExternalId")
            for each in document["Statement"]
            if each.get("Effect") == "Allow"
        ]
