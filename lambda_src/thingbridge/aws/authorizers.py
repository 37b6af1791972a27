"""Custom authorizers of AWS IoT: who may publish with a signed token instead of credentials of AWS.

Terraform does not manage them: the keys come and go while The Things Stack is being configured (flows/ingest/iot_core).
"""

from collections.abc import Mapping

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors
from thingbridge.errors import Misconfigured


class Authorizers:
    """The authorizers of an account and region, by name."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def keys(self, name: str) -> Mapping[str, str] | None:
        """The public keys (PEM) whose tokens are admitted, by their names; None if there is no such authorizer.

        Raises Busy or Misconfigured.
        """
        with translate_errors(f"read the authorizer {name}"):
            try:
                answer = self._clients("iot").describe_authorizer(authorizerName=name)
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return None
        return dict(answer["authorizerDescription"].get("tokenSigningPublicKeys", {}))

    def put(self, name: str, function_arn: str, token_header: str, keys: Mapping[str, str]) -> None:
        """Create or update one, active, that admits tokens of these keys. Raises Busy or Misconfigured."""
        iot = self._clients("iot")
        settings = {
            "authorizerName": name,
            "authorizerFunctionArn": function_arn,
            "tokenKeyName": token_header,
            "tokenSigningPublicKeys": dict(keys),
            "status": "ACTIVE",
            "enableCachingForHttp": True,
        }
        with translate_errors(f"update the authorizer {name}"):
            try:
                iot.update_authorizer(**settings)
                return
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
        with translate_errors(f"create the authorizer {name}"):
            iot.create_authorizer(**settings, signingDisabled=False)

    def check(self, name: str, token: str, signature: str) -> None:
        """Have AWS IoT check a token and invoke the function. Raises Misconfigured unless it is admitted, or Busy."""
        with translate_errors(f"test the authorizer {name}"):
            try:
                answer = self._clients("iot").test_invoke_authorizer(
                    authorizerName=name, token=token, tokenSignature=signature
                )
            except ClientError as error:
                if code(error) not in ("InvalidRequestException", "InvalidResponseException"):
                    raise
                answer = {}
        if not answer.get("isAuthenticated"):
            raise Misconfigured(
                f"test the authorizer {name}: AWS IoT does not admit its token: see the log of its function: "
                "it may lack the permission to be invoked"
            )

    def delete(self, name: str) -> None:
        """Deactivate and delete one, as AWS IoT deletes no active one; one that is gone counts as deleted."""
        iot = self._clients("iot")
        with translate_errors(f"delete the authorizer {name}"):
            try:
                iot.update_authorizer(authorizerName=name, status="INACTIVE")
                iot.delete_authorizer(authorizerName=name)
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
