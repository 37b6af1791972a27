"""The first call of an apply: whether the application is reached with its API key, before anything is created for it.

What is checked is in api_key.py; here is for which application, mode and rights. Nothing is configured or recorded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from thingbridge.aws.parameters import Parameters
from thingbridge.errors import Misconfigured
from thingbridge.flows import api_key
from thingbridge.flows.configuration import Place
from thingbridge.flows.convergence import PATIENCE, Connect
from thingbridge.flows.end_to_end_encryption import setup
from thingbridge.flows.ingest.integration import IngestMode
from thingbridge.flows.ingest.modes import MODES


@dataclass(frozen=True)
class Check:
    """The flow; `path`/wanted/check is the parameter in which Terraform says what is to be checked.

    `key_version` returns the ID of the current version of a secret, by its ARN.
    """

    path: str
    parameters: Parameters
    connect: Connect
    key_version: Callable[[str], str]

    def run(self) -> dict[str, Any]:
        """Check address, key and rights; returns what was checked. Raises Misconfigured or Busy."""
        text = self.parameters.read(f"{self.path}/wanted/check")
        if text is None:
            raise Misconfigured(f"the parameter {self.path}/wanted/check is missing: apply again")
        place = Place.wanted(text)
        version = self.key_version(place.application.api_key_secret_arn)
        rights = {
            **MODES[IngestMode(place.settings["mode"])].RIGHTS,
            **(setup.RIGHTS if place.settings["end_to_end_encryption"] else {}),
        }
        api_key.check(self.connect(place.application, version, PATIENCE), rights)
        return {"checked": f"the application {place.application.application_id} at {place.application.host}"}
