"""Downlink formatters: whether The Things Stack can encode the `payload` of a downlink to a device.

A device without one is not refused by The Things Stack: it queues the downlink and sends an empty frame. So the device
is read before such a downlink is pushed. What a formatter makes of a payload is the matter of The Things Stack.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from thingbridge.errors import BadInput
from thingbridge.registry.provisioning import Server
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ApiKeyRefused, ThingsStackRefused

KEPT_FOR: Final = 600.0
"""Seconds for which a formatter is known. That there is none is not remembered: it may be set at any moment."""

_NONE: Final = "FORMATTER_NONE"
_DEVICE_PATHS: Final = ("formatters.up_formatter", "formatters.down_formatter")
_LINK_PATHS: Final = ("default_formatters.down_formatter",)


@dataclass(frozen=True)
class DownlinkFormatters:
    """The devices with a downlink formatter that this execution environment has seen."""

    now: Callable[[], float] = time.time
    _known_until: dict[str, float] = field(default_factory=dict)

    def check(self, things_stack: ThingsStack, device_id: str) -> None:
        """Raise BadInput if neither the device nor its application has a downlink formatter.

        One call, two for a device that uses the formatter of its application, none for a device that is known. Without
        the rights to read them, The Things Stack decides.
        """
        if self.now() < self._known_until.get(device_id, 0.0):
            return
        try:
            formatter = _formatter(things_stack, device_id)
        except (ThingsStackRefused, ApiKeyRefused):
            return
        if formatter == _NONE:
            raise BadInput(
                "payload",
                f"{device_id} has no downlink formatter in The Things Stack, nor has its application: send bytes, or "
                "set a formatter",
            )
        if formatter:
            self._known_until[device_id] = self.now() + KEPT_FOR


def _formatter(things_stack: ThingsStack, device_id: str) -> str | None:
    """`FORMATTER_…`; None if the Application Server does not know the device."""
    device = things_stack.end_devices.get(Server.APPLICATION, device_id, _DEVICE_PATHS)
    if device is None:
        return None
    own: Mapping[str, Any] | None = device.get("formatters")
    # A device with formatters of its own does not use those of the application, also for the other direction.
    used = own or things_stack.application.link(_LINK_PATHS).get("default_formatters", {})
    return str(used.get("down_formatter", _NONE))
