"""What is to be configured in The Things Stack, read from what Terraform wrote for `configure`, whatever the mode."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from thingbridge.lorawan.identifiers import TTS_ID_MAX_LENGTH
from thingbridge.messaging.topics import UPSTREAM_BASE


class IngestMode(StrEnum):
    """How messages of The Things Stack reach AWS IoT. Each receiver of webhooks is a mode: one replaces the other as
    modes do, by a webhook of its own."""

    PUBSUB = "pubsub"
    PACKAGE = "package"
    WEBHOOK = "webhook"
    WEBHOOK_IOT_CORE = "webhook/iot_core"
    MQTT = "mqtt"
    MANUAL = "manual"


@dataclass(frozen=True)
class Integration:
    """One stack's integration. `settings` are those of its mode; each mode's module reads its own."""

    mode: IngestMode
    account_id: str
    region: str
    stack_name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Read the settings of a place (`thingbridge.flows.configuration`)."""
        return cls(
            mode=IngestMode(given["mode"]),
            account_id=given["account_id"],
            region=given["region"],
            stack_name=given["stack_name"],
            settings=given["settings"],
        )

    @property
    def base_topic(self) -> str:
        """Topic below which The Things Stack publishes."""
        return f"{UPSTREAM_BASE}/{self.stack_name}"

    @property
    def id(self) -> str:
        """Id of the stack's integration: readable, and different for each account, region, stack and mode.

        The Things Stack allows 3 to 36 lower-case letters, digits and single dashes, and one application may serve
        stacks in several accounts. It differs by mode, so that the old integration exists until the new one does.
        """
        place = f"{self.account_id}/{self.region}/{self.stack_name}/{self.mode}"
        digest = hashlib.sha256(place.encode()).hexdigest()[:8]
        readable = re.sub(r"-+", "-", self.stack_name.lower())[: TTS_ID_MAX_LENGTH - len(digest) - 1]
        return f"{readable.strip('-')}-{digest}"

    @property
    def place(self) -> tuple[object, ...]:
        """Its place within the application: when this changes, the integration in the old place is removed."""
        return self.mode, self.id, self.settings.get("f_port")
