"""What must hold once everything was delivered and nothing fails any more.

- No device exists in part.
- A device that nothing stands for any more is gone, if its stack deletes devices and nothing about it is doubtful.
- A device with a thing carries a mark that names a thing that stands for it, unless it has no room for one.
- Another comparison finds nothing to do: it sends no work, writes and logs nothing, and costs the same calls each time.
"""

from collections import Counter

from local.things_stack.servers import DeviceKey
from tests.unit.histories.places import Function, World
from tests.unit.histories.steps import check_step, report
from tests.unit.histories.witness import Place, mark_of, own_attributes, stands_for
from thingbridge.registry.marks import ATTRIBUTES_PER_DEVICE, KEPT, UNFINISHED

ROUNDS = 6
"""More than any history needs: what one comparison begins, the next ones may finish."""
SECRETS = {"appKey", "nwkKey", "claimAuthenticationCode"}
READS = {"describe_thing", "list_things", "get_queue_attributes", "get_thing_shadow"}


def settle(world: World, allowed: int = 0) -> None:
    """Deliver everything, replay the dead letters, and compare until nothing changes; then check what must hold.

    `allowed`: the number of deletions that a person allows each comparison, however large their share.
    """
    for at in world.functions:
        world.replay(at)
    world.work_off()
    this = compare_everywhere(world, allowed)
    for _ in range(ROUNDS):
        last, this = this, compare_everywhere(world, allowed)
        if this == last and all(is_read(call) for call in this):
            break
    check_step(world)
    broken = [*unfinished(world), *restless(world, last, this)]
    assert not broken, report(world, broken)


def compare_everywhere(world: World, allowed: int) -> Counter[str]:
    """A comparison in every place, and the work that it finds. Returns its calls."""
    before = world.calls()
    for at in world.functions:
        compare(world, at, allowed)
    return world.calls() - before


def compare(world: World, at: Function, allowed: int = 0) -> None:
    """A comparison in one place, and the work that it finds."""
    world.tick(at, allowDeletions=allowed)
    world.work_off()


def restless(world: World, last: Counter[str], this: Counter[str]) -> list[str]:
    """What the last comparison of all places did, although nothing had changed."""
    broken = [f"each comparison makes {count} x {call}" for call, count in this.items() if not is_read(call)]
    # A creation that was refused is remembered in the thing's shadow, where the next comparison finds it.
    if refused := sum(each.get("state") == "failed" for at in world.regions.values() for each in at.shadows.values()):
        return [each for each in broken if "send_message" not in each or this["send_message"] > refused]
    expected = {"list_things": len(world.functions), "get_queue_attributes": len(world.functions)}
    listings = {call for call in this if call.startswith("GET ") and call.endswith("/devices")}
    if not broken and this != last:
        broken.append(f"a comparison costs {dict(this)} after {dict(last)}")
    if not broken and (set(this) - listings != set(expected) or any(this[each] != expected[each] for each in expected)):
        broken.append(f"a comparison of a settled world costs {dict(this)}")
    return broken


def is_read(call: str) -> bool:
    """Whether a call changes nothing."""
    return call in READS or call.startswith("GET ")


def unfinished(world: World) -> list[str]:
    """Devices in part, devices that should be gone, and devices that are not tied to their things."""
    servers = world.cluster.servers
    broken = []
    known = {key for each in ("join", "network", "application") for key in getattr(servers, each).devices}
    broken += [f"{key[1]} has no record on the Identity Server" for key in known - set(servers.identity.devices)]
    for key, record in world.witness.records():
        if is_reported(world, key):
            continue
        euis = record["ids"].get("join_eui"), record["ids"].get("dev_eui")
        claimed = servers.claiming.devices.get(euis)  # type: ignore[call-overload]
        joins = key in servers.join.devices if "join_server_address" in record else "join_eui" not in record["ids"]
        if not joins and not (claimed and claimed.claimed_by == key[0]):
            broken.append(f"{key[1]} can't join")
        broken += [f"{key[1]} is not on {each}" for each in ("network", "application") if not has(world, each, key)]
        if world.witness.known(key).doomed and not is_doubtful(world, key):
            broken.append(f"{key[1]} is left, although its thing was deleted")
        broken += untied(world, key)
    for claimed in servers.claiming.devices.values():
        ids = [record["ids"].get("dev_eui") for _, record in world.witness.records()]
        if claimed.claimed_by and claimed.dev_eui not in ids:
            broken.append(f"{claimed.dev_eui} is claimed by {claimed.claimed_by}, which has no such device")
    return broken


def is_reported(world: World, key: DeviceKey) -> bool:
    """Whether a device is left in part, which is reported: nothing can complete it, and it is not deleted on a guess.

    Its creation was interrupted, and before the next attempt the thing lost its keys, or got others that are refused.
    Or its deletion was interrupted, and before the next attempt a thing without keys was made for it.
    """
    things = [
        (SECRETS & set(attributes), world.regions[place.region].shadows.get(name, {}).get("state") == "failed")
        for place, name, attributes in standing(world, key)
    ]
    if any(keys and not failed for keys, failed in things):
        return False
    logs = (account.log for account in world.regions.values())
    return world.witness.known(key).interrupted or any(
        entry["event"] == "end_device_incomplete" and entry["device_id"] == key[1] for log in logs for entry in log
    )


def is_doubtful(world: World, key: DeviceKey) -> bool:
    """Whether the thing of a device's mark exists and stands for another device: the device is kept, and recorded so.

    Nothing shows whether that thing was made anew for the other device, or was changed. If it is another stack's, the
    mark was handed over, and stays unfinished until that stack has seen it.
    """
    mark = mark_of(world.cluster.servers.identity.devices[key])
    named = (
        at.account.things.get(mark.thing_name)
        for at in world.functions
        if mark and at.place.has(mark) and mark.digest in (KEPT, UNFINISHED)
    )
    return any(thing is not None for thing in named)


def standing(world: World, key: DeviceKey) -> list[tuple[Place, str, dict[str, str]]]:
    """The things that stand for a device in the places of its application: each with its place and attributes."""
    record = world.cluster.servers.identity.devices[key]
    return [
        (at.place, name, attributes)
        for at in world.functions
        for name, attributes in at.account.things.items()
        if at.place.application == key[0]
        and attributes.get("stackName") == at.place.stack
        and stands_for(attributes, record)
    ]


def has(world: World, server: str, key: DeviceKey) -> bool:
    """Whether a server knows a device."""
    return key in getattr(world.cluster.servers, server).devices


def untied(world: World, key: DeviceKey) -> list[str]:
    """What is wrong with the mark of a device that things of its application stand for."""
    record = world.cluster.servers.identity.devices[key]
    things = [(place, name) for place, name, _ in standing(world, key)]
    if not things or len(own_attributes(record)) >= ATTRIBUTES_PER_DEVICE:
        return []
    mark = mark_of(record)
    if mark is None:
        return [f"{key[1]} is not marked, and {things[0][1]} stands for it"]
    if not any(place.has(mark) for place, _ in things):
        # Another place has marked it: what its thing is now is for that place to see.
        return []
    named = any(place.has(mark) and name == mark.thing_name for place, name in things)
    return [] if named else [f"{key[1]} is marked with {mark.text()}, and {things[0][1]} stands for it"]
