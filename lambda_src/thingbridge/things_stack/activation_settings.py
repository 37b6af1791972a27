"""The Join Server's settings of an application: among them the key that wraps session keys."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingbridge.things_stack.transport import Transport


class ActivationSettings:
    """Operations of ApplicationActivationSettingRegistry for one application."""

    def __init__(self, transport: Transport, application_id: str) -> None:
        self._transport = transport
        self._path = f"/js/applications/{application_id}/settings"

    def get(self, paths: Sequence[str]) -> dict[str, Any] | None:
        """The fields `paths`, None if the application has no settings."""
        query = {"field_mask": ",".join(paths)}
        return self._transport.find(self._path, "read the Join Server's settings", query=query)

    def set(self, settings: Mapping[str, Any], paths: Sequence[str]) -> None:
        """Write the fields `paths`; the others keep their values."""
        self._transport.call(
            "POST",
            self._path,
            "write the Join Server's settings",
            body={"settings": dict(settings), "field_mask": {"paths": list(paths)}},
        )

    def delete(self) -> None:
        """Delete the settings."""
        self._transport.call("DELETE", self._path, "remove the Join Server's settings")
