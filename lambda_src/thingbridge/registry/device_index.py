"""The end devices of an application, in about 55 bytes each, and which of them have been found for a thing.

Devices have a 64-bit key: the DevEUI, or a hash of the device id without one. Two devices with the same key (one DevEUI
with two JoinEUIs) count as one. What is decided about a device is in `reconcile`.
"""

import base64
import hashlib
import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from thingbridge.registry import marks, reconcile
from thingbridge.registry.attributes import DeviceReference
from thingbridge.registry.marks import Mark, Owner
from thingbridge.registry.reconcile import ListedDevice, MarkedBy

_MARKED_BY: Final = 3
_SEEN: Final = 4
_UNCERTAIN: Final = 8
_KEPT: Final = 16
_FULL: Final = 32
"""The flags of a device. The lowest two bits are its `MarkedBy`."""

_SPREAD: Final = 0x9E3779B97F4A7C15
"""An odd number: multiplying by it modulo 2^64 is one-to-one, and spreads consecutive DevEUIs over all blocks."""

_BLOCK: Final = 256
_HEADER: Final = struct.Struct(">HI")


def key_of_device(device_id: str, dev_eui: str | None) -> int:
    """The device's key."""
    return _spread(int(dev_eui, 16)) if dev_eui else _hashed(device_id)


def _spread(number: int) -> int:
    return number * _SPREAD & 0xFFFF_FFFF_FFFF_FFFF


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _fingerprint(mark: Mark) -> int:
    return _hashed(f"{mark.thing_name}\n{mark.digest}")


@dataclass(frozen=True)
class Entry:
    """A device that was found: who marked it, whether it was found before, and whether it has room for a mark."""

    device_id: str
    marked_by: MarkedBy
    fingerprint: int
    seen: bool
    room: bool

    def is_marked_as(self, mark: Mark) -> bool:
        """Whether the device carries this very mark."""
        return self.marked_by is MarkedBy.THIS_STACK and self.fingerprint == _fingerprint(mark)

    def may_be_marked_as(self, mark: Mark) -> bool:
        """Whether a neighbour's mark on the device may be replaced by this one: see `Mark.may_replace`."""
        loose = {_fingerprint(replace(mark, digest=digest)) for digest in (marks.UNFINISHED, marks.KEPT)}
        return self.marked_by is MarkedBy.NEIGHBOUR and self.fingerprint in loose


@dataclass(frozen=True)
class Unmatched:
    """A device that was not found for a thing: who marked it, whether it is kept without a thing, and whether it has
    room for a mark."""

    device_id: str
    marked_by: MarkedBy
    kept: bool
    room: bool


def is_remembered(text: str) -> bool:
    """Whether a text is what `DeviceIndex.remember` returned, for whichever devices."""
    written, _, encoded = text.partition(":")
    try:
        packed, shift, at = zlib.decompress(base64.b85decode(encoded)), int(written), 0
    except (ValueError, zlib.error):
        return False
    if not 0 < shift <= 64:
        return False
    blocks = 0
    while at + _HEADER.size <= len(packed):
        count, _ = _HEADER.unpack_from(packed, at)
        at += _HEADER.size + (count + 7) // 8
        blocks += 1
    return at == len(packed) and blocks == 1 << (64 - shift)


class DeviceIndex:
    """An index of devices: `add` all of them, `close` it, then search it.

    `marked`: the number of devices with a mark of this stack, without those that are kept without a thing.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._keys = array("Q")
        self._fingerprints = array("Q")
        self._flags = bytearray()
        self._ids = bytearray()
        self._ends = array("Q", [0])
        self._order = array("L")
        self._by_id: tuple[array[int], array[int]] | None = None
        self.marked = 0

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, device: ListedDevice) -> None:
        """Add a device."""
        by = reconcile.marked_by(device.mark, self._owner)
        kept = device.mark is not None and device.mark.digest == marks.KEPT
        self._keys.append(key_of_device(device.device_id, device.dev_eui))
        self._fingerprints.append(_fingerprint(device.mark) if device.mark else 0)
        self._flags.append(by.value | (_KEPT if kept else 0) | (0 if device.room else _FULL))
        self._ids += device.device_id.encode()
        self._ends.append(len(self._ids))
        self.marked += by is MarkedBy.THIS_STACK and not kept

    def close(self) -> None:
        """End the adding: builds the order that the searches need."""
        self._order = array("L", sorted(range(len(self._keys)), key=self._keys.__getitem__))

    def find(self, thing: DeviceReference) -> Entry | None:
        """The device that a thing stands for, None if there is none. It counts as seen from now on.

        A thing without a DevEUI stands for the device with its device id, which may have one. Of several devices with
        the DevEUI of a thing, the one with its device id counts, or else one with a mark of this stack.
        """
        found = self._find(self._keys, self._order, key_of_device(thing.device_id, thing.dev_eui), thing.device_id)
        if found is None and thing.dev_eui is None:
            found = self._find(*self._ordered_by_id(), _hashed(thing.device_id), thing.device_id)
        return found

    def _find(self, keys: "array[int]", order: "array[int]", key: int, device_id: str) -> Entry | None:
        def rank(entry: Entry) -> tuple[bool, bool]:
            return entry.device_id == device_id, entry.marked_by is MarkedBy.THIS_STACK

        found: Entry | None = None
        at = bisect_left(order, key, key=keys.__getitem__)
        while at < len(order) and keys[index := order[at]] == key:
            flags = self._flags[index]
            by = MarkedBy(flags & _MARKED_BY)
            entry = Entry(self._id(index), by, self._fingerprints[index], bool(flags & _SEEN), not flags & _FULL)
            if found is None or rank(entry) > rank(found):
                found = entry
            self._flags[index] |= _SEEN
            at += 1
        return found

    def _ordered_by_id(self) -> "tuple[array[int], array[int]]":
        """Hashes of the device ids and their order: built when needed, because few things have no DevEUI."""
        if self._by_id is None:
            keys = array("Q", (_hashed(self._id(index)) for index in range(len(self))))
            self._by_id = keys, array("L", sorted(range(len(keys)), key=keys.__getitem__))
        return self._by_id

    def unmatched(self) -> Iterator[Unmatched]:
        """Every device that was not found for a thing."""
        for index, flags in enumerate(self._flags):
            if not flags & (_SEEN | _UNCERTAIN):
                by = MarkedBy(flags & _MARKED_BY)
                yield Unmatched(self._id(index), by, bool(flags & _KEPT), not flags & _FULL)

    def _id(self, index: int) -> str:
        return self._ids[self._ends[index] : self._ends[index + 1]].decode()

    # Resuming in another call of the function -------------------------------------------------------------------

    def remember(self) -> str:
        """Which devices were seen, as text: one bit per device and six bytes for about every 256.

        The bits are in the order of the keys, in blocks of keys with a common prefix. Each block has the number of its
        keys and their checksum, which show later whether it still contains the same devices.
        """
        packed = bytearray()
        for block in self._blocks(self._shift()):
            packed += _HEADER.pack(len(block), self._checksum(block))
            bits = 0
            for place, index in enumerate(block):
                if self._flags[index] & _SEEN:
                    bits |= 1 << place
            packed += bits.to_bytes((len(block) + 7) // 8, "little")
        return f"{self._shift()}:{base64.b85encode(zlib.compress(bytes(packed), 6)).decode()}"

    def recall(self, text: str) -> int:
        """Restore what another call remembered; returns the number of devices that are left to the next run.

        Those are the devices of blocks that have changed since, because it is unknown which of them were seen.
        """
        written, _, encoded = text.partition(":")
        packed, at, uncertain = zlib.decompress(base64.b85decode(encoded)), 0, 0
        for block in self._blocks(int(written)):
            count, checksum = _HEADER.unpack_from(packed, at)
            at += _HEADER.size
            bits = int.from_bytes(packed[at : at + (count + 7) // 8], "little")
            at += (count + 7) // 8
            same = count == len(block) and checksum == self._checksum(block)
            uncertain += 0 if same else len(block)
            for place, index in enumerate(block):
                if not same:
                    self._flags[index] |= _UNCERTAIN
                elif bits >> place & 1:
                    self._flags[index] |= _SEEN
        return uncertain

    def _shift(self) -> int:
        """Keys that are equal after a shift by this many bits form a block."""
        return 64 - max(0, (len(self._keys) // _BLOCK).bit_length())

    def _blocks(self, shift: int) -> Iterator[list[int]]:
        at = 0
        for block in range(1 << (64 - shift)):
            begin = at
            while at < len(self._order) and self._keys[self._order[at]] >> shift == block:
                at += 1
            yield list(self._order[begin:at])

    def _checksum(self, block: list[int]) -> int:
        return zlib.crc32(array("Q", (self._keys[index] for index in block)).tobytes())
