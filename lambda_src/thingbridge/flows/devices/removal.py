"""Deleting a device: its certificates, levels of alert, last rotation, shadows and thing, in whatever state it is.

The thing is deleted last: as long as it exists, an interrupted deletion finds what is left of the device. Levels and
shadows are deleted once no certificate can send readings or write them again. The thing type stays.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from thingbridge.aws.device_certificates import DETACHED_WITHIN
from thingbridge.devices.credentials import registered, without_others_policies
from thingbridge.errors import Refused
from thingbridge.flows.devices.registry import DeviceRegistry


@dataclass(frozen=True)
class Removed:
    """What was deleted: ids of certificates, and names of shadows ("" for the classic one). `thing`: it existed."""

    certificates: tuple[str, ...]
    shadows: tuple[str, ...]
    thing: bool


class Removal:
    """Deletes devices of one stack."""

    def __init__(self, devices: DeviceRegistry, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._devices, self._sleep = devices, sleep

    def delete(self, name: str) -> Removed:
        """Delete a device; what is gone counts as deleted.

        Raises Refused, having changed nothing, for a thing that is not a device of the stack, and for one that has a
        certificate with policies of somebody else.
        """
        if self._devices.find(name) is None:
            return Removed((), (), thing=False)
        fleet, held = self._devices.fleet, self._devices.certificates.of_thing(name)
        ours = [*registered(held, fleet), *without_others_policies(held, fleet)]
        if foreign := [each.id for each in held if each not in ours]:
            raise Refused(
                f"the device {name} has a certificate with other policies than the stack's ({', '.join(foreign)}): "
                "detach it from the thing first"
            )
        for each in ours:
            self._devices.certificates.delete(each.arn, name)
        self._devices.delete_alert_state(name)
        self._devices.delete_rotation(name)
        shadows = self._delete_shadows(name)
        self._delete_thing(name, detached=bool(ours))
        return Removed(tuple(each.id for each in ours), shadows, thing=True)

    def _delete_thing(self, name: str, *, detached: bool) -> None:
        """AWS refuses it for some seconds after certificates were detached."""
        for attempt in range(1, DETACHED_WITHIN + 1):
            try:
                self._devices.things.delete(name)
            except Refused:
                if not detached or attempt == DETACHED_WITHIN:
                    raise
                self._sleep(1.0)
            else:
                return

    def _delete_shadows(self, name: str) -> tuple[str, ...]:
        named = self._devices.shadows.names(name)
        classic = [""] if self._devices.shadows.document(name) else []
        for shadow in (*classic, *named):
            self._devices.shadows.delete(name, shadow or None)
        return (*classic, *named)
