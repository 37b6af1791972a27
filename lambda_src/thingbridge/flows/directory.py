"""Directory: what happens to a thing changes what the table says of its device, within seconds.

Events come from a queue, at least once and in any order, so an event only says where to look: what the table learns is
the thing as it is now. Every thing that names a LoRaWAN device counts, also one of another stack: the event of a thing
that was moved names its new stack. What the table can't be sure of, it forgets: then the next message looks it up.

A message may have made a thing while the event of one that a person made was still on its way. That the person's thing
is the device's, and the other one a mistake of ours, is certain only as long as nothing was done with it; then it is
deleted, and otherwise both stay, and the comparison reports them.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from thingbridge.aws.directory_table import DirectoryTable
from thingbridge.aws.things import Thing, Things, VersionConflict
from thingbridge.aws.things_log import ThingsLog
from thingbridge.diagnostics import emit
from thingbridge.errors import BadInput, Busy, Refused
from thingbridge.messaging.topics import THING_NAME
from thingbridge.registry import directory, events, standing
from thingbridge.registry.attributes import Attribute
from thingbridge.registry.directory import Fact
from thingbridge.registry.identity import StackOfThings

ON_ITS_WAY: Final = 60.0
"""Seconds within which an event counts as on its way: it reaches its queue in a moment, and its count in the queue may
be a minute old (SQS, GetQueueAttributes)."""

GIVEN: Final = frozenset(map(str, (Attribute.DEV_EUI, Attribute.STACK_NAME, Attribute.DEVICE_ID, Attribute.JOIN_EUI)))
"""Attributes of a thing as a message makes it."""

ATTEMPTS: Final = 5


class _Outdated(Exception):
    """The table has a newer fact than the one to be written, or the thing may have changed since it was read."""


@dataclass(frozen=True)
class ThingChange:
    """What the rule passes on of a registry event. `at`: when it came, in Unix milliseconds."""

    thing_name: str
    at: int
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "ThingChange":
        """Read a message. Raises BadInput."""
        try:
            message: Any = json.loads(text)
            name, at = message["thingName"], int(message["at"])
            if not THING_NAME.fullmatch(name):
                raise BadInput("thingName", "must be the name of a thing")
        except (KeyError, TypeError, ValueError, RecursionError, OverflowError) as error:
            raise BadInput("event", "must be what the rule selects of a registry event") from error
        names = (Attribute.DEV_EUI, Attribute.DEVICE_ID)
        return cls(name, at, {str(each): message[each] for each in names if isinstance(message.get(each), str)})


def rule_output(_topic: str, published: bytes) -> str:
    """What the rule passes on of a published event, as the text of a message; an empty one if it is not one."""
    try:
        event = json.loads(published)
        attributes = event.get("attributes") or {}
        named = {str(each): attributes[each] for each in (Attribute.DEV_EUI, Attribute.DEVICE_ID) if each in attributes}
        return json.dumps({"thingName": event["thingName"], "at": event["timestamp"], **named})
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return ""


@dataclass(frozen=True)
class Directory:
    """The table of one stack. `now` returns Unix seconds."""

    stack: StackOfThings
    things: Things
    table: DirectoryTable
    log: ThingsLog
    now: Callable[[], float] = time.time

    def handle(self, body: str) -> None:
        """Learn which thing a device has after an event. Raises what must be retried."""
        try:
            change = ThingChange.parse(body)
        except BadInput as error:
            emit("ERROR", "event_not_readable", reason=str(error))
            return
        self.follow(change.thing_name, change.attributes, at=change.at * 1000)

    def follow(self, thing_name: str, named: Mapping[str, Any] | None = None, *, at: int | None = None) -> None:
        """Learn a thing as it is now.

        `named`: attributes that it had, or has. `at`: when it became what it is, in microseconds; None: not known.
        A newer fact that another event wrote meanwhile may be about another thing: then this one is looked at again,
        as is one that did not stand under its key yet. Raises Busy.
        """
        for _ in range(ATTEMPTS):
            with suppress(_Outdated):
                self._follow(thing_name, named or {}, at)
                return
        raise Busy(f"learn what happened to the thing {thing_name}: {ATTEMPTS} attempts met a concurrent write")

    # Inside ----------------------------------------------------------------------------------------------------------

    def _follow(self, thing_name: str, named: Mapping[str, Any], at: int | None) -> None:
        as_of = int(self.now() * 1_000_000)
        thing = self.things.describe(thing_name)
        if thing and standing.has_lost_its_device(thing, self.stack):
            # It keeps its messages until the comparison restores its attributes.
            return
        current = directory.key_of_thing(thing.attributes) if thing else None
        ours = thing is not None and events.belongs_to(thing.attributes, self.stack.name)
        found_under = self.table.keys_of(thing_name)
        if ours and current and current not in found_under | {thing_name}:
            # If it changes before this is written, whoever looks at it then must find it under this key.
            self.table.add_key(thing_name, current)
            raise _Outdated
        stood = {directory.key_by_name(thing_name), directory.key_of_thing(named), current}
        for key in sorted(found_under | {each for each in stood if each}):
            if not (ours and key == current):
                self._forget(key, thing_name, as_of)
        if thing and ours and current:
            self._learn(current, thing, as_of, at)

    def _learn(self, key: str, thing: Thing, as_of: int, at: int | None) -> None:
        """Learn that a thing of the stack stands for a device."""
        fact = self.table.read(key, consistent=True)
        other_name = fact.thing_name if fact else None
        if fact is None or other_name is None:
            self._write(key, Fact(thing.name, as_of))
        elif other_name == thing.name:
            self._write(key, Fact(thing.name, as_of, fact.made_at))
        elif self._gives_way(other_name, key, fact.made_at, thing, at):
            self._write(key, Fact(thing.name, as_of))

    def _gives_way(self, name: str, key: str, made_at: int, thing: Thing, at: int | None) -> bool:
        """Whether the thing that the table knows is not the device's any more, or was a mistake, which is undone."""
        other = self.things.describe(name)
        if other is None or not events.belongs_to(other.attributes, self.stack.name):
            return True
        if directory.key_of_thing(other.attributes) != key:
            return not standing.has_lost_its_device(other, self.stack)
        untouched = other.version == 1 and other.attributes.keys() <= GIVEN
        if not made_at or not untouched or at is None or at > made_at + int(ON_ITS_WAY * 1_000_000):
            return False
        try:
            self.things.delete(name, expected_version=other.version)
        except (Refused, VersionConflict) as error:
            self.log.record(name, "WARN", "thing_made_twice", kept_for=thing.name, reason=str(error))
            return False
        self.log.record(name, "INFO", "thing_made_twice", deleted_for=thing.name)
        self.log.record(thing.name, "INFO", "thing_made_twice", deleted=name)
        return True

    def _forget(self, key: str, thing_name: str, as_of: int) -> None:
        fact = self.table.read(key, consistent=True)
        if fact is None or fact.thing_name in (None, thing_name):
            self._write(key, Fact(None, as_of))
        else:
            # The same again: whoever looked at this thing before it changed finds out that this is not so any more.
            self._write(key, Fact(fact.thing_name, as_of, fact.made_at))

    def _write(self, key: str, fact: Fact) -> None:
        if not self.table.write(key, fact):
            raise _Outdated
