"""One run through both registries: page by page, within the time there is, going on where another call stopped.

The listings, the queue, the time: all come from the caller. What a pair calls for is decided in `reconcile`; that a
run is never worked on twice at once is the business of the queue it comes from.

Devices are held (`device_index`), things go by. A run that stops remembers how far it got among the things and which
devices it has seen; the next call lists the devices anew. Whoever carries out a piece of work looks again, so what
changes in between costs a look at most.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Protocol

from thingbridge.errors import BadInput
from thingbridge.registry import device_index, reconcile
from thingbridge.registry.device_index import DeviceIndex
from thingbridge.registry.marks import Mark
from thingbridge.registry.reconcile import WORK, Decision, ListedDevice
from thingbridge.registry.work_items import WorkItem
from thingbridge.settings import OnThingDeleted, SyncMode

DEVICES_PER_PAGE: Final = 1000
"""The most EndDeviceRegistry.List gives (TTS `end_device_services.proto`)."""

WORK_AT_ONCE: Final = 100
"""Pieces of work that are gathered before they are sent."""

LONGEST_BACKLOG: Final = 5_000
"""Pieces of work that may wait in the queue: about what is done in ten minutes. More would be found, and sent, again
before they are done."""

LAST_PAGE_BEFORE_END: Final = 90.0
"""Seconds that must be left for another page, or for sending what the end of a run calls for."""


class Count(StrEnum):
    """What a run counts; the values are names of metrics."""

    SEEN = "Seen"
    IN_STEP = "InStep"
    MISSING_THINGS = "MissingThings"
    MISSING_DEVICES = "MissingDevices"
    DIFFERING = "Differing"
    FAILED = "Failed"
    UNMARKED = "Unmarked"
    DELETED_THINGS = "DeletedThings"
    REFUSED = "Refused"
    RETAINED = "Retained"
    LEFT = "Left"
    DEFERRED = "Deferred"
    SENT = "Sent"
    THING_CALLS = "ListThingsCalls"
    DEVICE_CALLS = "ListDevicesCalls"
    QUEUE_CALLS = "QueueCalls"
    PARTS = "Parts"


COUNTED_AS: Final = {
    Decision.IN_STEP: Count.IN_STEP,
    Decision.MARK_DEVICE: Count.UNMARKED,
    Decision.DIFFERING: Count.DIFFERING,
    Decision.CREATE_DEVICE: Count.MISSING_DEVICES,
    Decision.MAKE_THING: Count.MISSING_THINGS,
    Decision.DELETE_DEVICE: Count.DELETED_THINGS,
    Decision.RETAIN_DEVICE: Count.RETAINED,
    Decision.LEAVE_THING: Count.LEFT,
    Decision.DUPLICATE: Count.FAILED,
    Decision.INCOMPLETE: Count.FAILED,
}


@dataclass(frozen=True)
class ListedThing:
    """A thing of the stack as the registry lists it."""

    name: str
    attributes: Mapping[str, str]


class Registries(Protocol):
    """Both sides and the queue between them. What they raise ends the call; its message then comes again."""

    def devices(self, page: int) -> Sequence[ListedDevice]:
        """A page of the application's devices, from 1; the last one is shorter than DEVICES_PER_PAGE."""

    def things(self, token: str | None) -> tuple[Sequence[ListedThing], str | None]:
        """A page of the stack's things, and the token of the next one."""

    def backlog(self) -> int:
        """How many pieces of work wait."""

    def send(self, items: Sequence[WorkItem]) -> int:
        """Hand pieces of work to the queue; returns the calls that took."""


@dataclass(frozen=True)
class Run:
    """How far a run got.

    `token`: the next page of things; `listed`: there is none. `seen`: what DeviceIndex remembers.
    """

    run_id: str
    mode: SyncMode
    part: int = 1
    token: str | None = None
    listed: bool = False
    seen: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    def message(self) -> str:
        """As the text of a message."""
        return json.dumps({"continue": {**self.__dict__, "counts": dict(self.counts)}})

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> "Run":
        """From a message's `continue`. Raises BadInput."""
        try:
            return cls(**{**said, "mode": SyncMode(said["mode"]), "counts": dict(said["counts"])})
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput("continue", "is not where a run stopped") from error


@dataclass(frozen=True)
class Rules:
    """What the stack wants. `example`: told of each decision that is no work and yet a person's business."""

    stack_name: str
    on_thing_deleted: OnThingDeleted
    example: Callable[[Decision, str], None]


def go_on(run: Run, registries: Registries, rules: Rules, remaining_seconds: Callable[[], float]) -> tuple[Run, bool]:
    """Work on a run until it is finished or time runs short. Returns where it stopped, and whether it is finished."""
    part = _Part(run, registries, rules)
    index = part.index_devices()
    token, listed = run.token, run.listed
    while not listed and remaining_seconds() >= LAST_PAGE_BEFORE_END:
        things, token = registries.things(token)
        part.counts[Count.THING_CALLS] += 1
        part.take(index, things)
        listed = token is None
    finished = listed and remaining_seconds() >= LAST_PAGE_BEFORE_END
    if finished:
        part.conclude(index)
    part.hand_over()
    stopped = replace(
        run,
        part=run.part + 1,
        token=token,
        listed=listed,
        seen="" if finished else index.remember(),
        counts={str(name): count for name, count in part.counts.items()},
    )
    return stopped, finished


class _Part:
    """What one call does of a run."""

    def __init__(self, run: Run, registries: Registries, rules: Rules) -> None:
        self._run, self._registries, self._rules = run, registries, rules
        self.counts: Counter[str] = Counter(dict(run.counts))
        self.counts[Count.PARTS] += 1
        self._pending: list[WorkItem] = []
        self._room = max(0, LONGEST_BACKLOG - registries.backlog()) if run.mode is SyncMode.APPLY else 0

    def index_devices(self) -> DeviceIndex:
        index = DeviceIndex(self._rules.stack_name)
        page, full = 1, True
        while full:
            devices = self._registries.devices(page)
            self.counts[Count.DEVICE_CALLS] += 1
            for device in devices:
                index.add(device)
            full = len(devices) == DEVICES_PER_PAGE
            page += 1
        index.close()
        if self._run.seen:
            self.counts[Count.DEFERRED] += index.recall(self._run.seen)
        return index

    def take(self, index: DeviceIndex, things: Iterable[ListedThing]) -> None:
        """Decide about a page of things, and about the devices that are found for them."""
        for thing in things:
            self.counts[Count.SEEN] += 1
            decision = self._about(index, thing)
            self.counts[COUNTED_AS[decision]] += 1
            if decision in WORK:
                self._add(WorkItem(thing_name=thing.name))
            elif decision in (Decision.DUPLICATE, Decision.INCOMPLETE):
                self._rules.example(decision, thing.name)

    def _about(self, index: DeviceIndex, thing: ListedThing) -> Decision:
        try:
            key = device_index.key_of_thing(thing.attributes)
        except BadInput:
            return Decision.INCOMPLETE
        found = index.take(key)
        if found is None:
            return reconcile.for_thing_alone(thing.attributes)
        self.counts[Count.SEEN] += not found.seen
        expected = Mark.of(thing.name, thing.attributes, self._rules.stack_name)
        return reconcile.for_pair(
            marked=found.marked, foreign=found.foreign, same=found.is_marked_as(expected), again=found.seen
        )

    def conclude(self, index: DeviceIndex) -> None:
        """Every thing has gone by: decide about the devices that are left."""
        gone = sum(marked for _, marked in index.alone())
        deletes = self._rules.on_thing_deleted is OnThingDeleted.DELETE
        refused = deletes and reconcile.too_many_deletions(gone, index.marked)
        if refused:
            self._rules.example(Decision.DELETE_DEVICE, f"{gone} of {index.marked} devices with a mark of this stack")
        for device_id, marked in index.alone():
            self.counts[Count.SEEN] += 1
            decision = reconcile.for_device_alone(marked, self._rules.on_thing_deleted)
            if refused and decision is Decision.DELETE_DEVICE:
                self.counts[Count.REFUSED] += 1
                continue
            self.counts[COUNTED_AS[decision]] += 1
            if decision in WORK:
                self._add(WorkItem(device_id=device_id))

    def _add(self, item: WorkItem) -> None:
        if self._run.mode is not SyncMode.APPLY:
            return
        if self._room == 0:
            self.counts[Count.DEFERRED] += 1
            return
        self._room -= 1
        self._pending.append(item)
        if len(self._pending) >= WORK_AT_ONCE:
            self.hand_over()

    def hand_over(self) -> None:
        """Send what was found and not sent yet."""
        if self._pending:
            self.counts[Count.SENT] += len(self._pending)
            self.counts[Count.QUEUE_CALLS] += self._registries.send(self._pending)
            self._pending = []
