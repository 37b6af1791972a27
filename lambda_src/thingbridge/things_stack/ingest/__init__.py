"""The ways in: how messages of The Things Stack reach AWS IoT, one module per mode of the variable `ingest.mode`.

Each has the same three parts: `RIGHTS`, what the API key needs beyond what every mode needs; `configure`, which
creates or updates its part in The Things Stack and can be repeated; `remove`, which takes it back and succeeds when
nothing is there. What every mode shares is in `integration` (what is configured), `account` (what AWS gives) and
`api_key` (the check before anything is done).
"""

from collections.abc import Mapping
from typing import Final, Protocol

from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.ingest import manual, mqtt, package, pubsub, webhook
from thingbridge.things_stack.ingest.account import Account
from thingbridge.things_stack.ingest.integration import IngestMode, Integration


class Mode(Protocol):
    """What the module of a mode offers."""

    @property
    def RIGHTS(self) -> Mapping[str, str]:  # noqa: N802
        """Rights beyond those of every mode, by the label that the Console shows for them."""

    def configure(
        self, things_stack: ThingsStack, integration: Integration, previous: Integration | None, account: Account
    ) -> None:
        """Create or update it; `previous` is what the last apply configured. Raises Misconfigured, Busy or Refused."""

    def remove(self, things_stack: ThingsStack, integration: Integration, account: Account) -> None:
        """Take it back. What The Things Stack no longer knows or allows is taken for removed."""


MODES: Final[Mapping[IngestMode, Mode]] = {
    IngestMode.PUBSUB: pubsub,
    IngestMode.PACKAGE: package,
    IngestMode.WEBHOOK: webhook,
    IngestMode.MQTT: mqtt,
    IngestMode.MANUAL: manual,
}
