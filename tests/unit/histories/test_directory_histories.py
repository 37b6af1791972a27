"""Whatever happens to things, in any order of events, messages and comparisons: a device gets one thing, known to all.

A history consists of messages of devices, which two copies of a function handle, of changes that people make, with
events or with events that got lost, of deliveries of these events in any order and repeated, of comparisons and
surveys, of the loss of the table, and of time. While a copy handles a message, an event or a listing, other steps
happen between any two of its calls. Time is simulated.
"""

import copy as copies_of
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.sizes import size
from tests.unit.histories.account import THING_TYPE, Account, Message, directory_queue
from thingbridge.aws.directory_table import DirectoryTable
from thingbridge.aws.queues import Queue
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import Refused
from thingbridge.flows.directory import Directory
from thingbridge.flows.directory_upkeep import Stopped, Survey, Upkeep
from thingbridge.flows.shared_directory import SharedDirectory
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.pacing import TokenBucket
from thingbridge.registry import directory
from thingbridge.registry.identity import MismatchingStack, StackOfThings, ThingNameScheme

FARM, MILL = "farm", "mill"
STACK: Final = StackOfThings(FARM, THING_TYPE, ThingNameScheme.DEV_EUI)
TABLE, EVENTS = "farm-directory", directory_queue(FARM)
DEVICES: Final = (
    EndDeviceIdentifiers("tank-a", "A81758FFFE00000A", "A81758FFFE000001"),
    EndDeviceIdentifiers("tank-b", "A81758FFFE00000B", None),
    EndDeviceIdentifiers("bell", None, None),
)
NAMES: Final = ("barn", "shed", "A81758FFFE00000A", "A81758FFFE00000B")
MINUTE: Final = 60.0
Step = tuple[str, int, int, int]


@dataclass
class World:
    """Two stacks' things in one region, and the directory of one of them."""

    account: Account = field(default_factory=lambda: Account((FARM, MILL)))
    clock: float = 1_700_000_000.0
    missed: bool = False
    story: list[str] = field(default_factory=list)
    interruptions: list[Step] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    mistakes: dict[str, set[str]] = field(default_factory=dict)
    flying: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.account.now, self.account.tables = self.now, {TABLE: {}}
        self.account.before_call = self.interrupt
        self.account.on_change = self.made
        clients: Any = self.account
        self.things, self.table, self.log = Things(clients), DirectoryTable(clients, TABLE), ThingsLog(clients, "log")
        self.directory = Directory(STACK, self.things, self.table, self.log, self.now)
        self.survey = Survey(self.things, self.table, self.directory, lambda: TokenBucket(rate=1e9), self.now)
        self.copies = [self.copy(clients) for _ in range(2)]

    def copy(self, clients: Any) -> ThingDirectory:
        shared = SharedDirectory(self.table, (Queue(clients, EVENTS),), now=self.now)
        return ThingDirectory(self.things, STACK, self.log, shared, now=self.now)

    def now(self) -> float:
        """The time, which passes with each look at the clock."""
        self.clock += 0.000_010
        return self.clock

    def interrupt(self, _operation: str) -> None:
        """Before each call of AWS, the next of the steps that happen meanwhile."""
        if self.interruptions:
            step = self.interruptions.pop(0)
            later, self.interruptions = self.interruptions, []
            self.take(step)
            self.interruptions = later

    def made(self, name: str, before: dict[str, str] | Any, after: dict[str, str] | Any) -> None:
        """A message has made a thing: a mistake if another stands for the device, whose event is coming or came."""
        if not before and after and self.account.indexed is None:
            seen = {json.loads(event.body)["thingName"] for event in [*self.flying, *self.account.queues[EVENTS]]}
            seen |= {item["thing"]["S"] for item in self.account.tables[TABLE].values() if "thing" in item}
            standing = {each for each in self.standing(directory.key_of_thing(after)) if each != name} & seen
            self.mistakes[name] = standing
            self.story.append(f"    makes {name}, beside {sorted(standing)}")

    def standing(self, key: str | None, stack: str = FARM) -> list[str]:
        """The things of a stack that stand for a device."""
        return [
            name
            for name, has in self.account.things.items()
            if has.get("stackName") == stack and directory.key_of_thing(has) == key
        ]

    # Steps -----------------------------------------------------------------------------------------------------------

    def take(self, step: Step) -> None:
        verb, a, b, c = step
        self.story.append(f"{verb} {a} {b} {c}")
        VERBS[verb](self, a, b, c)

    def play(self, history: Sequence[tuple[Step, list[Step]]]) -> None:
        for step, meanwhile in history:
            self.interruptions = list(meanwhile)
            self.take(step)
            self.interruptions = []

    def message(self, a: int, b: int, _c: int) -> None:
        with suppress(Refused):
            self.copies[b % 2].find_or_create(DEVICES[a % len(DEVICES)])

    def put(self, name: str, attributes: dict[str, str]) -> None:
        self.mistakes.pop(name, None)  # A person has changed it: it stays.
        self.account.put(name, attributes)

    def create(self, a: int, b: int, c: int) -> None:
        """A person makes a thing for a device, or gives an existing one to it; for either stack."""
        device, name = DEVICES[a % len(DEVICES)], NAMES[b % len(NAMES)]
        named = {"devEUI": device.dev_eui.lower() if c % 3 == 0 else device.dev_eui} if device.dev_eui else {}
        named |= {"deviceID": device.device_id} if c % 2 or not device.dev_eui else {}
        self.change(c, lambda: self.put(name, {"stackName": MILL if c % 5 == 4 else FARM, **named}))

    def move(self, a: int, _b: int, c: int) -> None:
        """A person gives a thing to the other stack."""
        if self.account.things:
            name = sorted(self.account.things)[a % len(self.account.things)]
            has = self.account.things[name]
            other = MILL if has.get("stackName") == FARM else FARM
            self.change(c, lambda: self.put(name, {**has, "stackName": other}))

    def delete(self, a: int, b: int, c: int) -> None:
        """A person deletes a thing; every other time, the event is handled at once."""
        if self.account.things:
            name = sorted(self.account.things)[a % len(self.account.things)]
            self.mistakes.pop(name, None)
            self.change(c, lambda: self.account.delete(name))
            if b % 2:
                self.deliver(len(self.account.queues[EVENTS]) - 1, 1, 0)

    def change(self, c: int, carry_out: Callable[[], None]) -> None:
        """Carry out a change, whose event gets lost or stays on its way now and then, as the index may be behind."""
        lost, queue = c % 7 == 6, self.account.queues[EVENTS]
        self.missed |= lost
        self.account.events_enabled = not lost
        waiting, listed = len(queue), copies_of.deepcopy(self.account.things)
        carry_out()
        self.account.events_enabled = True
        if c % 4 == 1:
            self.flying += queue[waiting:]
            del queue[waiting:]
        if c % 6 == 2 and self.account.indexed is None:
            self.account.indexed = listed

    def arrive(self, _a: int, _b: int, _c: int) -> None:
        """The events that are on their way reach the queue, and changes the index."""
        self.account.queues[EVENTS] += self.flying
        self.flying, self.account.indexed = [], None

    def nothing(self, _a: int, _b: int, _c: int) -> None:
        """Nothing happens between two calls."""

    def deliver(self, a: int, b: int, _c: int) -> None:
        """An event arrives; one in three will arrive again."""
        waiting = self.account.queues[EVENTS]
        if waiting:
            body = waiting.pop(a % len(waiting)).body
            if b % 3 == 0:
                self.delivered.append(body)
            self.directory.handle(body)

    def deliver_again(self, a: int, _b: int, _c: int) -> None:
        if self.delivered:
            self.directory.handle(self.delivered[a % len(self.delivered)])

    def compare(self, _a: int, _b: int, _c: int) -> None:
        """A page of the comparison."""
        as_of = int(self.now() * 1_000_000)
        things, _ = self.things.page(FARM)
        Upkeep(self.table, self.directory).correct(things, as_of)

    def survey_things(self, _a: int, _b: int, _c: int) -> None:
        assert self.survey.resume(Stopped(), lambda: 900.0) is None

    def lose_table(self, _a: int, _b: int, _c: int) -> None:
        """With the table it is lost which things messages have made: the comparison reports what exists twice.

        The index is not behind what the lost table knew: AWS takes longer to make another table.
        """
        self.account.tables[TABLE].clear()
        self.account.indexed = None
        self.mistakes.clear()

    def wait(self, a: int, _b: int, _c: int) -> None:
        seconds = (1.0, 10.0, 50.0, 3600.0, 200_000.0)[a % 5]
        if seconds > 1:
            self.arrive(0, 0, 0)
        self.clock += seconds

    # The end ---------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Deliver what waits; if events were lost, a comparison and a survey find what they would have said."""
        self.arrive(0, 0, 0)
        while self.account.queues[EVENTS]:
            self.deliver(0, 1, 0)
        if self.missed:
            self.compare(0, 0, 0)
            self.survey_things(0, 0, 0)
        self.clock += MINUTE

    def check(self) -> None:
        """What each copy knows a minute later is so, and what a message made by mistake is undone."""
        for device in DEVICES:
            answers = {self.answer(copy, device) for copy in self.copies}
            assert len(answers) == 1, self.report(f"{device.device_id} is {answers}")
            (answer,) = answers
            has = self.account.things.get(answer)
            key = directory.key_of_device(device)
            if answer == "refused":
                assert not self.standing(key), self.report(f"{device.device_id} is refused")
            else:
                ours = has is not None and has.get("stackName") == FARM
                named = has is not None and (
                    directory.key_of_thing(has) in (key, directory.key_of_id(device.device_id))
                    or (device.dev_eui is None and has.get("deviceID") == device.device_id)
                )
                assert (ours, named) == (True, True), self.report(f"{device.device_id} is {answer}, which is {has}")
        for name, beside in self.mistakes.items():
            # After a lost event nothing shows when a person made the other thing: then the comparison reports both.
            left = [each for each in beside if each in self.standing(directory.key_of_thing(self.has(name)))]
            assert self.missed or name not in self.account.things or not left, self.report(
                f"{name} is left, and {left}"
            )

    def has(self, name: str) -> dict[str, str]:
        return self.account.things.get(name, {})

    def answer(self, copy: ThingDirectory, device: EndDeviceIdentifiers) -> str:
        try:
            return copy.find_or_create(device)
        except Refused:
            return "refused"

    def check_quiet(self) -> None:
        """What is known costs no call of the registry, by any copy."""
        self.clock += MINUTE
        before = copies_of.copy(self.account.called)
        for device in DEVICES:
            for copy in self.copies:
                with suppress(MismatchingStack, Refused):
                    known = copy.find_or_create(device)
                    assert known in self.account.things
        called = self.account.called - before
        refused = any(self.answer(self.copies[0], device) == "refused" for device in DEVICES)
        assert refused or not {"describe_thing", "list_things", "create_thing"} & called.keys(), self.report(
            str(called)
        )

    def report(self, broken: str) -> str:
        items = [f"{key}: {json.dumps(item)}" for key, item in self.account.tables[TABLE].items()]
        return "\n".join([broken, "after:", *self.story, "things:", str(self.account.things), "table:", *items])


VERBS: Final[dict[str, Callable[[World, int, int, int], None]]] = {
    "message": World.message,
    "create": World.create,
    "move": World.move,
    "delete": World.delete,
    "deliver": World.deliver,
    "deliver again": World.deliver_again,
    "compare": World.compare,
    "survey": World.survey_things,
    "lose table": World.lose_table,
    "wait": World.wait,
    "arrive": World.arrive,
    "nothing": World.nothing,
}
OFTEN: Final = ("message", "create", "deliver")
number = st.integers(0, 29)
any_step = st.tuples(st.sampled_from([*VERBS, *OFTEN, *OFTEN]), number, number, number)
short_step = st.tuples(
    st.sampled_from(["nothing", "nothing", "create", "delete", "move", "arrive", "deliver", "deliver", "message"]),
    number,
    number,
    number,
)
histories = st.lists(st.tuples(any_step, st.lists(short_step, max_size=6)), min_size=2, max_size=12)

SURVEYED: Final = [(("survey", 0, 0, 0), [])]
HEARD, DELIVERED, LOST = ("message", 0, 0, 0), (("deliver", 0, 0, 0), []), (("lose table", 0, 0, 0), [])
UNDONE: Final = [(("create", 0, 0, 1), []), (HEARD, [])]
"""A message makes a thing while the event of a person's thing is on its way."""


def slow(calls: int) -> list[Any]:
    """A thing is deleted, and its event handled, while a message has looked it up and not yet written that."""
    meanwhile = [("nothing", 0, 0, 0)] * calls + [("delete", 0, 1, 0)]
    return [(("create", 0, 2, 0), []), DELIVERED, LOST, (HEARD, meanwhile)]


BEHIND: Final = [(("create", 0, 0, 0), []), DELIVERED, LOST, (("delete", 0, 1, 2), []), (HEARD, [])]
"""A message looks for a thing in an index that does not know yet that it was deleted."""
NEW_TABLE: Final = [(("create", 0, 0, 0), []), DELIVERED, (("message", 1, 0, 0), []), LOST, (HEARD, [])]
"""The table is lost a moment after a copy has found it complete."""


def early(device: int, before: int, after: int) -> list[Any]:
    """A person makes a thing for a device, and its event is handled, while a message looks for it and makes another."""
    made, nothing = ("create", device, 0, 0), ("nothing", 0, 0, 0)
    return [(("message", device, 0, 0), [*[nothing] * before, made, *[nothing] * after, DELIVERED[0]])]


GIVEN_BACK: Final = [
    (HEARD, []),
    (("create", 1, 2, 0), []),
    (("deliver", 0, 0, 0), [*[("nothing", 0, 0, 0)] * 3, ("create", 0, 2, 0), ("deliver", 0, 0, 0)]),
]
"""A thing is given to another device and back, and the later event is handled while the earlier one is."""

beginnings = st.sampled_from([[], SURVEYED])


@settings(max_examples=size(150, 20_000), deadline=None, suppress_health_check=list(HealthCheck))
@given(beginnings, histories)
@example(SURVEYED, UNDONE)
@example([], slow(2))
@example([], slow(5))
@example([], slow(6))
@example([], slow(7))
@example([], BEHIND)
@example(SURVEYED, NEW_TABLE)
@example([], GIVEN_BACK)
@example([], early(2, 3, 0))
@example([], early(2, 3, 1))
@example([], early(0, 8, 1))
@example(SURVEYED, early(0, 4, 0))
@example(SURVEYED, early(0, 4, 1))
def test_every_history_ends_with_one_thing_for_each_device_that_every_copy_knows(
    beginning: list[Any], history: list[Any]
) -> None:
    world = World()
    world.play([*beginning, *history])
    world.settle()
    world.check()
    world.settle()
    world.check_quiet()


def test_a_rush_of_first_messages_makes_one_thing_each_and_lists_nothing() -> None:
    world = World()
    world.take(("survey", 0, 0, 0))
    before = copies_of.copy(world.account.called)
    for number in range(50):
        for copy in world.copies:
            copy.find_or_create(EndDeviceIdentifiers(f"tank-{number}", f"{number:016X}", "A81758FFFE000001"))
    called = world.account.called - before
    assert called["create_thing"] == len(world.account.things) == 50
    assert not {"describe_thing", "list_things"} & called.keys()
    assert world.account.queues[EVENTS] == []
