"""The downlink queues of end devices on the Application Server."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingbridge.things_stack.transport import Transport


class DownlinkQueue:
    """Operations of AppAs on the queues of one application's devices."""

    def __init__(self, transport: Transport, application_id: str) -> None:
        self._transport, self._application_id = transport, application_id

    def schedule(self, device_id: str, downlinks: Sequence[Mapping[str, Any]], *, replace: bool) -> None:
        """DownlinkQueuePush, or DownlinkQueueReplace, with `ApplicationDownlink` objects.

        Downlinks that may have been accepted (time-out, 5xx) are not sent again: see `ThingsStackBusy.uncertain`.
        """
        verb = "replace" if replace else "push"
        self._transport.call(
            "POST",
            f"/as/applications/{self._application_id}/devices/{device_id}/down/{verb}",
            f"{verb} downlinks of {device_id}",
            body={"downlinks": list(downlinks)},
            repeatable=not downlinks,
        )

    def queued(self, device_id: str) -> list[dict[str, Any]]:
        """DownlinkQueueList: the queued `ApplicationDownlink` objects of the session that the device is in."""
        answer = self._transport.call(
            "GET",
            f"/as/applications/{self._application_id}/devices/{device_id}/down",
            f"read the downlink queue of {device_id}",
        )
        return [each for each in answer.get("downlinks", ()) if isinstance(each, dict)]
