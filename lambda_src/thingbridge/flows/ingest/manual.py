"""Mode `manual`: nothing is configured. The user enters role, region and stack in The Things Stack."""

from collections.abc import Iterator, Mapping
from typing import Final

from thingbridge.flows.findings import Finding
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import Integration
from thingbridge.things_stack.client import ThingsStack

RIGHTS: Final[Mapping[str, str]] = {}


def configure(
    _things_stack: ThingsStack, _integration: Integration, _previous: Integration | None, _account: Account
) -> None:
    """Nothing to do."""


def examine(_things_stack: ThingsStack, integration: Integration, _account: Account) -> Iterator[Finding]:
    """Nothing that could be compared."""
    yield Finding("integration", f"yours to configure, on {integration.base_topic}/… (ingest.mode manual)")


def remove(_things_stack: ThingsStack, _integration: Integration) -> None:
    """Nothing to do."""


def release(_integration: Integration, _account: Account) -> None:
    """Nothing to do: what it used is Terraform's."""
