"""What must hold at every step of a history: who may delete a device, change its mark, or remove keys of a thing.

The witness sees every call before it is carried out, and knows what the product can't: who made a device and when, who
marked it, and which things people deleted. What is broken is collected, because a function may catch what is raised in
it.

- Nothing of a device is deleted that a thing of the same region stands for, that another place has marked, or that has
  no mark while a thing of another region stands for it.
- A device is deleted only after a thing was deleted that stood for it, or that its mark names: this very device, and no
  later one of the same name.
- What an invocation made, it may undo. So may a later one of the same place what an interrupted one left half made.
- A mark of another place stays as it is, unless the thing that it names was given to the one that changes it.
- A key or code leaves a thing only once the Join Server has that very key, or the device is claimed. No other attribute
  of a thing is ever removed or changed by the product, and no thing is deleted by it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.things_stack.api.call import Call
from local.things_stack.cluster import Cluster
from local.things_stack.servers import DeviceKey
from tests.unit.histories.account import Account
from thingbridge.registry import marks
from thingbridge.registry.marks import Mark

SERVERS = {"IS": "identity", "JS": "join", "NS": "network", "AS": "application"}
KEYS = {"appKey": "app_key", "nwkKey": "nwk_key"}
CODE = "claimAuthenticationCode"


@dataclass(frozen=True)
class Place:
    """A stack in a region of an account, and the application that it is applied for."""

    region: str
    stack: str
    application: str

    def __str__(self) -> str:
        return f"{self.stack} in {self.region}"

    def has(self, mark: Mark) -> bool:
        """Whether this is the place that a mark names."""
        return (mark.owner.region, mark.owner.stack_name) == (self.region, self.stack)


@dataclass
class Device:
    """One device from its creation to its deletion: another one with the same ids is another device.

    `deleted_things`: the regions where a thing of it was deleted by a person. `doomed`: nothing stands for it any more,
    so it must go. `interrupted`: a call of the invocation that made it failed, or the function was killed. `half`: the
    product registered it, and the Application Server never had it, so that none of its messages was ever delivered.
    """

    deleted_things: set[str] = field(default_factory=set)
    doomed: bool = False
    interrupted: bool = False
    half: bool = False


def stands_for(attributes: Mapping[str, str], record: Mapping[str, Any]) -> bool:
    """Whether a thing stands for a device: by its DevEUI in any spelling; by its device id if one of both has none."""
    ids = record["ids"]
    same_id = attributes.get("deviceID") == ids["device_id"]
    if attributes.get("devEUI") and ids.get("dev_eui"):
        return attributes["devEUI"].upper() == str(ids["dev_eui"])
    return same_id


def mark_of(record: Mapping[str, Any]) -> Mark | None:
    """The mark of a device."""
    return marks.read(record.get("attributes", {}))


def own_attributes(record: Mapping[str, Any]) -> dict[str, str]:
    """A device's attributes without its mark."""
    return {name: value for name, value in record.get("attributes", {}).items() if name != marks.ATTRIBUTE}


class Witness:
    """Watches one cluster and its regions. `at`: who acts now; `invocation`: the number of the function's call."""

    def __init__(self, cluster: Cluster, regions: Mapping[str, Account]) -> None:
        self._servers, self._regions = cluster.servers, regions
        self.devices: dict[DeviceKey, Device] = {}
        self.invocation = 0
        self.broken: list[str] = []
        self.seen: list[str] = []
        self._made: dict[tuple[str, DeviceKey], tuple[int, Device]] = {}

    def records(self) -> Iterator[tuple[DeviceKey, dict[str, Any]]]:
        """The devices on the Identity Server."""
        yield from self._servers.identity.devices.items()

    def known(self, key: DeviceKey) -> Device:
        """What is known of a device on the Identity Server."""
        return self.devices.setdefault(key, Device())

    # What people do --------------------------------------------------------------------------------------------------

    def thing_deleted(self, region: str, name: str, attributes: Mapping[str, str], *, deletes: bool) -> None:
        """A person has deleted a thing. `deletes`: its stack deletes devices then."""
        for key, record in self.records():
            device = self.known(key)
            mark, stood = mark_of(record), stands_for(attributes, record)
            ours = mark is not None and mark.owner.region == region
            if stood or (mark and ours and mark.thing_name == name):
                device.deleted_things.add(region)
            if deletes and stood and mark and ours and mark.owner.stack_name == attributes.get("stackName"):
                device.doomed = mark.thing_name == name and not self.things_of(record)

    def thing_made(self, attributes: Mapping[str, str]) -> None:
        """A thing exists now, or stands for another device."""
        for key, record in self.records():
            if stands_for(attributes, record):
                self.known(key).doomed = False

    def things_of(self, record: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Region and name of every thing that stands for a device."""
        return [
            (region, name)
            for region, account in self._regions.items()
            for name, attributes in account.things.items()
            if stands_for(attributes, record)
        ]

    # What the product does -------------------------------------------------------------------------------------------

    def watch(self, place: Place) -> Callable[[Call], Callable[[], None]]:
        """Watch the calls of a place: see `shortcut.Watch`."""
        return lambda call: self._about_to(place, call)

    def _about_to(self, place: Place, call: Call) -> Callable[[], None]:
        server, method = call.operation.server, call.operation.method
        if method == "DELETE":
            self.seen.append(f"deletes {call.path['device_id']} on {server}")
            self._deletion(place, server, call.device)
            return lambda: self._gone(server, call.device)
        if method == "POST" and server == "IS":
            return lambda: self._registered(call.device)
        if method == "POST" and server == "DCS":
            return lambda: self._made_on(server, (call.application_id, call.body["target_device_id"]))
        if method == "PUT" and server == "IS":
            return self._marking(place, call.device)
        if method == "PUT" and call.device not in getattr(self._servers, SERVERS[server]).devices:
            return lambda: self._made_on(server, call.device)
        return lambda: None

    def _deletion(self, place: Place, server: str, key: DeviceKey) -> None:
        record = self._servers.identity.devices.get(key)
        since, device = self._made.get((server, key), (0, self.devices.get(key)))
        registered, _ = self._made.get(("IS", key), (0, None))
        if record is None or device is None or self.invocation in (since, registered):
            return
        if device is not self.known(key):
            return
        mark = mark_of(record)
        if device.half and mark and place.has(mark):
            return
        what = f"{place} deleted {key[1]} on {server}"
        things = self.things_of(record)
        here = [name for region, name in things if region == place.region]
        if here:
            self.broken.append(f"{what}, which {' and '.join(here)} stands for")
        if mark and not place.has(mark):
            self.broken.append(f"{what}, which {mark.owner} has marked")
        if things and not mark:
            self.broken.append(f"{what}, which nobody has marked and {things[0][1]} in {things[0][0]} stands for")
        if place.region not in device.deleted_things:
            self.broken.append(f"{what}, no thing of which was ever deleted")

    def _gone(self, server: str, key: DeviceKey) -> None:
        self._made.pop((server, key), None)
        if server == "IS":
            self.devices.pop(key, None)

    def _registered(self, key: DeviceKey) -> None:
        self.devices[key] = Device(half=True)
        self.seen.append(f"creates {key[1]}")
        self._made_on("IS", key)

    def _made_on(self, server: str, key: DeviceKey) -> None:
        self._made[server, key] = self.invocation, self.known(key)
        if server == "AS":
            self.known(key).half = False

    def _marking(self, place: Place, key: DeviceKey) -> Callable[[], None]:
        before = dict(self._servers.identity.devices.get(key, {}))

        def afterwards() -> None:
            after = self._servers.identity.devices[key]
            was, now = mark_of(before), mark_of(after)
            self.seen.append(f"marks {key[1]} with {now.text() if now else 'nothing'}")
            if was and was != now and not place.has(was) and not self._is_given_to(place, was):
                self.broken.append(f"{place} changed the mark of {key[1]}, which {was.owner} has marked")
            if own_attributes(before) != own_attributes(after):
                self.broken.append(f"{place} changed the attributes of {key[1]}")

        return afterwards

    def _is_given_to(self, place: Place, mark: Mark) -> bool:
        """Whether the thing that a mark names belongs to a place of its region now."""
        thing = self._regions[place.region].things.get(mark.thing_name, {})
        return mark.owner.region == place.region and thing.get("stackName") == place.stack

    def interrupted(self) -> None:
        """A call of this invocation failed, or the function was killed: what it has made may be left in part."""
        for since, device in self._made.values():
            device.interrupted |= since == self.invocation

    def thing_changed(self, region: str, name: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        """The product has made or changed a thing."""
        self.seen.append(f"{'changes' if before else 'makes'} the thing {name}")
        if not before or {**after, **before} != after:
            self.thing_made(after)
        for attribute in before:
            if before[attribute] == after.get(attribute):
                continue
            if attribute not in (*KEYS, CODE):
                self.broken.append(f"{attribute} of {name} in {region} was {before[attribute]}")
            elif not self._is_kept(before, attribute):
                self.broken.append(f"{attribute} of {name} in {region} is lost")

    def _is_kept(self, attributes: Mapping[str, str], secret: str) -> bool:
        """Whether the network can work without the thing's secret: it has this very key, or has claimed the device."""
        for key, record in self.records():
            if not stands_for(attributes, record):
                continue
            euis = record["ids"].get("join_eui"), record["ids"].get("dev_eui")
            claimed = self._servers.claiming.devices.get(euis)  # type: ignore[call-overload]
            if secret == CODE or attributes.get(CODE):
                return claimed is not None and claimed.claimed_by == key[0]
            # A 1.0.x device has no NwkKey, which is then not sent either.
            roots = self._servers.join.devices.get(key, {}).get("root_keys", {})
            kept = roots.get(KEYS[secret], {}).get("key")
            return bool(kept == attributes[secret].upper() or (secret == "nwkKey" and kept is None))
        return False
