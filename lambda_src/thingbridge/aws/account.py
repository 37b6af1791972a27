"""Settings of the AWS account that no single stack owns: the thing type and the registry's event messages.

Terraform's provider can neither adopt an existing thing type nor switch on one kind of event without setting all the
others. The calls here do just that, and can be repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors
from thingbridge.errors import Refused

REQUIRED: Final = ("devEUI", "stackName")
"""Attributes that things are found by: AWS IoT lists things only by an attribute that their type is searchable by."""


@dataclass(frozen=True)
class ThingType:
    """The outcome for a thing type. `not_searchable`: attributes that an existing one should be searchable by."""

    created: bool
    not_searchable: Sequence[str] = ()


class Account:
    """The account and region of the clients."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def ensure_thing_type(self, name: str, description: str, searchable_attributes: Sequence[str]) -> ThingType:
        """Create a thing type, or adopt the one that exists.

        Raises Refused when the existing one is deprecated (no thing can be given that type) or is not searchable by
        `REQUIRED`, which AWS IoT fixes for the life of a type.
        """
        iot = self._clients("iot")
        with translate_errors(f"create the thing type {name}"):
            try:
                found = iot.describe_thing_type(thingTypeName=name)
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                iot.create_thing_type(
                    thingTypeName=name,
                    thingTypeProperties={
                        "thingTypeDescription": description,
                        "searchableAttributes": list(searchable_attributes),
                    },
                )
                return ThingType(created=True)
        if found.get("thingTypeMetadata", {}).get("deprecated"):
            raise Refused(
                f"the thing type {name} is deprecated: choose another thing_type_name, or undo the deprecation "
                f"with `aws iot deprecate-thing-type --thing-type-name {name} --undo-deprecate`"
            )
        searchable = found.get("thingTypeProperties", {}).get("searchableAttributes", [])
        missing = [each for each in dict.fromkeys((*REQUIRED, *searchable_attributes)) if each not in searchable]
        if required := [each for each in missing if each in REQUIRED]:
            raise Refused(
                f"the thing type {name} is not searchable by {' and '.join(required)} (it is by: "
                f"{', '.join(searchable) or 'nothing'}), which AWS IoT can't change: choose another thing_type_name"
            )
        return ThingType(created=False, not_searchable=missing)

    def thing_type(self, name: str) -> tuple[Sequence[str], bool] | None:
        """The attributes that a thing type is searchable by, and whether it is deprecated; None if it is missing."""
        with translate_errors(f"read the thing type {name}"):
            try:
                found = self._clients("iot").describe_thing_type(thingTypeName=name)
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return None
        searchable = found.get("thingTypeProperties", {}).get("searchableAttributes", [])
        return list(searchable), bool(found.get("thingTypeMetadata", {}).get("deprecated"))

    def thing_events(self) -> bool:
        """Whether the registry publishes its THING events."""
        with translate_errors("read the event configurations"):
            now = self._clients("iot").describe_event_configurations()["eventConfigurations"]
        return bool(now.get("THING", {}).get("Enabled"))

    def clock(self) -> float:
        """The time of AWS, in Unix seconds, as its answers say."""
        with translate_errors("ask AWS STS who calls"):
            answer = self._clients("sts").get_caller_identity()
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()

    def enable_thing_events(self) -> bool:
        """Switch on the registry's THING events; True when they were off. Other event types keep their settings."""
        iot = self._clients("iot")
        with translate_errors("switch on the registry events of things"):
            now = iot.describe_event_configurations()["eventConfigurations"]
            if now.get("THING", {}).get("Enabled"):
                return False
            # UpdateEventConfigurations is a PATCH: event types that are not named keep their settings.
            iot.update_event_configurations(eventConfigurations={"THING": {"Enabled": True}})
            return True
