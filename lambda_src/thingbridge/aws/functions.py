"""Lambda functions: how a function of a stack is configured, and events that it is invoked with."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors
from thingbridge.errors import Refused


class Functions:
    """The functions of the account. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def environment(self, name: str) -> Mapping[str, str]:
        """The environment variables of a function, none if it does not exist."""
        configuration = self._configuration(name) or {}
        return dict(configuration.get("Environment", {}).get("Variables", {}))

    def health(self, name: str) -> tuple[str, str] | None:
        """State and status of the last update (`Active`, `Successful`), each with AWS's reason; None if missing."""
        found = self._configuration(name)
        if found is None:
            return None
        return _with_reason(found, "State", "Active"), _with_reason(found, "LastUpdateStatus", "Successful")

    def disabled_sources(self, name: str) -> list[str]:
        """The event source mappings of a function that deliver nothing, each with its state."""
        with translate_errors(f"list the event source mappings of the function {name}"):
            pages = self._clients("lambda").get_paginator("list_event_source_mappings").paginate(FunctionName=name)
            mappings = [each for page in pages for each in page["EventSourceMappings"]]
        return [
            f"{each['EventSourceArn'].rpartition(':')[2]} ({each['State']})"
            for each in mappings
            if each["State"] not in ("Enabled", "Creating", "Enabling", "Updating")
        ]

    def ask(self, name: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke a function and wait for its answer. Raises Refused with what the function raised."""
        with translate_errors(f"invoke the function {name}"):
            answer = self._clients("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
        value = json.loads(answer["Payload"].read() or b"{}")
        if answer.get("FunctionError"):
            raise Refused(f"the function {name} failed: {value.get('errorMessage', value)}")
        return dict(value)

    def invoke_later(self, name: str, event: str) -> None:
        """Have a function handle an event, a JSON text of at most 1 MB. Lambda retries it as any asynchronous one."""
        with translate_errors(f"invoke the function {name}"):
            self._clients("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=event.encode())

    def _configuration(self, name: str) -> Mapping[str, Any] | None:
        with translate_errors(f"read the configuration of the function {name}"):
            try:
                return dict(self._clients("lambda").get_function_configuration(FunctionName=name))
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return None


def _with_reason(found: Mapping[str, Any], field: str, usual: str) -> str:
    reason = found.get(f"{field}Reason")
    value = str(found.get(field, usual))
    return f"{value}: {reason}" if reason else value
