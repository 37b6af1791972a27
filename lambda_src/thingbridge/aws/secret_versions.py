"""Versions of a secret: which one is current, and the text of one that no longer is.

Secrets Manager keeps a version that has lost its labels for at least a day, and deletes none before there are more than
100 (user guide, "Secret versions"), so what a former key made can still be removed with it.
"""

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import translate_errors


def current_version(clients: Clients, arn: str) -> str:
    """The ID of the version that readers of a secret get. Raises Busy or Misconfigured."""
    with translate_errors(f"read the secret {arn}"):
        return str(clients.of(arn, "secretsmanager").get_secret_value(SecretId=arn)["VersionId"])


class SecretVersion:
    """Secrets as they were in one version."""

    def __init__(self, clients: Clients, version_id: str) -> None:
        self._clients, self._version_id = clients, version_id
        self._texts: dict[str, str] = {}

    def read(self, arn: str, *, refresh: bool = False) -> str:
        """The secret's text, read once, and again with `refresh`. Raises Busy or Misconfigured."""
        if refresh or arn not in self._texts:
            with translate_errors(f"read the version {self._version_id} of the secret {arn}"):
                answer = self._clients.of(arn, "secretsmanager").get_secret_value(
                    SecretId=arn, VersionId=self._version_id
                )
                self._texts[arn] = str(answer["SecretString"])
        return self._texts[arn]
