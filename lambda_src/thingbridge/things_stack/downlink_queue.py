"""The downlink queues of end devices on the Application Server."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from thingbridge.things_stack.transport import Transport

_LIMIT_HEADER: Final = "X-Rate-Limit-Limit"


class DownlinkQueue:
    """Operations of AppAs on the queues of one application's devices.

    `limit_per_minute`: what the last answer to a push or replace reported as their limit, None if there was none. From
    3.35.2 on it is for all devices of the application together.
    """

    def __init__(self, transport: Transport, application_id: str) -> None:
        self._transport, self._application_id = transport, application_id
        self.limit_per_minute: int | None = None

    def schedule(self, device_id: str, downlinks: Sequence[Mapping[str, Any]], *, replace: bool) -> None:
        """DownlinkQueuePush, or DownlinkQueueReplace, with `ApplicationDownlink` objects.

        Downlinks that may have been accepted (time-out, 5xx) are not sent again: see `ThingsStackBusy.uncertain`.
        """
        verb = "replace" if replace else "push"
        _, headers = self._transport.exchange(
            "POST",
            f"/as/applications/{self._application_id}/devices/{device_id}/down/{verb}",
            f"{verb} downlinks of {device_id}",
            body={"downlinks": list(downlinks)},
            repeatable=not downlinks,
        )
        # With a limit of all HTTP requests, the header is there twice.
        limits = [int(each) for each in re.findall(r"\d+", headers.get(_LIMIT_HEADER, ""))]
        self.limit_per_minute = min(filter(None, limits), default=None)

    def queued(self, device_id: str) -> list[dict[str, Any]]:
        """DownlinkQueueList: the queued `ApplicationDownlink` objects of the session that the device is in."""
        answer = self._transport.call(
            "GET",
            f"/as/applications/{self._application_id}/devices/{device_id}/down",
            f"read the downlink queue of {device_id}",
        )
        return [each for each in answer.get("downlinks", ()) if isinstance(each, dict)]
