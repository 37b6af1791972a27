"""What can be seen of The Things Stack from the function `configure`, which has the API key: nothing is changed.

The servers come first, then the key, then what they are configured with: the first fault is the cause of those below.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from thingbridge.aws.parameters import Parameters
from thingbridge.errors import Busy, ThingbridgeError
from thingbridge.flows import api_key, expiry
from thingbridge.flows.configuration import Place, Record, digest
from thingbridge.flows.convergence import Connect
from thingbridge.flows.end_to_end_encryption import setup
from thingbridge.flows.findings import CONFIGURE_AGAIN, Finding
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import Integration
from thingbridge.flows.ingest.modes import MODES
from thingbridge.registry.provisioning import Server
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ApiKeyRefused, NotFound

PATIENCE: Final = 5.0
"""Seconds for which a server that does not answer is tried again: four of them have to fit into an invocation."""

PROBE: Final = "thingbridge-doctor"
"""A device that is read from each server. It need not exist: "not found" is an answer."""

SERVERS: Final = (Server.IDENTITY, Server.NETWORK, Server.APPLICATION, Server.JOIN)

_ADDRESS: Final = "check cluster_address and identity_server_address, and whether The Things Stack is up"
_APPLY: Final = "run `terraform apply`, and read the first line of its error if it fails"


@dataclass(frozen=True)
class Diagnosis:
    """The flow; its collaborators are those of `check` and `convergence`."""

    path: str
    parameters: Parameters
    connect: Connect
    key_version: Callable[[str], str]
    account: Account
    ca_certificate: str | None = None
    now: Callable[[], float] = time.time

    def run(self) -> dict[str, Any]:
        """`{"mode", "role_arn"?, "external_id"?, "findings": [{"what", "found", "fix"}]}`."""
        text = self.parameters.read(f"{self.path}/wanted/integration")
        if text is None:
            never = Finding("last apply", "it did not get as far as The Things Stack", _APPLY)
            return {"mode": None, "findings": [asdict(never)]}
        integration = Integration.read(Place.wanted(text).settings)
        role = {
            name: integration.settings[name] for name in ("role_arn", "external_id") if name in integration.settings
        }
        return {"mode": str(integration.mode), **role, "findings": [asdict(each) for each in self._findings(text)]}

    def _findings(self, text: str) -> Iterator[Finding]:
        record = Record.read(self.parameters.read(f"{self.path}/record/integration"))
        if record.configuration == digest(text):
            yield Finding("last apply", "The Things Stack has what Terraform wants")
        else:
            yield Finding("last apply", "The Things Stack does not have all of what Terraform wants", _APPLY)
        place = Place.wanted(text)
        version = self.key_version(place.application.api_key_secret_arn)
        things_stack = self.connect(place.application, version, PATIENCE)
        integration = Integration.read(place.settings)
        reached = list(_servers(things_stack))
        yield from reached
        if any(each.fix for each in reached):
            return
        encrypted = self.parameters.read(f"{self.path}/wanted/end_to_end_encryption") is not None
        needed = {
            **api_key.RIGHTS,
            **MODES[integration.mode].RIGHTS,
            **(setup.RIGHTS if encrypted else {}),
        }
        of_key = list(_key(things_stack, needed))
        yield from of_key
        if not any(each.fix for each in of_key):
            yield from self._integration(things_stack, integration)
            yield from self._endings(things_stack)

    def _endings(self, things_stack: ThingsStack) -> Iterator[Finding]:
        now = self.now()
        for each in expiry.endings(things_stack, self.ca_certificate):
            yield Finding(each.what, each.sentence(now), each.fix if each.days(now) <= expiry.SOON else None)

    def _integration(self, things_stack: ThingsStack, integration: Integration) -> Iterator[Finding]:
        try:
            yield from MODES[integration.mode].examine(things_stack, integration, self.account)
        except ThingbridgeError as error:
            yield Finding("integration", str(error), CONFIGURE_AGAIN)


def _servers(things_stack: ThingsStack) -> Iterator[Finding]:
    for server in SERVERS:
        try:
            things_stack.end_devices.get(server, PROBE, ("ids",))
        except Busy as error:
            yield Finding(str(server), str(error), _ADDRESS)
        except ApiKeyRefused:
            yield Finding(str(server), "answers")
        except ThingbridgeError as error:
            yield Finding(str(server), str(error), _ADDRESS)
        else:
            yield Finding(str(server), "answers")


def _key(things_stack: ThingsStack, needed: Mapping[str, str]) -> Iterator[Finding]:
    application = things_stack.application_id
    try:
        rights = things_stack.application.rights()
    except ApiKeyRefused as error:
        yield Finding(
            "API key", f"The Things Stack refuses it ({error.answer.message})", api_key.another_key(application)
        )
        return
    except NotFound:
        yield Finding("application", f"The Things Stack has no application {application}", "check application_id")
        return
    missing = api_key.missing(rights, needed)
    if not rights:
        yield Finding("API key", f"it has no rights on the application {application}", api_key.another_key(application))
    elif missing:
        for right in missing:
            fix = f"add it to the API key in the Console, or {api_key.another_key(application)}"
            yield Finding(f"right “{needed[right]}”", f"the API key lacks it ({right})", fix)
    else:
        yield Finding("API key", "valid, with every right that the stack needs")
