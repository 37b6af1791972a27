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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from thingbridge.registry import attributes as thing_attributes
from thingbridge.registry.marks import Mark
from thingbridge.registry.reconcile import ListedDevice

_MARKED: Final = 1
_FOREIGN: Final = 2
_SEEN: Final = 4
_UNCERTAIN: Final = 8

_SPREAD: Final = 0x9E3779B97F4A7C15
"""An odd number: multiplying by it modulo 2^64 is one-to-one, and spreads consecutive DevEUIs over all blocks."""

_BLOCK: Final = 256
_HEADER: Final = struct.Struct(">HI")


def key_of_device(device_id: str, dev_eui: str | None) -> int:
    """The device's key."""
    return _spread(int(dev_eui, 16)) if dev_eui else _hashed(device_id)


def key_of_thing(attributes: Mapping[str, str]) -> int:
    """The key of the device that a thing stands for. Raises BadInput when the thing stands for none."""
    reference = thing_attributes.reference(attributes)
    return key_of_device(reference.device_id, reference.dev_eui)


def _spread(number: int) -> int:
    return number * _SPREAD & 0xFFFF_FFFF_FFFF_FFFF


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _fingerprint(mark: Mark) -> int:
    return _hashed(f"{mark.thing_name}\n{mark.digest}")


@dataclass(frozen=True)
class Entry:
    """A device that was found: whether it has this stack's mark or another's, and whether it was found before."""

    marked: bool
    foreign: bool
    fingerprint: int
    seen: bool

    def is_marked_as(self, mark: Mark) -> bool:
        """Whether the device carries this very mark."""
        return self.marked and self.fingerprint == _fingerprint(mark)


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
    """An index of devices: `add` all of them, `close` it, then search it."""

    def __init__(self, stack_name: str) -> None:
        self._stack_name = stack_name
        self._keys = array("Q")
        self._fingerprints = array("Q")
        self._flags = bytearray()
        self._ids = bytearray()
        self._ends = array("Q", [0])
        self._order = array("L")
        self.marked = 0

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, device: ListedDevice) -> None:
        """Add a device."""
        ours = device.mark is not None and device.mark.stack_name == self._stack_name
        self._keys.append(key_of_device(device.device_id, device.dev_eui))
        self._fingerprints.append(_fingerprint(device.mark) if device.mark else 0)
        self._flags.append(_MARKED if ours else _FOREIGN if device.mark else 0)
        self._ids += device.device_id.encode()
        self._ends.append(len(self._ids))
        self.marked += ours

    def close(self) -> None:
        """End the adding: builds the order that the searches need."""
        self._order = array("L", sorted(range(len(self._keys)), key=self._keys.__getitem__))

    def find(self, key: int) -> Entry | None:
        """The device with this key, None if there is none. It counts as seen from now on."""
        found = None
        at = bisect_left(self._order, key, key=self._keys.__getitem__)
        while at < len(self._order) and self._keys[index := self._order[at]] == key:
            flags = self._flags[index]
            if found is None or (flags & _MARKED and not found.marked):
                found = Entry(
                    bool(flags & _MARKED), bool(flags & _FOREIGN), self._fingerprints[index], bool(flags & _SEEN)
                )
            self._flags[index] |= _SEEN
            at += 1
        return found

    def unmatched(self) -> Iterator[tuple[str, bool]]:
        """Device id, and whether it has this stack's mark, of every device that was not found for a thing."""
        for index, flags in enumerate(self._flags):
            if not flags & (_SEEN | _UNCERTAIN):
                yield self._ids[self._ends[index] : self._ends[index + 1]].decode(), bool(flags & _MARKED)

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
