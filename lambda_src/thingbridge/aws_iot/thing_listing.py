"""The things of a stack, page by page. One thing, and the thing of one device, are in `things`."""

from collections.abc import Sequence
from typing import Any, Final

from thingbridge.aws_iot.clients import client
from thingbridge.aws_iot.errors import told_apart
from thingbridge.aws_iot.things import Thing
from thingbridge.registry.attributes import Attribute

THINGS_PER_PAGE: Final = 250
"""The most ListThings gives (AWS IoT API reference)."""


def page(stack_name: str, token: str | None) -> tuple[Sequence[Thing], str | None]:
    """A page of the stack's things, and the token of the next one. Raises Busy, Misconfigured or Refused."""
    request: dict[str, Any] = {
        "attributeName": str(Attribute.STACK_NAME),
        "attributeValue": stack_name,
        "maxResults": THINGS_PER_PAGE,
    }
    if token:
        request["nextToken"] = token
    with told_apart(f"list the things of the stack {stack_name}"):
        answer = client("iot").list_things(**request)
    things = [Thing(each["thingName"], dict(each.get("attributes") or {})) for each in answer["things"]]
    return things, answer.get("nextToken")
