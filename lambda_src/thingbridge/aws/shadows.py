"""One shadow of every thing, the classic or a named one: read and written over AWS IoT's data plane.

Which fields it has: `shadow.state` for the shadow `lorawan`, `telemetry` for the classic one of a device.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import answered, code, message, status, translate_errors
from thingbridge.errors import Refused
from thingbridge.pacing import TokenBucket


class ShadowFull(Refused):
    """AWS refused an update with which desired and reported state would have more than 8 KB."""


class Shadows:
    """The shadows of one name, None for the classic ones.

    `pace`: limits the writes; None: they are not limited. Every method raises Busy, Misconfigured or Refused
    (ShadowFull), as AWS answers.
    """

    def __init__(self, clients: Clients, name: str | None, pace: TokenBucket | None = None) -> None:
        self._clients, self._pace = clients, pace
        self._shadow = {} if name is None else {"shadowName": name}
        self._label = "classic shadow" if name is None else f"shadow {name}"

    def report(self, thing_name: str, reported: Mapping[str, Any], *, version: int | None = None) -> bool:
        """Merge `reported` into a thing's shadow without reading it first.

        Returns False, having written nothing, when `version` is given and the shadow has another one by now.
        """
        document = json.dumps({"state": {"reported": reported}, **({"version": version} if version else {})}).encode()
        if self._pace:
            self._pace.acquire()
        with translate_errors(f"write the {self._label} of {thing_name}"):
            try:
                answer = self._clients("iot-data").update_thing_shadow(
                    thingName=thing_name, **self._shadow, payload=document
                )
            except answered() as error:
                if version and status(error) == HTTPStatus.CONFLICT:
                    return False
                if status(error) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                    reason = f"{code(error)}: {message(error)}"
                    raise ShadowFull(f"write the {self._label} of {thing_name}: {reason}") from error
                raise
            # An unread answer keeps its connection from being reused.
            answer["payload"].read()
        return True

    def reported(self, thing_name: str) -> dict[str, Any]:
        """The `reported` part of a thing's shadow; empty if there is no shadow."""
        document = self.document(thing_name) or {}
        return dict(document.get("state", {}).get("reported") or {})

    def document(self, thing_name: str) -> dict[str, Any] | None:
        """The whole document of a thing's shadow, None if there is no shadow."""
        with translate_errors(f"read the {self._label} of {thing_name}"):
            try:
                answer = self._clients("iot-data").get_thing_shadow(thingName=thing_name, **self._shadow)
            except answered() as error:
                if code(error) == "ResourceNotFoundException":
                    return None
                raise
            return dict(json.loads(answer["payload"].read()))
