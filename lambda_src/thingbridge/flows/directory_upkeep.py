"""The directory, compared with listings of things: what is missing in the table is written, what differs is looked at.

Two listings are compared: each run of the comparison passes the pages of the stack's things, and a survey lists all
things of the thing type once a day, those of other stacks included. Once a survey is through, a device without an item
is a new one: every thing was listed, or has sent an event since. A survey that is done in one call also looks at what
the table knows and was not listed.

Reading the table costs little: 1,000,000 devices are about 100 MB, 12,500 units, or 0.2 cents.
"""

import json
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from thingbridge.aws.directory_table import FACTS_AT_ONCE, DirectoryTable
from thingbridge.aws.things import Thing, Things
from thingbridge.diagnostics import emit
from thingbridge.errors import BadInput
from thingbridge.flows.directory import Directory
from thingbridge.pacing import TokenBucket
from thingbridge.registry import directory, events
from thingbridge.registry.directory import Fact

SURVEYED_EVERY: Final = 23 * 3600
"""Seconds after which another survey begins, with the next run of the comparison."""

GOOD_FOR: Final = 2 * 86_400
"""Seconds for which a survey counts: long enough for the next one, also where the comparison runs once a day."""

LAST_PAGE_BEFORE_END: Final = 60.0
"""Seconds that must be left of a call for another page."""


def _hashed(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


class _Hashes:
    """A set of texts, in 9 bytes each, and which of them were found."""

    def __init__(self, hashes: "array[int]") -> None:
        self._sorted = array("Q", sorted(hashes))
        self._found = bytearray(len(self._sorted))

    def find(self, text: str) -> bool:
        """Whether the set has the text, which then counts as found."""
        place = self._place(text)
        if place is not None:
            self._found[place] = 1
        return place is not None

    def is_left(self, text: str) -> bool:
        """Whether the set has a text that `find` was never called for."""
        place = self._place(text)
        return place is not None and not self._found[place]

    def _place(self, text: str) -> int | None:
        wanted = _hashed(text)
        place = bisect_left(self._sorted, wanted)
        return place if place < len(self._sorted) and self._sorted[place] == wanted else None


class Upkeep:
    """Corrects the table by pages of listed things. It holds 18 bytes per device, and reads the table once."""

    def __init__(self, table: DirectoryTable, corrected: Directory) -> None:
        self._table, self._directory = table, corrected
        self._known: tuple[_Hashes, _Hashes] | None = None

    def correct(self, things: Sequence[Thing], as_of: int) -> None:
        """Correct what the table says of listed things. `as_of`: when their listing began, in microseconds."""
        pairs, keys = self._read()
        missing: dict[str, Fact] = {}
        doubtful: dict[str, Thing] = {}
        for thing in things:
            key = directory.key_of_thing(thing.attributes)
            if key is None:
                continue
            ours = events.belongs_to(thing.attributes, self._directory.stack.name)
            known = pairs.find(_pair(key, thing.name))
            if key not in missing and not keys.find(key):
                missing[key] = Fact(thing.name if ours else None, as_of)
            elif known is not ours:
                doubtful[thing.name] = thing
        written_meanwhile = set(self._insert(missing))
        for thing in things:
            if thing.name in doubtful or directory.key_of_thing(thing.attributes) in written_meanwhile:
                self._directory.follow(thing.name, thing.attributes)

    def look_at_unlisted(self) -> int:
        """Look at the things that the table knows and no page had; returns how many these are."""
        pairs, _ = self._read()
        unlisted = {name for key, name in self._table.scan() if name and pairs.is_left(_pair(key, name))}
        for name in sorted(unlisted):
            self._directory.follow(name)
        return len(unlisted)

    def _read(self) -> tuple[_Hashes, _Hashes]:
        """The pairs of device and thing that the table had when this began, and the devices of which it had an item."""
        if self._known is None:
            pairs, keys = array("Q"), array("Q")
            for key, name in self._table.scan():
                keys.append(_hashed(key))
                if name:
                    pairs.append(_hashed(_pair(key, name)))
            self._known = _Hashes(pairs), _Hashes(keys)
        return self._known

    def _insert(self, facts: dict[str, Fact]) -> Iterator[str]:
        """Write facts of devices that have no item; yields the keys of those that have one by now."""
        keys = list(facts)
        for first in range(0, len(keys), FACTS_AT_ONCE):
            yield from self._table.insert({key: facts[key] for key in keys[first : first + FACTS_AT_ONCE]})


def _pair(key: str, thing_name: str) -> str:
    return f"{key}\n{thing_name}"


@dataclass(frozen=True)
class Surveyed:
    """How far a survey got. `token`: the next page of things; `whole`: this call began it."""

    token: str | None = None
    whole: bool = True

    def message(self) -> str:
        """The survey as the text of a message."""
        return json.dumps({"survey": {"token": self.token}})

    @classmethod
    def read(cls, message: dict[str, Any]) -> "Surveyed":
        """A survey from the text of a message. Raises BadInput."""
        token = message["survey"].get("token")
        if not (token is None or isinstance(token, str)):
            raise BadInput("survey", "must be the state of a survey that stopped")
        return cls(token, whole=token is None)


@dataclass(frozen=True)
class Survey:
    """Lists all things of the thing type, within the time of a call. `pace` limits ListThings."""

    things: Things
    table: DirectoryTable
    directory: Directory
    pace: TokenBucket
    now: Callable[[], float] = time.time

    def is_due(self) -> bool:
        """Whether another survey should begin."""
        return self.table.complete_until() - GOOD_FOR + SURVEYED_EVERY <= self.now()

    def resume(self, surveyed: Surveyed, remaining_seconds: Callable[[], float]) -> Surveyed | None:
        """Continue a survey until it is finished or time runs short. Returns how far it got, None if it is finished."""
        began, upkeep = self.now(), Upkeep(self.table, self.directory)
        token, more = surveyed.token, True
        while more and remaining_seconds() >= LAST_PAGE_BEFORE_END:
            self.pace.acquire()
            as_of = int(self.now() * 1_000_000)
            things, token = self.things.page_of_type(self.directory.stack.thing_type_name, token)
            upkeep.correct(things, as_of)
            more = token is not None
        if more:
            return Surveyed(token, whole=False)
        unlisted = upkeep.look_at_unlisted() if surveyed.whole else 0
        # Without events, a thing that a person makes would be missed from now on.
        complete = self.things.send_events()
        if complete:
            self.table.set_complete(began + GOOD_FOR)
        emit("INFO", "directory_surveyed", unlisted=unlisted, complete=complete)
        return None
