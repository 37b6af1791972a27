"""The devices of an applied stack, as the commands see them, and what is done to many of them at once."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self

import typer

from cli.aws import LISTS_PER_SECOND, sentence, stops_everything
from cli.errors import Failed
from cli.runtime import Clock, Runtime
from thingbridge.aws.clients import Clients
from thingbridge.aws.functions import Functions
from thingbridge.aws.things import Thing
from thingbridge.devices.fleet import Fleet
from thingbridge.errors import ThingbridgeError
from thingbridge.flows.devices.access import Access
from thingbridge.flows.devices.registration import Registration
from thingbridge.flows.devices.registry import DeviceRegistry
from thingbridge.flows.devices.removal import Removal

DEVICES_PER_SECOND: Final = 8.0
"""80 % of AWS IoT's quotas for UpdateCertificate, DescribeCertificate, DeleteCertificate and ListThingPrincipals (10
per second in an account): each step on a device calls one of them once for each of its certificates."""

_AT_ONCE: Final = 8


@dataclass(frozen=True)
class AppliedDevices:
    """The devices of one stack in one account and region."""

    registry: DeviceRegistry
    clients: Clients
    clock: Clock

    @classmethod
    def open(cls, context: typer.Context, stack: str, profile: str | None, region: str | None) -> Self:
        """The devices that a command was started for. Raises Failed when the stack has none.

        The settings of the function `devices` say what Terraform has configured.
        """
        runtime = Runtime.of(context)
        clients = runtime.connect(profile, region)
        environment = Functions(clients).environment(f"{stack}-devices")
        settings = environment.get("DEVICES")
        if settings is None:
            raise Failed(
                f"the stack {stack} has no devices of this kind in {clients('iot').meta.region_name}: apply it with "
                "the variable devices, or choose another --stack, --region or --profile"
            )
        tables = environment.get("TELEMETRY_STATES_TABLE"), environment.get("ROTATIONS_TABLE")
        return cls(DeviceRegistry.of(Fleet.read(stack, settings), clients, *tables), clients, runtime.clock)

    @property
    def fleet(self) -> Fleet:
        return self.registry.fleet

    @property
    def registration(self) -> Registration:
        return Registration(self.registry)

    @property
    def access(self) -> Access:
        return Access(self.registry)

    @property
    def removal(self) -> Removal:
        return Removal(self.registry)

    def all(self, type_name: str | None = None) -> Iterator[Thing]:
        """Every device of the stack, or of one type, page by page."""
        pace = self.clock.pace(LISTS_PER_SECOND)
        for name, each in self.fleet.types.items():
            if type_name in (None, name):
                pace.acquire()
                yield from self.registry.things.of_type(each.thing_type, pace.acquire)

    def thing(self, name: str) -> Thing:
        """The device of that name. Raises Failed when it does not exist."""
        found = self.registry.find(name)
        if found is None:
            raise Failed(
                f"the device {name} does not exist: `thingbridge devices list` shows those of {self.fleet.stack_name}"
            )
        return found

    def each(self, names: Iterable[str], act: Callable[[str], Any]) -> Iterator[tuple[str, Any, str]]:
        """Name, result and reason of failure (empty if it succeeded), in order and below AWS's quotas.

        Raises what would make every other call fail too: permissions, credentials, the connection.
        """
        pace = self.clock.pace(DEVICES_PER_SECOND)

        def attempt(name: str) -> tuple[str, Any, str]:
            try:
                return name, act(name), ""
            except Failed as error:
                return name, None, str(error)
            except ThingbridgeError as error:
                if stops_everything(error):
                    raise
                return name, None, sentence(error)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            pending: deque[Future[tuple[str, Any, str]]] = deque()
            try:
                for name in names:
                    if len(pending) == _AT_ONCE:
                        yield pending.popleft().result()
                    # Here, in the one thread that distributes the work, so that the pool as a whole keeps the pace.
                    pace.acquire()
                    pending.append(pool.submit(attempt, name))
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()


def document(thing: Thing, fleet: Fleet) -> dict[str, Any]:
    """A device for a program: name, type and attributes."""
    return {
        "thingName": thing.name,
        "type": fleet.type_of(thing.type_name),
        "attributes": dict(sorted(thing.attributes.items())),
    }


def as_object(text: str, option: str) -> dict[str, Any]:
    """A JSON object that was given with an option. Raises Failed."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Failed(f"{option} must be a JSON object: {error}") from error
    if not isinstance(value, dict):
        raise Failed(f"{option} must be a JSON object; got {text}")
    return value
