"""What belongs to the account rather than to one stack: the thing type and the registry's event messages.

Terraform's provider can neither take over a thing type that exists nor switch on one kind of event without
setting all others; these calls do just that, and can be repeated.
"""

from collections.abc import Sequence

from botocore.exceptions import ClientError

from thingbridge.aws_iot.clients import client
from thingbridge.aws_iot.errors import code, told_apart
from thingbridge.errors import Refused


def ensure_thing_type(name: str, description: str, searchable_attributes: Sequence[str]) -> bool:
    """Create a thing type, or take over the one that exists; True when it was created.

    Raises Refused when the existing one is deprecated: no thing can be given that type.
    """
    with told_apart(f"create the thing type {name}"):
        try:
            found = client("iot").describe_thing_type(thingTypeName=name)
        except ClientError as error:
            if code(error) != "ResourceNotFoundException":
                raise
            client("iot").create_thing_type(
                thingTypeName=name,
                thingTypeProperties={
                    "thingTypeDescription": description,
                    "searchableAttributes": list(searchable_attributes),
                },
            )
            return True
    if found.get("thingTypeMetadata", {}).get("deprecated"):
        raise Refused(
            f"the thing type {name} is deprecated: choose another thing_type_name, or undo the deprecation "
            f"with `aws iot deprecate-thing-type --thing-type-name {name} --undo-deprecate`"
        )
    return False


def enable_thing_events() -> bool:
    """Switch on the registry's THING events; True when they were off. Other event types are not touched."""
    with told_apart("switch on the registry events of things"):
        now = client("iot").describe_event_configurations()["eventConfigurations"]
        if now.get("THING", {}).get("Enabled"):
            return False
        # UpdateEventConfigurations is a PATCH: what is not named keeps its setting.
        client("iot").update_event_configurations(eventConfigurations={"THING": {"Enabled": True}})
        return True
