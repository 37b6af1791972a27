"""The steps of a history in several places: what people do on both sides, and what is delivered when.

A step is a verb and four numbers, which choose among what there is then (`a`: the place or the thing, `b`: the device
or the message, `c` and `d`: the variant and the failure): so nearly every step does something, and a failing history
shrinks. The world's story says what a step was.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from local.things_stack.servers import Claimable
from tests import events
from tests.unit.histories.places import Failure, Function, World
from tests.unit.histories.witness import Device
from thingbridge.registry.sync import SyncMode


@dataclass(frozen=True)
class Hardware:
    """A device in somebody's hands: made with a key, claimed with a code, or activated by personalisation."""

    device_id: str
    dev_eui: str | None
    join_eui: str | None
    code: str | None = None

    def ids(self, application_id: str) -> dict[str, Any]:
        """Its identifiers as The Things Stack has them."""
        euis = {"dev_eui": self.dev_eui, "join_eui": self.join_eui}
        return {
            "device_id": self.device_id,
            "application_ids": {"application_id": application_id},
            **{name: eui for name, eui in euis.items() if eui},
        }


CLAIMABLE: Final = "70B3D57ED0000000"
HARDWARE: Final = (
    Hardware("eui-a81758fffe00000a", "A81758FFFE00000A", "A81758FFFE000001"),
    Hardware("eui-a81758fffe00000b", "A81758FFFE00000B", "A81758FFFE000001"),
    Hardware("eui-70b3d57e0000000c", "70B3D57E0000000C", CLAIMABLE, "C0DE"),
    Hardware("bell", None, None),
)
NAMES: Final = ("barn", "shed", "A81758FFFE00000A", "A81758FFFE00000B")
KEYS: Final = ("01" * 16, "02" * 16)
PLANS: Final = ("EU_863_870_TTN", "EU_868_1")
UPLINK: Final = events.load("things_stack/uplink")
FAILURES: Final = (
    *(Failure("The Things Stack", call, kind) for call in range(1, 9) for kind in ("busy", "lost", "killed after")),
    *(Failure("The Things Stack", call, "killed") for call in (2, 4, 6)),
    *(Failure("The Things Stack", call, "refused") for call in (1, 3, 5)),
    *(Failure("The Things Stack", call, "a person corrects the key") for call in range(1, 9)),
    *(Failure("AWS", call, kind) for call in (1, 2, 3) for kind in ("busy", "lost", "refused")),
)

SECRETS: Final = ("appKey", "nwkKey", "claimAuthenticationCode")
FIRST: Final = 32
"""Numbers of a step are below this."""

Step = tuple[str, int, int, int, int]


def place(world: World, a: int) -> Function:
    """One of the places: the first of each region more often, because more happens where the same things meet."""
    return world.functions[(0, 0, 0, 1, 1, 2, 2, 3)[a % 8]]


def device(b: int) -> Hardware:
    """One of the devices, the first more often."""
    return HARDWARE[(0, 0, 0, 0, 1, 1, 2, 3)[b % 8]]


# What people do on the side of AWS -----------------------------------------------------------------------------------


def create(world: World, a: int, b: int, c: int, d: int) -> None:
    """Create a thing: with keys or a code, with settings alone, or bare; in several spellings."""
    at, hardware = place(world, a), device(b)
    name = NAMES[d % len(NAMES)]
    if name not in at.account.things:
        put(world, at.place.region, name, described(at, hardware, c))


def described(at: Function, hardware: Hardware, variant: int) -> dict[str, str]:
    """Attributes of a thing for a device. The bits of `variant`: bare, with deviceID, in lower case, without devEUI."""
    alone = variant & 24 == 24
    bare, named, lower = variant & 1 or alone, variant & 2 or alone or not hardware.dev_eui, variant & 4
    attributes = {"stackName": at.place.stack}
    if hardware.dev_eui and not alone:
        attributes["devEUI"] = hardware.dev_eui.lower() if lower else hardware.dev_eui
    if named:
        attributes["deviceID"] = hardware.device_id
    if bare or not hardware.join_eui:
        return attributes
    attributes["joinEUI"] = hardware.join_eui
    if hardware.code:
        return attributes | {"claimAuthenticationCode": hardware.code}
    versions = {"lorawanVersion": "1.0.3", "regionalParametersVersion": "1.0.3-a"}
    return attributes | {"appKey": KEYS[0], "frequencyPlanID": PLANS[0], **versions}


def put(world: World, region: str, name: str, attributes: Mapping[str, str]) -> None:
    """Create a thing, or replace its attributes."""
    world.regions[region].put(name, attributes)
    world.witness.thing_made(world.regions[region].things[name])
    described = " ".join(f"{each}={value}" for each, value in world.regions[region].things[name].items())
    world.note(f"person: {name} in {region} is {described}")


def merge(world: World, a: int, changes: Mapping[str, str]) -> None:
    """Change attributes of a thing."""
    if things := world.things():
        region, name = things[a % len(things)]
        put(world, region, name, {**world.regions[region].things[name], **changes})


def remove(world: World, region: str, name: str) -> dict[str, str]:
    """Delete a thing; returns its attributes."""
    attributes = dict(world.regions[region].things[name])
    world.regions[region].delete(name)
    world.witness.thing_deleted(region, name, attributes, deletes=world.deletes)
    world.note(f"person: deletes {name} in {region}")
    return attributes


def delete(world: World, a: int, b: int, c: int, d: int) -> None:
    """Delete a thing."""
    if things := world.things():
        remove(world, *things[a % len(things)])


def rename(world: World, a: int, b: int, c: int, d: int) -> None:
    """AWS can't rename a thing: create it under another name, perhaps in another spelling, and delete the old one."""
    if things := world.things():
        region, old = things[a % len(things)]
        free = [name for name in NAMES if name not in world.regions[region].things]
        if free:
            put(world, region, free[b % len(free)], respelled(world.regions[region].things[old], c))
            if d % 8:
                remove(world, region, old)


def remake(world: World, a: int, b: int, c: int, d: int) -> None:
    """Delete a thing and create it again under its name, in another spelling."""
    if things := world.things():
        region, name = things[a % len(things)]
        put(world, region, name, respelled(remove(world, region, name), c))


def respelled(attributes: Mapping[str, str], variant: int) -> dict[str, str]:
    """Another thing for the same device. The bits of `variant`: in the other case, by device id alone, without keys."""
    other, eui = dict(attributes), attributes.get("devEUI", "")
    known = [hardware for hardware in HARDWARE if hardware.dev_eui == eui.upper()]
    if variant & 1 and eui:
        other["devEUI"] = eui.lower() if eui.isupper() else eui.upper()
        other.pop("deviceID", None)
    if variant & 6 == 6 and known:
        other = {name: value for name, value in other.items() if name not in ("devEUI", "joinEUI", *SECRETS)}
        other["deviceID"] = known[0].device_id
    if variant & 8:
        other = {name: value for name, value in other.items() if name not in SECRETS}
    return other


def wipe(world: World, a: int, b: int, c: int, d: int) -> None:
    """UpdateThing without `merge` leaves nothing but what it gives."""
    if things := world.things():
        region, name = things[a % len(things)]
        put(world, region, name, {"room": "12"})


def add_attribute(world: World, a: int, b: int, c: int, d: int) -> None:
    """Add an attribute that the product does not use."""
    merge(world, a, {"room": str(c)})


def change_plan(world: World, a: int, b: int, c: int, d: int) -> None:
    """Change a setting."""
    merge(world, a, {"frequencyPlanID": PLANS[c % 2]})


def correct_key(world: World, a: int, b: int, c: int, d: int) -> None:
    """Give a thing another root key."""
    merge(world, a, {"appKey": KEYS[c % 2]})


def correct_eui(world: World, a: int, b: int, c: int, d: int) -> None:
    """Give a thing another DevEUI: it stands for another device now."""
    hardware = device(b)
    if (things := world.things()) and hardware.dev_eui:
        region, name = things[a % len(things)]
        named = {"deviceID": hardware.device_id} if "deviceID" in world.regions[region].things[name] else {}
        merge(world, a, {"devEUI": hardware.dev_eui, "joinEUI": hardware.join_eui or "", **named})


def move(world: World, a: int, b: int, c: int, d: int) -> None:
    """Give a thing to the other stack of its region."""
    if things := world.things():
        region, name = things[a % len(things)]
        now = world.regions[region].things[name].get("stackName")
        other = next(stack for stack in world.regions[region].stacks if stack != now)
        merge(world, a, {"stackName": other})


# What people do on the side of The Things Stack -----------------------------------------------------------------------


def console(world: World, a: int, b: int, c: int, d: int) -> None:
    """Register a device in the Console."""
    hardware, application_id = device(b), place(world, a).place.application
    if not hardware.code and not keys_of(world, hardware):
        register(world, hardware, application_id, (c + 8 * d) % 11)


def register(world: World, hardware: Hardware, application_id: str, count: int) -> None:
    """A device is registered in the Console, on all servers, with a number of attributes of its own."""
    key, servers = (application_id, hardware.device_id), world.cluster.servers
    ids, own = hardware.ids(application_id), {f"own-{number}": "x" for number in range(count)}
    addresses = {f"{server}_server_address": "tts.example" for server in ("network", "application")}
    if hardware.join_eui:
        addresses["join_server_address"] = "tts.example"
        servers.join.devices[key] = {"ids": dict(ids), "root_keys": {"app_key": {"key": KEYS[0]}}}
    versions = {"lorawan_version": "MAC_V1_0_3", "lorawan_phy_version": "PHY_V1_0_3_REV_A"}
    joins = {"supports_join": bool(hardware.join_eui), "frequency_plan_id": PLANS[0]}
    servers.identity.devices[key] = {"ids": dict(ids), **addresses, **({"attributes": own} if own else {})}
    servers.network.devices[key] = {"ids": dict(ids), **versions, **joins}
    servers.application.devices[key] = {"ids": dict(ids)}
    world.witness.devices[key] = Device()
    world.note(f"person: registers {hardware.device_id} in {application_id} with {count} attributes")


def forget(world: World, a: int, b: int, c: int, d: int) -> None:
    """Delete a device in the Console, which releases its claim."""
    servers = world.cluster.servers
    for key in keys_of(world, device(b)):
        for server in (servers.identity, servers.join, servers.network, servers.application):
            server.devices.pop(key, None)
        world.witness.devices.pop(key, None)
        for claimed in servers.claiming.devices.values():
            if (claimed.dev_eui, claimed.claimed_by) == (device(b).dev_eui, key[0]):
                claimed.claimed_by = None
        world.note(f"person: deletes {key[1]} in {key[0]}")


def keys_of(world: World, hardware: Hardware) -> list[tuple[str, str]]:
    """Where a device is registered."""
    return [
        key
        for key, record in world.witness.records()
        if key[1] == hardware.device_id or (hardware.dev_eui and record["ids"].get("dev_eui") == hardware.dev_eui)
    ]


def hear(world: World, a: int, b: int, c: int, d: int) -> None:
    """A device sends: every place of its application hears it."""
    network = world.cluster.servers.network.devices
    for key in [each for each in keys_of(world, device(b)) if each in network]:
        message = copy.deepcopy(UPLINK)
        record = world.cluster.servers.identity.devices[key]
        message["end_device_ids"] = {**record["ids"], "dev_addr": "260B1C2D"}
        for at in world.functions:
            if at.place.application == key[0]:
                world.hear(at, message, failure(world, c, d))
        if key in world.witness.devices and world.witness.things_of(record):
            world.witness.known(key).doomed = False


# What the functions do -----------------------------------------------------------------------------------------------


def failure(world: World, c: int, d: int) -> Failure | None:
    """No failure for most `d`; else one that `c` and `d` choose."""
    if d % 8 < 5:
        return None
    chosen = FAILURES[(c + FIRST * (d % 8 - 5)) % len(FAILURES)]
    for at in world.functions:
        at.transport.happens = lambda: person_corrects(world)
    return chosen


def person_corrects(world: World) -> None:
    """A person gives every thing that has a key another one, while a function works."""
    for region, name in world.things():
        if key := world.regions[region].things[name].get("appKey"):
            other = KEYS[1] if key == KEYS[0] else KEYS[0]
            put(world, region, name, {**world.regions[region].things[name], "appKey": other})


def deliver(world: World, a: int, b: int, c: int, d: int) -> None:
    """Deliver an event or work item."""
    if waiting := [at for at in world.functions if at.waiting]:
        world.deliver(waiting[a % len(waiting)], b, repeat=d == 3, failure=failure(world, c, d))


def deliver_again(world: World, a: int, b: int, c: int, d: int) -> None:
    """An event or work item is delivered again."""
    world.deliver_again(place(world, a), b)


def compare(world: World, a: int, b: int, c: int, d: int) -> None:
    """A tick comes, and its run begins. `b`: 0 reports only, 1 runs out of time."""
    at = place(world, a)
    world.tick(at, SyncMode.REPORT if b == 0 else SyncMode.APPLY)
    world.run(at, short=b == 1, repeat=d == 3, failure=failure(world, c, d))


def resume(world: World, a: int, b: int, c: int, d: int) -> None:
    """What waits in the queue of the comparison is handled."""
    if waiting := [at for at in world.functions if at.ticks]:
        world.run(waiting[a % len(waiting)], short=b == 1, failure=failure(world, c, d))


Deed = Callable[[World, int, int, int, int], None]

ON_THINGS: Final[Mapping[str, tuple[int, Deed]]] = {
    "create": (6, create),
    "delete": (4, delete),
    "rename": (4, rename),
    "create again": (3, remake),
    "wipe": (2, wipe),
    "add an attribute": (1, add_attribute),
    "change the plan": (1, change_plan),
    "correct the key": (1, correct_key),
    "correct the EUI": (2, correct_eui),
    "move": (3, move),
}
VERBS: Final[Mapping[str, tuple[int, Deed]]] = {
    **ON_THINGS,
    "register": (3, console),
    "delete the device": (1, forget),
    "hear": (2, hear),
    "deliver": (14, deliver),
    "deliver again": (2, deliver_again),
    "compare": (8, compare),
    "resume": (2, resume),
}
"""Verb → how often it is drawn, and what it does."""

MISSED: Final = 12
"""One in so many changes of things sends no event: it gets lost."""

number = st.integers(0, FIRST - 1)
steps: Final = st.tuples(
    st.sampled_from([verb for verb, (weight, _) in VERBS.items() for _ in range(weight)]),
    number,
    number,
    number,
    number,
)
histories: Final = st.lists(steps, min_size=6, max_size=20)


def begin(world: World) -> None:
    """What is there before anything happens."""
    for hardware in HARDWARE:
        if hardware.code:
            device = Claimable(str(hardware.join_eui), str(hardware.dev_eui), hardware.code, KEYS[0])
            world.cluster.servers.claiming.devices[device.join_eui, device.dev_eui] = device


def play(world: World, history: list[Step]) -> None:
    """Play a history step by step."""
    begin(world)
    for verb, *numbers in history:
        for account in world.regions.values():
            account.events_enabled = not (verb in ON_THINGS and numbers[3] % MISSED == MISSED - 1)
        VERBS[verb][1](world, *numbers)
        for account in world.regions.values():
            account.events_enabled = True
        check_step(world)


def check_step(world: World) -> None:
    """AssertionError with the story so far if anything was broken."""
    assert not world.witness.broken, report(world, world.witness.broken)


def report(world: World, broken: list[str]) -> str:
    """A message that says what is broken, and what happened before."""
    return "\n".join([*broken, "after:", *world.story])
