"""The Things Stack's end of the bridge: checked, configured and removed again.

Ingest modes: `pubsub` lets The Things Stack assume the cross-account role and publish to AWS IoT by itself
(`ApplicationPubSub` with provider `aws_iot`); `manual` configures nothing and only checks.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from thingbridge.errors import Busy, Misconfigured
from thingbridge.lorawan.identifiers import TTS_ID_MAX_LENGTH
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ApiKeyRefused, NotFound, ThingsStackRefused

ALL_RIGHTS: Final = frozenset({"RIGHT_ALL", "RIGHT_APPLICATION_ALL"})

RIGHTS: Final = {
    "RIGHT_APPLICATION_DEVICES_READ": "View devices in application",
    "RIGHT_APPLICATION_DEVICES_WRITE": "Create devices in application",
    "RIGHT_APPLICATION_DEVICES_WRITE_KEYS": "Edit device keys in application",
    "RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE": "Write downlink application traffic",
}
"""Rights that every mode needs, by the label that the Console shows for them."""

PUBSUB_RIGHTS: Final = {
    "RIGHT_APPLICATION_SETTINGS_BASIC": "Edit basic application settings",
    "RIGHT_APPLICATION_TRAFFIC_READ": "Read application traffic",
}


class IngestMode(StrEnum):
    """How messages of The Things Stack reach AWS IoT."""

    PUBSUB = "pubsub"
    MANUAL = "manual"


@dataclass(frozen=True)
class Integration:
    """What The Things Stack is to know. `external_id` may be None; `role_arn` names the cross-account role."""

    mode: IngestMode
    stack_name: str
    region: str
    role_arn: str
    external_id: str | None

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Self:
        """Read the fields of the configure function's input."""
        return cls(
            mode=IngestMode(settings["mode"]),
            stack_name=settings["stack_name"],
            region=settings["region"],
            role_arn=settings["role_arn"],
            external_id=settings.get("external_id"),
        )

    @property
    def pubsub_id(self) -> str:
        """Id of the stack's Pub/Sub integration: readable, and another for each account, region and stack.

        The Things Stack allows 3 to 36 lower-case letters, digits and single dashes, and one application may
        serve stacks in several accounts.
        """
        account = self.role_arn.split(":")[4]
        digest = hashlib.sha256(f"{account}/{self.region}/{self.stack_name}".encode()).hexdigest()[:8]
        readable = re.sub(r"-+", "-", self.stack_name.lower())[: TTS_ID_MAX_LENGTH - len(digest) - 1]
        return f"{readable.strip('-')}-{digest}"


def check(things_stack: ThingsStack, mode: IngestMode, also: Mapping[str, str] | None = None) -> None:
    """Make sure that the servers answer and that the API key may do what the stack needs.

    `also`: rights that are needed beside those of the mode, with the Console's labels. Raises Misconfigured or Busy
    with one sentence that names what is wrong and the mend.
    """
    needed = RIGHTS | (PUBSUB_RIGHTS if mode is IngestMode.PUBSUB else {}) | dict(also or {})
    application = things_stack.application_id
    try:
        rights = things_stack.application_rights()
        things_stack.frequency_plan_ids()
    except ApiKeyRefused as error:
        raise Misconfigured(
            f"The Things Stack refuses the API key ({error.answer.message}): "
            f"give a key that was made for the application {application}"
        ) from error
    except NotFound as error:
        raise Misconfigured(
            f"The Things Stack knows no application {application} ({error.answer.message}): "
            f"check application_id and cluster_address"
        ) from error
    except ThingsStackRefused as error:
        raise Misconfigured(f"{error}: check cluster_address and identity_server_address") from error
    except Busy as error:
        raise Busy(f"{error}: check cluster_address and identity_server_address, or try again later") from error
    if not rights:
        raise Misconfigured(
            f"the API key has no right at all on the application {application}: "
            f"give a key that was made for the application {application}"
        )
    missing = [] if rights & ALL_RIGHTS else [right for right in needed if right not in rights]
    if missing:
        labels = ", ".join(f"“{needed[right]}” ({right})" for right in missing)
        raise Misconfigured(f"the API key lacks rights on the application {application}: add {labels}")


def configure(things_stack: ThingsStack, integration: Integration) -> None:
    """Create or update the integration. Can be repeated."""
    if integration.mode is IngestMode.MANUAL:
        return
    assume_role = {"arn": integration.role_arn}
    if integration.external_id:
        assume_role["external_id"] = integration.external_id
    things_stack.set_pubsub(
        integration.pubsub_id,
        {
            "format": "json",
            "aws_iot": {
                "region": integration.region,
                "assume_role": assume_role,
                "default": {"stack_name": integration.stack_name},
            },
        },
        ("format", "provider.aws_iot"),
    )


def remove(things_stack: ThingsStack, integration: Integration) -> None:
    """Remove the integration. What The Things Stack no longer knows or allows is taken for removed."""
    if integration.mode is IngestMode.MANUAL:
        return
    try:
        things_stack.delete_pubsub(integration.pubsub_id)
    except (ApiKeyRefused, NotFound):
        # A key or application that was deleted can't be had back, and must not hold up the destroy.
        return
