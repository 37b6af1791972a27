"""The look before a deletion: which thing of the account and region, of whatever stack, stands for a device.

Every deletion of an end device asks here first, just before it. What standing for a device means is in
`registry.standing`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from thingbridge.aws.things import Thing, Things
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.pacing import TokenBucket
from thingbridge.registry import events, identity, standing
from thingbridge.registry.identity import StackOfThings

LOOK_UPS_AT_ONCE: Final = 2
"""Look-ups of one execution environment after a pause, with up to three ListThings each. How many follow per second:
`modules/registry/main.tf`."""


@dataclass(frozen=True)
class Look:
    """What was found: a thing that stands for the device, one of this stack if there is any; things by their names."""

    standing: Thing | None
    named: Mapping[str, Thing]


@dataclass(frozen=True)
class StandingThings:
    """The things of the account and region. `pace` limits the look-ups of an execution environment."""

    stack: StackOfThings
    things: Things
    pace: TokenBucket

    def look(self, device: EndDeviceIdentifiers, *names: str) -> Look:
        """Look for the things that stand for a device.

        Costs a DescribeThing for each of the names and for the one that the stack would give, and up to three
        ListThings: by DevEUI in both spellings, and by device id.
        """
        self.pace.acquire()
        expected = identity.thing_name(device, self.stack.thing_name_scheme, self.stack.name)
        named = {name: thing for name in dict.fromkeys((*names, expected)) if (thing := self.things.describe(name))}
        other = None
        for thing in self._candidates(device, named):
            if standing.stands_for(device, thing.attributes):
                if events.belongs_to(thing.attributes, self.stack.name):
                    return Look(thing, named)
                other = other or thing
        return Look(other, named)

    def _candidates(self, device: EndDeviceIdentifiers, named: Mapping[str, Thing]) -> Iterator[Thing]:
        yield from named.values()
        if device.dev_eui:
            yield from self.things.with_dev_eui(device.dev_eui)
        yield from self.things.with_device_id(device.device_id)
