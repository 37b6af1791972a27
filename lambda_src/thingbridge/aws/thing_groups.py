"""Static thing groups: things are added to them. Terraform creates the groups; a deleted thing leaves them."""

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors


class ThingGroups:
    """The thing groups of an account. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def add(self, thing_name: str, group: str) -> None:
        """Add a thing to a group; nothing happens if it is in it."""
        with translate_errors(f"add {thing_name} to the thing group {group}"):
            self._clients("iot").add_thing_to_thing_group(thingName=thing_name, thingGroupName=group)

    def arn(self, group: str) -> str | None:
        """The ARN of a group, None if there is no such group."""
        with translate_errors(f"describe the thing group {group}"):
            try:
                return str(self._clients("iot").describe_thing_group(thingGroupName=group)["thingGroupArn"])
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return None
