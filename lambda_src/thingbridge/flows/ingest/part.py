"""The integration as a part of an application's configuration (flows/convergence.py), in any mode of `ingest`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from thingbridge.flows.configuration import Settings
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import Integration
from thingbridge.flows.ingest.modes import MODES
from thingbridge.things_stack.client import ThingsStack

_NEEDED_ONCE: Final = frozenset({"ca_certificate"})
"""Settings of modes that neither a removal nor a comparison needs, too long for a record."""


@dataclass(frozen=True)
class IntegrationPart:
    """The integration of one stack."""

    account: Account

    def rights(self, settings: Settings) -> Mapping[str, str]:
        """Those of the mode."""
        return MODES[Integration.read(settings).mode].RIGHTS

    def location(self, settings: Settings) -> tuple[object, ...]:
        """Mode, ID and FPort."""
        return Integration.read(settings).place

    def name(self, settings: Settings) -> str:
        """The kind of integration and its ID."""
        integration = Integration.read(settings)
        return f"the integration {integration.id} (ingest.mode {integration.mode})"

    def recorded(self, settings: Settings) -> Settings:
        """All but what is needed only to configure it."""
        of_mode = {name: value for name, value in settings["settings"].items() if name not in _NEEDED_ONCE}
        return {**settings, "settings": of_mode}

    def configure(self, things_stack: ThingsStack, settings: Settings, before: Settings | None, moved: bool) -> None:
        """Create or update it."""
        integration = Integration.read(settings)
        previous = Integration.read(before) if before and not moved else None
        MODES[integration.mode].configure(things_stack, integration, previous, self.account)

    def remove(self, things_stack: ThingsStack, settings: Settings) -> None:
        """Remove it from The Things Stack."""
        integration = Integration.read(settings)
        MODES[integration.mode].remove(things_stack, integration)

    def release(self, settings: Settings) -> None:
        """Delete what only its mode used in AWS."""
        integration = Integration.read(settings)
        MODES[integration.mode].release(integration, self.account)
