"""Parameters of Systems Manager: short texts that Terraform and a function share. Secrets are in secrets.py."""

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors


class Parameters:
    """The parameters of an account and region, by name."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(self, name: str) -> str | None:
        """The text of a parameter, None if there is none. Raises Busy or NotPermitted."""
        with translate_errors(f"read the parameter {name}"):
            try:
                answer = self._clients("ssm").get_parameter(Name=name)
            except ClientError as error:
                if code(error) != "ParameterNotFound":
                    raise
                return None
        return str(answer["Parameter"]["Value"])

    def write(self, name: str, text: str) -> None:
        """Replace the text of a parameter: at most 4,096 characters, 8,192 in the tier Advanced.

        Raises Busy, NotPermitted or Refused.
        """
        with translate_errors(f"write the parameter {name}"):
            self._clients("ssm").put_parameter(Name=name, Value=text, Type="String", Overwrite=True)
