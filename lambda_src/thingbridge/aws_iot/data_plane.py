"""AWS IoT's data plane: publishing on a topic, writing and reading a named shadow."""

import json
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from thingbridge.aws_iot.clients import client
from thingbridge.aws_iot.errors import code, told_apart

CONFLICT: Final = 409


def publish(topic: str, payload: bytes) -> None:
    """Publish with QoS 1. Raises Busy or Refused."""
    with told_apart(f"publish on {topic}"):
        client("iot-data").publish(topic=topic, qos=1, payload=payload)


def report(thing_name: str, shadow_name: str, reported: Mapping[str, Any], *, version: int | None = None) -> bool:
    """Merge `reported` into a named shadow, without reading it first. Raises Busy or Refused.

    False when the shadow is no longer of that `version`, and nothing was written.
    """
    document = json.dumps({"state": {"reported": reported}, **({"version": version} if version else {})}).encode()
    with told_apart(f"write the shadow {shadow_name} of {thing_name}"):
        try:
            answer = client("iot-data").update_thing_shadow(
                thingName=thing_name, shadowName=shadow_name, payload=document
            )
        except ClientError as error:
            if version and error.response["ResponseMetadata"]["HTTPStatusCode"] == CONFLICT:
                return False
            raise
        # Unread, the answer would keep its connection from being used again.
        answer["payload"].read()
    return True


def reported(thing_name: str, shadow_name: str) -> dict[str, Any]:
    """What a named shadow reports; empty when there is none. Raises like `shadow`."""
    document = shadow(thing_name, shadow_name) or {}
    return dict(document.get("state", {}).get("reported") or {})


def shadow(thing_name: str, shadow_name: str) -> dict[str, Any] | None:
    """A named shadow's whole document, None without one. Raises Busy, Misconfigured or Refused."""
    with told_apart(f"read the shadow {shadow_name} of {thing_name}"):
        try:
            answer = client("iot-data").get_thing_shadow(thingName=thing_name, shadowName=shadow_name)
        except ClientError as error:
            if code(error) == "ResourceNotFoundException":
                return None
            raise
        return dict(json.loads(answer["payload"].read()))
