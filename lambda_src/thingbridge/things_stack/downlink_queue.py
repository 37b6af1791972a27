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

        A push that may have been accepted (time-out while reading) is not sent again.
        """
        verb = "replace" if replace else "push"
        self._transport.call(
            "POST",
            f"/as/applications/{self._application_id}/devices/{device_id}/down/{verb}",
            f"{verb} downlinks of {device_id}",
            body={"downlinks": list(downlinks)},
            repeatable=replace,
        )
