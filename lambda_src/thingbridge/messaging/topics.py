"""The MQTT topics on both sides of the bridge, built and parsed.

Terraform has the same names in `modules/upstream` and `modules/downlink`; a test compares them.

Inside: `thethings/lorawan/<stack>/<event>`, where The Things Stack publishes. Public: `lorawan/<thing>/<event>`.
"""

import functools
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

UPSTREAM_BASE: Final = "thethings/lorawan"
PUBLIC_BASE: Final = "lorawan"
DOWNLINK_REQUEST: Final = "lorawan/downlink"
DOWNLINK_REJECTED: Final = "downlink/rejected"
DOWNLINK_PUSH: Final = "downlink/push"
DOWNLINK_REPLACE: Final = "downlink/replace"

UPSTREAM_EVENTS: Final[Mapping[str, str]] = {
    "uplink_message": "uplink",
    "join_accept": "join",
    "downlink_ack": "downlink/ack",
    "downlink_nack": "downlink/nack",
    "downlink_sent": "downlink/sent",
    "downlink_failed": "downlink/failed",
    "downlink_queued": "downlink/queued",
    "downlink_queue_invalidated": "downlink/invalidated",
    "location_solved": "location/solved",
    "service_data": "service/data",
}
"""Kind of message (`ApplicationUp`) → event. Without `uplink_normalized`, which pub/subs do not publish: the number of
messages of an uplink must not depend on the mode of ingest."""

EVENTS_OF_DEVICES: Final = frozenset({"uplink", "join"})
"""Events that a device itself causes over the air."""

THING_NAME: Final = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
"""AWS IoT `CreateThing`, parameter `thingName`. Such a name contains no topic separator or wildcard."""

REQUEST_EVENTS: Final = frozenset({DOWNLINK_PUSH, DOWNLINK_REPLACE, DOWNLINK_REJECTED})
"""Events whose public topics are for requests: publishing a message there would make it a request."""

_MAX_SLASHES: Final = 7
_MAX_TOPIC_BYTES: Final = 256
_MAX_THING_NAME: Final = 128
"""AWS IoT message broker quotas, and the longest thing name of `CreateThing`."""

_NOT_PUBLISHED: Final = frozenset("+#\0")
"""Characters that no message is published with (MQTT 3.1.1 §4.7)."""


def upstream_event(topic: str, stack_name: str) -> str | None:
    """`thethings/lorawan/<stack>/downlink/ack` → `downlink/ack`; None for another stack's topic."""
    prefix = f"{UPSTREAM_BASE}/{stack_name}/"
    return topic.removeprefix(prefix) if topic.startswith(prefix) and topic != prefix else None


def upstream(stack_name: str, event: str) -> str:
    """Where a message of The Things Stack is published: `thethings/lorawan/<stack>/<event>`."""
    return f"{UPSTREAM_BASE}/{stack_name}/{event}"


def public(thing_name: str, event: str) -> str:
    """The public topic of an event of a thing: `lorawan/<thing>/<event>`."""
    return f"{PUBLIC_BASE}/{thing_name}/{event}"


@functools.lru_cache(maxsize=64)
def fits(event: str) -> bool:
    """Whether the public topic of an event keeps AWS IoT's limits, whatever the name of the thing."""
    topic = public("_" * _MAX_THING_NAME, event)
    try:
        length = len(topic.encode())
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return topic.count("/") <= _MAX_SLASHES and length <= _MAX_TOPIC_BYTES and not _NOT_PUBLISHED & set(event)


def basic_ingest(rule: str, topic: str) -> str:
    """The topic on which a message starts this rule alone, without the message broker (Basic Ingest).

    The rule sees `topic`. Nobody can subscribe to it, and no other rule reads the message.
    """
    return f"$aws/rules/{rule}/{topic}"


class DownlinkTopic(NamedTuple):
    """The topic of a downlink request. `thing_name` is None on the account-wide topic."""

    thing_name: str | None
    replace: bool


def downlink_request(topic: object) -> DownlinkTopic | None:
    """`lorawan/downlink`, `lorawan/<thing>/downlink/push` or `…/replace`; None for any other topic."""
    if topic == DOWNLINK_REQUEST:
        return DownlinkTopic(thing_name=None, replace=False)
    match str(topic).split("/"):
        case [base, thing_name, "downlink", "push" | "replace" as operation] if base == PUBLIC_BASE:
            return DownlinkTopic(thing_name=thing_name, replace=operation == "replace")
    return None
