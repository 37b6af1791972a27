"""The topics of devices with certificates of their own, below the name of their stack. Terraform: `modules/devices`.

The policy of a device lets only that device publish on `<stack>/sensor/<type>/<thing>` and
`<stack>/device/status/<thing>`; no device may publish on the other topics.
"""

from dataclasses import dataclass
from typing import Final

from thingbridge.messaging.topics import THING_NAME

STATUS: Final = "status"
"""The type of what is published on `<stack>/device/status/<thing>`. No type of sensors has this name."""

_LONGEST_TYPE: Final = 100


@dataclass(frozen=True)
class Source:
    """What published a reading, by its topic. `device`: the name of its thing."""

    type_name: str
    device: str


def sensor(stack_name: str, type_name: str, device: str) -> str:
    """Where a device publishes its readings."""
    return f"{stack_name}/sensor/{type_name}/{device}"


def status(stack_name: str, device: str) -> str:
    """Where a device publishes its own state, such as that of its battery."""
    return f"{stack_name}/device/{STATUS}/{device}"


def configuration(stack_name: str, device: str) -> str:
    """Where a device receives configuration."""
    return f"{stack_name}/device/config/{device}"


def record(stack_name: str, source: Source) -> str:
    """Where the record of an accepted reading is published."""
    return f"{stack_name}/record/{source.type_name}/{source.device}"


def rejected(stack_name: str, device: str) -> str:
    """Where a device learns why a reading was refused."""
    return f"{stack_name}/device/rejected/{device}"


def source(topic: object, stack_name: str) -> Source | None:
    """The source of a reading; None for a topic that no device of the stack publishes readings on."""
    match str(topic).split("/"):
        case [stack, "sensor", type_name, device] if stack == stack_name and type_name != STATUS:
            found = Source(type_name, device)
        case [stack, "device", "status", device] if stack == stack_name:
            found = Source(STATUS, device)
        case _:
            return None
    usable = THING_NAME.fullmatch(found.device) and 0 < len(found.type_name) <= _LONGEST_TYPE
    return found if usable else None


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic matches a filter (MQTT 3.1.1 §4.7; a `+` or `#` at the start matches no topic with `$`)."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    if wanted[0] in ("+", "#") and topic.startswith("$"):
        return False
    for number, level in enumerate(wanted):
        if level == "#":
            return True
        if number >= len(given) or level not in ("+", given[number]):
            return False
    return len(wanted) == len(given)
