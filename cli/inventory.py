"""Which things a stack has and which devices a file describes, in any number: kept by SQLite, not in memory.

The database is private and temporary; SQLite removes it. Keys and claim codes are in it as salted hashes only, enough
to compare them.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from cli.device_record import DeviceRecord, canonical
from thingbridge.registry.attributes import SECRETS, Attribute


class Inventory:
    """Things by name and DevEUI, and the devices of a file by what must be unique among them."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(16)
        # An empty name: on disk once it outgrows SQLite's cache, and gone with the connection.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            """
            PRAGMA journal_mode = OFF;
            CREATE TABLE things (name TEXT PRIMARY KEY, dev_eui TEXT, attributes TEXT) WITHOUT ROWID;
            CREATE INDEX things_by_dev_eui ON things (dev_eui);
            CREATE TABLE seen (what TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
            """
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self._database.close()

    def add_thing(self, name: str, attributes: Mapping[str, str]) -> None:
        """Remember a thing that exists."""
        known = self.comparable(attributes)
        self._database.execute(
            "INSERT OR REPLACE INTO things VALUES (?, ?, ?)", (name, known.get(Attribute.DEV_EUI), json.dumps(known))
        )

    def thing(self, name: str) -> dict[str, str] | None:
        """The comparable attributes of the thing of that name, None if there is none."""
        found = self._database.execute("SELECT attributes FROM things WHERE name = ?", (name,)).fetchone()
        return dict(json.loads(found[0])) if found else None

    def named_for(self, dev_eui: str) -> str | None:
        """The name of a thing that stands for the device, None if there is none."""
        found = self._database.execute("SELECT min(name) FROM things WHERE dev_eui = ?", (dev_eui,)).fetchone()
        return str(found[0]) if found and found[0] else None

    def repeats(self, number: int, device: DeviceRecord) -> str:
        """Remember a row's device. Returns what it shares with an earlier row, in words; empty if nothing."""
        for key in _unique(device):
            if earlier := self._first(key):
                return f"{key} is already in row {earlier}: keep one of the two"
        self._database.executemany("INSERT INTO seen VALUES (?, ?)", ((key, number) for key in _unique(device)))
        return ""

    def is_first(self, number: int, device: DeviceRecord) -> bool:
        """Whether the row was remembered: it passed the check, and shares nothing with an earlier row."""
        return self._first(_unique(device)[0]) == number

    def comparable(self, attributes: Mapping[str, str]) -> dict[str, str]:
        """The attributes as `differences` compares them, secrets as hashes."""
        known = canonical(attributes)
        return {name: self._hash(value) if name in SECRETS else value for name, value in known.items()}

    def _first(self, key: str) -> int | None:
        found = self._database.execute("SELECT number FROM seen WHERE what = ?", (key,)).fetchone()
        return int(found[0]) if found else None

    def _hash(self, value: str) -> str:
        return hashlib.blake2b(value.encode(), key=self._salt, digest_size=16).hexdigest()


def _unique(device: DeviceRecord) -> tuple[str, ...]:
    """What no two devices of a file may share, in words."""
    attributes = canonical(device.attributes)
    # A device that is activated by personalization may have no DevEUI.
    dev_eui = attributes.get(Attribute.DEV_EUI)
    return (
        *([f"DevEUI {dev_eui}"] if dev_eui else []),
        f"thing {device.thing_name}",
        f"device id {attributes[Attribute.DEVICE_ID]}",
    )
