"""What becomes of an end device for which the synchronisation found no thing; part of the function `registry`.

The listings that told so may be minutes old, so both sides are read again first. What a thing without a device calls
for is the same as after its own registry event, and in `registry`.
"""

import time
from functools import cache
from typing import Final

from thingbridge.aws_iot import things, things_log
from thingbridge.aws_iot.things import ThingDirectory
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.pacing import TokenBucket
from thingbridge.registry import identity, reconcile
from thingbridge.registry.attributes import DeviceReference
from thingbridge.registry.marks import Mark
from thingbridge.registry.reconcile import Decision
from thingbridge.settings import RegistrySettings
from thingbridge.things_stack import end_devices, marking
from thingbridge.things_stack.client import ThingsStack

LOOK_UPS_A_SECOND: Final = 1.5
"""Two sandboxes with two ListThings for a look-up make 6 a second: with the synchronisation's 2, which it keeps to
while there is work of this kind, 80 % of AWS's 10."""

LOOK_UPS_AT_ONCE: Final = 2


@cache
def _pace() -> TokenBucket:
    return TokenBucket(rate=LOOK_UPS_A_SECOND, burst=LOOK_UPS_AT_ONCE, now=time.monotonic, sleep=time.sleep)


def settle(device_id: str, settings: RegistrySettings, things_stack: ThingsStack) -> None:
    """Make the device's thing, or let the device follow the thing that was deleted. Raises what must come again."""
    found = marking.read(things_stack, device_id)
    if found is None:
        return
    device, mark = found
    ours = mark is not None and mark.stack_name == settings.stack_name
    thing_name = _marked_thing(device, mark, settings) if ours else None
    if thing_name is None:
        _pace().acquire()
        # A new directory each time: one that remembers would not notice a thing that was deleted meanwhile.
        directory = ThingDirectory(
            stack_name=settings.stack_name,
            thing_type_name=settings.thing_type_name,
            scheme=settings.thing_name_scheme,
        )
        thing_name = directory.find(device) if ours else directory.find_or_make(device)
    if thing_name is None and mark is not None:
        _follow(device, mark, settings, things_stack)
    elif thing_name is not None:
        # The digest of a thing that the stack makes: one that says more is found to differ by the next run.
        attributes = identity.thing_attributes(device, settings.stack_name)
        if marking.write(things_stack, device_id, Mark.of(thing_name, attributes, settings.stack_name)):
            _record(settings, thing_name, "end_device_marked", device)


def _marked_thing(device: EndDeviceIdentifiers, mark: Mark | None, settings: RegistrySettings) -> str | None:
    thing = things.describe(mark.thing_name) if mark else None
    if thing and identity.is_thing_of(device, thing.name, thing.attributes, settings.stack_name):
        return thing.name
    return None


def _follow(device: EndDeviceIdentifiers, mark: Mark, settings: RegistrySettings, things_stack: ThingsStack) -> None:
    if reconcile.for_device_alone(True, settings.on_thing_deleted) is Decision.DELETE_DEVICE:
        outcome = end_devices.delete(things_stack, DeviceReference(device.device_id, device.dev_eui, named=True))
        _record(settings, mark.thing_name, f"end_device_{outcome}", device)
    else:
        _record(settings, mark.thing_name, "end_device_retained", device)


def _record(settings: RegistrySettings, thing_name: str, event: str, device: EndDeviceIdentifiers) -> None:
    things_log.record(settings.things_log_group, thing_name, "INFO", event, device_id=device.device_id)
