"""All shadows of a device, classic and named: read, updated, listed and deleted. What they hold is up to the device.

One shadow of every thing, by its name: `aws.shadows`.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import answered, code, status, translate_errors
from thingbridge.aws.shadows import Shadows
from thingbridge.errors import Refused


class ShadowVersionConflict(Refused):
    """The shadow has another version than the one that the update expects; nothing was written."""


class DeviceShadows:
    """The shadows of an account; a name of None is the classic one. Raises Busy, Misconfigured or Refused."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def document(self, thing_name: str, shadow_name: str | None = None) -> dict[str, Any] | None:
        """The whole document, None if there is no such shadow."""
        return Shadows(self._clients, shadow_name).document(thing_name)

    def update(
        self,
        thing_name: str,
        state: Mapping[str, Any],
        shadow_name: str | None = None,
        *,
        version: int | None = None,
    ) -> dict[str, Any]:
        """Merge into `desired` and `reported`; None removes a key. Returns the accepted document.

        Raises ShadowVersionConflict if the shadow's version is not `version`.
        """
        document = {"state": state} if version is None else {"state": state, "version": version}
        with translate_errors(f"write the {_called(shadow_name)} of {thing_name}"):
            try:
                answer = self._clients("iot-data").update_thing_shadow(
                    **_of(thing_name, shadow_name), payload=json.dumps(document).encode()
                )
            except answered() as error:
                if version is not None and status(error) == HTTPStatus.CONFLICT:
                    raise ShadowVersionConflict(
                        f"the {_called(shadow_name)} of {thing_name} does not have the version {version}"
                    ) from error
                raise
            return dict(json.loads(answer["payload"].read()))

    def names(self, thing_name: str) -> list[str]:
        """The names of a thing's named shadows; none if there is no such thing."""
        found: list[str] = []
        token: dict[str, str] = {}
        with translate_errors(f"list the shadows of {thing_name}"):
            while True:
                # The service has no paginator for it.
                try:
                    answer = self._clients("iot-data").list_named_shadows_for_thing(thingName=thing_name, **token)
                except answered() as error:
                    if code(error) != "ResourceNotFoundException":
                        raise
                    return found
                found += answer.get("results", [])
                if not answer.get("nextToken"):
                    return found
                token = {"nextToken": answer["nextToken"]}

    def delete(self, thing_name: str, shadow_name: str | None = None) -> None:
        """Delete a shadow; one that does not exist counts as deleted."""
        with translate_errors(f"delete the {_called(shadow_name)} of {thing_name}"):
            try:
                answer = self._clients("iot-data").delete_thing_shadow(**_of(thing_name, shadow_name))
            except answered() as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return
            answer["payload"].read()


def _of(thing_name: str, shadow_name: str | None) -> dict[str, str]:
    return {"thingName": thing_name, **({"shadowName": shadow_name} if shadow_name else {})}


def _called(shadow_name: str | None) -> str:
    return f"shadow {shadow_name}" if shadow_name else "classic shadow"
