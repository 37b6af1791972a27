"""Lambda functions: how a function of a stack is configured, and events that it is invoked with."""

from collections.abc import Mapping

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors


class Functions:
    """The functions of the account. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def environment(self, name: str) -> Mapping[str, str]:
        """The environment variables of a function, none if it does not exist."""
        with translate_errors(f"read the configuration of the function {name}"):
            try:
                configuration = self._clients("lambda").get_function_configuration(FunctionName=name)
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return {}
        return dict(configuration.get("Environment", {}).get("Variables", {}))

    def invoke_later(self, name: str, event: str) -> None:
        """Have a function handle an event, a JSON text of at most 1 MB. Lambda retries it as any asynchronous one."""
        with translate_errors(f"invoke the function {name}"):
            self._clients("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=event.encode())
