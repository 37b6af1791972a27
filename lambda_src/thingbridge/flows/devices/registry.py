"""What the steps on one device work with: the stack's fleet, and the adapters for what AWS holds of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from thingbridge.aws.clients import Clients
from thingbridge.aws.device_certificates import DeviceCertificates
from thingbridge.aws.device_shadows import DeviceShadows
from thingbridge.aws.rotations import Rotations
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.aws.thing_groups import ThingGroups
from thingbridge.aws.things import Thing, Things
from thingbridge.devices.fleet import Fleet
from thingbridge.errors import Refused


def _unlogged(_level: str, _event: str, **_fields: object) -> None:
    """For a caller whose standard output is not a log."""


@dataclass(frozen=True)
class DeviceRegistry:
    """The devices of one stack. `log` gets a level, an event and fields, none of them secret (`diagnostics.emit`).

    `alert_states`: the levels of alert of devices, None for a stack without telemetry. `rotations`: where rotations are
    recorded, None for a stack whose old certificates don't end by themselves.
    """

    fleet: Fleet
    things: Things
    certificates: DeviceCertificates
    groups: ThingGroups
    shadows: DeviceShadows
    alert_states: ShadowStates | None = None
    rotations: Rotations | None = None
    log: Callable[..., None] = _unlogged

    @classmethod
    def of(
        cls,
        fleet: Fleet,
        clients: Clients,
        alert_states_table: str | None = None,
        rotations_table: str | None = None,
        log: Callable[..., None] = _unlogged,
    ) -> Self:
        """The registry in the account of the clients. A table is None for a stack that has none."""
        return cls(
            fleet,
            Things(clients),
            DeviceCertificates(clients),
            ThingGroups(clients),
            DeviceShadows(clients),
            ShadowStates(clients, alert_states_table, subject="alert") if alert_states_table else None,
            Rotations(clients, rotations_table) if rotations_table else None,
            log,
        )

    def find(self, name: str) -> Thing | None:
        """The thing of a device, None if there is none. Raises Refused for a thing that is not a device of the stack.

        Nothing is changed about such a thing: another stack or another product owns it.
        """
        thing = self.things.describe(name)
        if thing is not None and self.fleet.type_of(thing.type_name) is None:
            what = f"of the type {thing.type_name}" if thing.type_name else "without a type"
            raise Refused(f"{name} is not a device of the stack {self.fleet.stack_name}, but a thing {what}")
        return thing

    def delete_alert_state(self, name: str) -> None:
        """Delete the levels of alert of a device, where the stack keeps any: they are those of an earlier device."""
        if self.alert_states is not None:
            self.alert_states.delete(name)

    def delete_rotation(self, name: str) -> None:
        """Delete what is recorded of the last rotation of a device: none of its certificates is left to be ended."""
        if self.rotations is not None:
            self.rotations.delete(name)
