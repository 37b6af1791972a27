"""Static thing groups: things are added to them. Terraform creates the groups; a deleted thing leaves them."""

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import translate_errors


class ThingGroups:
    """The thing groups of an account. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def add(self, thing_name: str, group: str) -> None:
        """Add a thing to a group; nothing happens if it is in it."""
        with translate_errors(f"add {thing_name} to the thing group {group}"):
            self._clients("iot").add_thing_to_thing_group(thingName=thing_name, thingGroupName=group)
