"""Minutes of mixed traffic while functions are killed and The Things Stack fails: what goes in comes out, or is kept.

`SOAK_MINUTES` sets how long. What is sent follows what arrives, so it is as much as the machine sustains.
"""

import base64
import itertools
import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from local import inspection
from local.things_stack.network.dropped import Dropped
from tests.conftest import FIGURES
from tests.e2e.conftest import APP_KEY, Bridge, Device
from tests.e2e.polling import eventually
from tests.e2e.soaking import chaos, repeatedly, soon_again
from tests.e2e.test_downlink import request
from tests.e2e.test_queues import failures
from tests.e2e.test_registry import ALL_SERVERS

pytestmark = pytest.mark.soak

MINUTES = float(os.environ.get("SOAK_MINUTES", "15"))
DEVICES = 12
AHEAD = 40
"""Uplinks that may be on their way."""

AGAIN_SECONDS, DRAINED_SECONDS = 60, 900.0
"""When a message that a killed function had comes back, and how long all that is on its way may take at the end."""

GROWTH = 1.25
"""How much more memory a function may have in the last third than in the first half."""


@dataclass
class Traffic:
    """What was sent, by what identifies it; what arrived is read from the topics and from the servers."""

    bridge: Bridge
    devices: list[Device]
    uplinks: set[tuple[str, int]] = field(default_factory=set)
    joins: set[str] = field(default_factory=set)
    downlinks: set[tuple[str, str]] = field(default_factory=set)
    things: dict[str, Device] = field(default_factory=dict)
    deleted: dict[str, Device] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _lock: Any = field(default_factory=threading.Lock)
    _seen: int = 0
    _arrived: dict[str, set[Any]] = field(default_factory=lambda: {"uplink": set(), "join": set(), "rejected": set()})
    copies: Counter[str] = field(default_factory=Counter)

    # What is sent ---------------------------------------------------------------------------------------------------

    def send_uplink(self) -> None:
        """An uplink of one of the devices, unless too many are on their way. Downlinks of the device follow it."""
        with self._lock:
            late = len(self.uplinks - self.arrived("uplink"))
        if late > AHEAD:
            time.sleep(0.05)
            return
        device = random.choice(self.devices)
        try:
            sent = self.bridge.things_stack.network.uplink(
                device.application_id, device.device_id, f_port=1, frm_payload=b"\1"
            )
        except Dropped:
            return
        with self._lock:
            self.uplinks.add((device.dev_eui, sent.message["uplink_message"].get("f_cnt", 0)))

    def join_anew(self) -> None:
        """A new device joins."""
        device = self.bridge.new_device()
        self.bridge.things_stack.network.join(device.application_id, device.device_id)
        with self._lock:
            self.joins.add(device.dev_eui)
        time.sleep(random.uniform(0.5, 2))

    def request_downlink(self) -> None:
        """A downlink with a payload of its own."""
        device = random.choice(self.devices)
        payload = base64.b64encode(next(self._numbers).to_bytes(4, "big")).decode()
        with self._lock:
            self.downlinks.add((device.dev_eui, payload))
        request(self.bridge, f"lorawan/{device.dev_eui}/downlink/push", {"bytes": payload, "fPort": 5})
        time.sleep(random.uniform(0.3, 1.2))

    def change_things(self) -> None:
        """A thing is created, or one is changed or deleted."""
        chosen = random.random()
        iot = self.bridge.aws.client("iot")
        if chosen < 0.6 or not self.things:
            device = self.bridge.new_device(registered=False)
            name = f"soaked-{device.device_id}"
            self.bridge.create_thing(
                name, devEUI=device.dev_eui, deviceID=device.device_id, joinEUI=device.join_eui, appKey=APP_KEY,
                lorawanVersion="1.0.3", regionalParametersVersion="1.0.3-a",
            )  # fmt: skip
            self.things[name] = device
        else:
            name = random.choice(list(self.things))
            if chosen < 0.8:
                plan = random.choice(["EU_863_870", "EU_863_870_TTN"])
                attributes = {"attributes": {"frequencyPlanID": plan}, "merge": True}
                iot.update_thing(thingName=name, attributePayload=attributes)
            else:
                iot.delete_thing(thingName=name)
                self.deleted[name] = self.things.pop(name)
        time.sleep(random.uniform(0.5, 2))

    # What arrived ---------------------------------------------------------------------------------------------------

    def arrived(self, kind: str) -> set[Any]:
        """The uplinks, joins or rejections that were published. Called with the lock."""
        messages = self.bridge.topics.messages("lorawan/#")
        for message in messages[self._seen :]:
            _, thing, *event = message.topic.split("/")
            match event:
                case ["uplink"]:
                    self._note("uplink", (thing, message.json()["uplink_message"].get("f_cnt", 0)))
                case ["join"]:
                    self._note("join", thing)
                case ["downlink", "rejected"]:
                    body = (message.json().get("request") or {}).get("bytes")
                    self._note("rejected", (thing, body))
        self._seen = len(messages)
        return self._arrived[kind]

    def _note(self, kind: str, what: Any) -> None:
        self.copies[kind] += what in self._arrived[kind]
        self._arrived[kind].add(what)

    def missing(self) -> dict[str, list[Any]]:
        """What was sent, and is not where it belongs."""
        with self._lock:
            found: dict[str, list[Any]] = {
                "uplinks": sorted(self.uplinks - self.arrived("uplink")),
                "joins": sorted(self.joins - self.arrived("join")),
                "downlinks": sorted(self.downlinks - self._queued() - self.arrived("rejected")),
            }
        found["created"] = [
            name for name, each in self.things.items() if self.bridge.on_servers(each.device_id) != ALL_SERVERS
        ]
        found["deleted"] = [name for name, each in self.deleted.items() if self.bridge.on_servers(each.device_id)]
        return {kind: what for kind, what in found.items() if what}

    def _queued(self) -> set[tuple[str, str]]:
        network = self.bridge.things_stack.network
        found, number = set[tuple[str, str]](), 0
        for device in self.devices:
            at = device.application_id, device.device_id
            for each in (*network.received(*at), *network.queue(*at)):
                if each.get("frm_payload"):
                    number += 1
                    found.add((device.dev_eui, each["frm_payload"]))
        self.copies["downlink"] = number - len(found)
        return found


def test_what_goes_in_comes_out_or_is_kept_until_it_is_replayed(farm: Bridge, record_property: Any) -> None:
    traffic = Traffic(farm, [farm.joined_device() for _ in range(DEVICES)])
    with soon_again(farm, AGAIN_SECONDS):
        began = time.monotonic()
        until = began + 60 * MINUTES
        with chaos(farm) as caused:
            senders = (traffic.send_uplink, traffic.join_anew, traffic.request_downlink, traffic.change_things)
            for thread in [repeatedly(each, until) for each in senders]:
                thread.join()
        took = time.monotonic() - began
        replayed, missing = 0, traffic.missing()

        def all_there() -> bool:
            nonlocal replayed, missing
            missing = traffic.missing()
            return not missing or _on_their_way(farm) == 0

        eventually("the end of all that is on its way", all_there, timeout=DRAINED_SECONDS)
        kept = {name: number for name, number in farm.dead_letters().items() if number}
        causes = failures(farm, "list")["groups"] if kept else []
        for _ in range(5):
            if not any(farm.dead_letters().values()):
                break
            replayed += failures(farm, "replay")["replayed"]
            eventually("the end of what was replayed", lambda: _on_their_way(farm) == 0, timeout=DRAINED_SECONDS)
        eventually("everything", lambda: not traffic.missing() and not any(farm.dead_letters().values()), timeout=120)
    sent = {
        "uplinks": len(traffic.uplinks), "joins": len(traffic.joins), "downlinks": len(traffic.downlinks),
        "things": len(traffic.things) + len(traffic.deleted), "deleted": len(traffic.deleted),
    }  # fmt: skip
    memory = caused.grown()
    for line in (
        f"soak: {took / 60:.1f} minutes, {len(traffic.uplinks) / took:.1f} uplinks a second; sent: "
        + ", ".join(f"{number} {name}" for name, number in sent.items()),
        f"soak: {caused.killed} functions killed, {caused.failed} faults of The Things Stack; copies: "
        + (", ".join(f"{number} {name}" for name, number in traffic.copies.items() if number) or "none"),
        f"soak: kept {kept or 'nothing'}, {replayed} replayed, lost 0",
        *(f"soak: kept: {each['queue']}: {each['count']}: {each['cause']}" for each in causes),
        "soak: megabytes at most, in the first half and in the last third: "
        + ", ".join(f"{name} {first:.0f} and {last:.0f}" for name, (first, last) in sorted(memory.items())),
    ):
        record_property(FIGURES, line)
    assert all(last <= GROWTH * first for first, last in memory.values()), memory


def _on_their_way(bridge: Bridge) -> int:
    """Messages in the queues of work, those in flight included, but for what runs by the clock."""
    urls = bridge.outputs["queue_urls"]
    work = {name: url for name, url in urls.items() if not name.endswith(("_failures", "_dead_letters"))}
    return sum(inspection.queues(bridge.aws, work).values())
