"""The modes of the variable `ingest.mode`, one module each.

Each module has the same parts: `RIGHTS`, what the API key needs beyond the rights that every mode needs; `configure`,
which creates or updates its part in The Things Stack and can be repeated; `examine`, which looks whether it is still
so; `remove`, which deletes it there; `release`, which deletes what only this mode used in AWS, even when The Things
Stack is gone. All modes share `integration` (what is configured) and `account` (what AWS provides).
"""

from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from thingbridge.flows.findings import Finding
from thingbridge.flows.ingest import manual, mqtt, package, pubsub, webhook
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import IngestMode, Integration
from thingbridge.things_stack.client import ThingsStack


class Mode(Protocol):
    """The parts of a mode's module."""

    @property
    def RIGHTS(self) -> Mapping[str, str]:  # noqa: N802
        """Rights beyond those of every mode, by their label in the Console."""

    def configure(
        self, things_stack: ThingsStack, integration: Integration, previous: Integration | None, account: Account
    ) -> None:
        """Create or update it; `previous` is what the last apply configured. Raises Misconfigured, Busy or Refused."""

    def examine(self, things_stack: ThingsStack, integration: Integration, account: Account) -> Iterator[Finding]:
        """What is found of it in The Things Stack; changes nothing. Raises Misconfigured, Busy or Refused."""

    def remove(self, things_stack: ThingsStack, integration: Integration) -> None:
        """Remove it; nothing there, or another owner's in its place, counts as removed. Raises what refuses it."""

    def release(self, integration: Integration, account: Account) -> None:
        """Delete what only this mode used in AWS; can be repeated."""


MODES: Final[Mapping[IngestMode, Mode]] = {
    IngestMode.PUBSUB: pubsub,
    IngestMode.PACKAGE: package,
    IngestMode.WEBHOOK: webhook,
    IngestMode.MQTT: mqtt,
    IngestMode.MANUAL: manual,
}
