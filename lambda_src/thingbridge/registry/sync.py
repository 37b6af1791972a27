"""The comparison of both registries: page by page, within the time there is, resumed where another call stopped.

The listings, the queue and the time come from the caller. What a pair calls for is decided in `reconcile`; the queue
that a run comes from ensures that no two calls work on it at once.

Devices are held in memory (`device_index`), things pass by. A run that stops remembers how far it got among the things
and which devices it has seen. The next call takes the index of the devices over if it runs in the same process
(`KeptIndex`), and otherwise lists them again. A work item is checked again when it is carried
out, so a change in between costs one look-up at most.
"""

import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Protocol

from thingbridge.errors import BadInput
from thingbridge.registry import attributes, device_index, reconcile
from thingbridge.registry.device_index import DeviceIndex, Unmatched
from thingbridge.registry.marks import Mark, Owner
from thingbridge.registry.reconcile import WORK, Decision, DevicePage, ListedDevice, MarkedBy, OnThingDeleted
from thingbridge.registry.work_items import WorkItem

DEVICES_PER_PAGE: Final = 1000
"""The most that EndDeviceRegistry.List returns (TTS `end_device_services.proto`)."""

WORK_AT_ONCE: Final = 100
"""Work items that are gathered before they are sent."""

LONGEST_BACKLOG: Final = 5_000
"""Work items that may wait in the queue: about what is done in ten minutes. More would be found, and sent, again before
they are done."""

LOOKED_AT_IF_REFUSED: Final = 100
"""Devices that a run whose deletions are refused has looked at nevertheless: those whose thing was moved, or lost its
attributes, would otherwise keep the deletions refused forever."""

LAST_PAGE_BEFORE_END: Final = 90.0
"""Seconds that must be left for another page, or for sending the work items at the end of a run."""


class SyncMode(StrEnum):
    """Whether a comparison repairs what it finds, or only reports it."""

    APPLY = "apply"
    REPORT = "report"


class Count(StrEnum):
    """What a run counts; the values are names of metrics."""

    SEEN = "Seen"
    IN_STEP = "InStep"
    MISSING_THINGS = "MissingThings"
    MISSING_DEVICES = "MissingDevices"
    DIFFERING = "Differing"
    FAILED = "Failed"
    UNMARKED = "Unmarked"
    UNMARKABLE = "Unmarkable"
    DELETED_THINGS = "DeletedThings"
    REFUSED = "Refused"
    RETAINED = "Retained"
    LEFT = "Left"
    FOREIGN = "Foreign"
    DEFERRED = "Deferred"
    SENT = "Sent"
    THING_CALLS = "ListThingsCalls"
    DEVICE_CALLS = "ListDevicesCalls"
    QUEUE_CALLS = "QueueCalls"
    PARTS = "Parts"
    DRIFT = "Drift"


SILENT: Final = "Silent"
"""The count of silent devices, which is a metric only where it is asked for."""

DRIFT: Final = (Count.MISSING_THINGS, Count.MISSING_DEVICES, Count.DIFFERING, Count.DELETED_THINGS)
"""What `Drift` sums: the differences that a comparison corrects, or reports."""

COUNTED_AS: Final = {
    Decision.IN_STEP: Count.IN_STEP,
    Decision.MARK_DEVICE: Count.UNMARKED,
    Decision.DIFFERING: Count.DIFFERING,
    Decision.CREATE_DEVICE: Count.MISSING_DEVICES,
    Decision.CREATE_THING: Count.MISSING_THINGS,
    Decision.DELETE_DEVICE: Count.DELETED_THINGS,
    Decision.RETAIN_DEVICE: Count.RETAINED,
    Decision.KEEP_DEVICE: Count.RETAINED,
    Decision.LEAVE_DEVICE: Count.FOREIGN,
    Decision.LEAVE_THING: Count.LEFT,
    Decision.UNMARKABLE: Count.UNMARKABLE,
    Decision.DUPLICATE: Count.FAILED,
    Decision.INCOMPLETE: Count.FAILED,
    Decision.MISNAMED: Count.FAILED,
}


def summary(counts: Mapping[str, int]) -> dict[str, int]:
    """Every count of a run that is over, by its name."""
    drift = sum(counts.get(each, 0) for each in DRIFT)
    return {str(name): drift if name is Count.DRIFT else counts.get(name, 0) for name in Count}


@dataclass(frozen=True)
class ListedThing:
    """A thing of the stack as the registry lists it."""

    name: str
    attributes: Mapping[str, str]


class Registries(Protocol):
    """Both sides and the queue between them. An exception ends the call; its message is then delivered again."""

    def devices(self, page: int) -> DevicePage:
        """A page of the application's devices, from 1, of DEVICES_PER_PAGE or as many as the server allows."""

    def things(self, token: str | None) -> tuple[Sequence[ListedThing], str | None]:
        """A page of the stack's things, and the token of the next page."""

    def backlog(self) -> int:
        """How many work items wait."""

    def send(self, items: Sequence[WorkItem]) -> int:
        """Send work items to the queue; returns the number of calls."""


@dataclass(frozen=True)
class Run:
    """How far a run got.

    `allowed`: so many deletions are carried out, however large their share. `token`: the next page of things; `listed`:
    all were listed. `seen`: what DeviceIndex remembers.
    """

    run_id: str
    mode: SyncMode
    allowed: int = 0
    part: int = 1
    token: str | None = None
    listed: bool = False
    seen: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    def message(self) -> str:
        """The run as the text of a message."""
        return json.dumps({"continue": {**self.__dict__, "counts": dict(self.counts)}})

    @classmethod
    def read(cls, stopped: Mapping[str, Any]) -> "Run":
        """A run from the `continue` of a message. Raises BadInput."""
        try:
            run = cls(**{**stopped, "mode": SyncMode(stopped["mode"]), "counts": dict(stopped["counts"])})
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput("continue", "must be the state of a run that stopped") from error
        if not _is_whole(run):
            raise BadInput("continue", "must have the types that a stopped run writes")
        return run


def _is_whole(run: Run) -> bool:
    """Whether every field of a run that was read has the type of its default, and `seen` can be recalled."""
    expected = Run("", SyncMode.APPLY).__dict__
    return (
        all(type(value) is type(expected[name]) for name, value in run.__dict__.items() if name != "token")
        and (run.token is None or (isinstance(run.token, str) and run.token != ""))
        and all(type(count) is int for count in run.counts.values())
        and (not run.seen or device_index.is_remembered(run.seen))
    )


@dataclass(frozen=True)
class Silence:
    """A device that sent, but not since `before` (Unix seconds), is silent. `example`: called with its device id."""

    before: float
    example: Callable[[str], None]


@dataclass(frozen=True)
class Rules:
    """The stack's choices, and where a run reports to.

    `example`: called for each decision that needs a person, not a work item, and for each deletion of a run that only
    reports. `refused`: called with the number of deletions that are refused, and that of the stack's devices.
    `silence`: None if silent devices are not counted.
    """

    owner: Owner
    on_thing_deleted: OnThingDeleted
    example: Callable[[Decision, str], None]
    refused: Callable[[int, int], None]
    silence: Silence | None = None


@dataclass
class KeptIndex:
    """The index of a run that stopped, for the call that continues it in the same process.

    It is taken once: a call that fails has changed it, and the next attempt lists the devices again.
    """

    _stopped: tuple[Run, DeviceIndex] | None = None

    def keep(self, run: Run, index: DeviceIndex) -> None:
        """Keep the index of a run in the state in which it stopped."""
        self._stopped = run, index

    def take(self, run: Run) -> DeviceIndex | None:
        """The index of a run that is continued, None if another process has it, or another state of the run."""
        stopped, self._stopped = self._stopped, None
        return stopped[1] if stopped and stopped[0] == run else None


def resume(
    run: Run,
    registries: Registries,
    rules: Rules,
    remaining_seconds: Callable[[], float],
    kept: KeptIndex | None = None,
) -> tuple[Run, bool]:
    """Continue a run until it is finished or time runs short. Returns its state, and whether it is finished.

    `kept`: what the process keeps between calls.
    """
    kept = kept or KeptIndex()
    part = _Part(run, registries, rules)
    index = kept.take(run) or part.index_devices()
    token, listed = run.token, run.listed
    while not listed and remaining_seconds() >= LAST_PAGE_BEFORE_END:
        things, token = registries.things(token)
        part.counts[Count.THING_CALLS] += 1
        part.compare(index, things)
        listed = token is None
    finished = listed and remaining_seconds() >= LAST_PAGE_BEFORE_END
    if finished:
        part.conclude(index)
    part.send()
    stopped = replace(
        run,
        part=run.part + 1,
        token=token,
        listed=listed,
        seen="" if finished else index.remember(),
        counts={str(name): count for name, count in part.counts.items()},
    )
    if not finished:
        kept.keep(stopped, index)
    return stopped, finished


class _Part:
    """The part of a run that one call does."""

    def __init__(self, run: Run, registries: Registries, rules: Rules) -> None:
        self._run, self._registries, self._rules = run, registries, rules
        self.counts: Counter[str] = Counter(dict(run.counts))
        self.counts[Count.PARTS] += 1
        self._pending: list[WorkItem] = []
        self._room = max(0, LONGEST_BACKLOG - registries.backlog()) if run.mode is SyncMode.APPLY else 0

    def index_devices(self) -> DeviceIndex:
        index = DeviceIndex(self._rules.owner)
        number, listed, more, silent = 1, 0, True, 0
        while more:
            page = self._registries.devices(number)
            self.counts[Count.DEVICE_CALLS] += 1
            for device in page.devices:
                index.add(device)
                silent += self._is_silent(device)
            listed += len(page.devices)
            # A page shorter than what was asked for is not the last: a deployment may have a lower limit.
            more = bool(page.devices) and (page.total is None or listed < page.total)
            number += 1
        index.close()
        if self._rules.silence:
            self.counts[SILENT] = silent  # not added up: another call may list the devices again
        if self._run.seen:
            self.counts[Count.DEFERRED] += index.recall(self._run.seen)
        return index

    def _is_silent(self, device: ListedDevice) -> bool:
        """Whether a device of this stack, or one that nothing marked yet, has fallen silent."""
        silence = self._rules.silence
        if silence is None or device.last_seen is None or device.last_seen >= silence.before:
            return False
        if reconcile.marked_by(device.mark, self._rules.owner) not in (MarkedBy.THIS_STACK, MarkedBy.NOBODY):
            return False
        silence.example(device.device_id)
        return True

    def compare(self, index: DeviceIndex, things: Iterable[ListedThing]) -> None:
        """Decide about a page of things, and about the devices found for them."""
        for thing in things:
            self.counts[Count.SEEN] += 1
            decision = self._about(index, thing)
            self.counts[COUNTED_AS[decision]] += 1
            if decision in WORK:
                self._add(WorkItem(thing_name=thing.name))
            elif decision in (Decision.DUPLICATE, Decision.INCOMPLETE, Decision.MISNAMED):
                self._rules.example(decision, thing.name)

    def _about(self, index: DeviceIndex, thing: ListedThing) -> Decision:
        try:
            reference = attributes.reference(thing.attributes)
        except BadInput:
            return Decision.INCOMPLETE
        found = index.find(reference)
        if found is None:
            return reconcile.for_thing_alone(thing.attributes)
        self.counts[Count.SEEN] += not found.seen
        expected = Mark.of(thing.name, thing.attributes, self._rules.owner)
        return reconcile.for_pair(
            found.marked_by,
            same=found.is_marked_as(expected),
            handed_over=found.may_be_marked_as(expected),
            seen=found.seen,
            room=found.room and expected.fits,
            misnamed=reference.named and reference.device_id != found.device_id,
        )

    def conclude(self, index: DeviceIndex) -> None:
        """After the last thing: decide about the devices that are left."""
        gone = [each.device_id for each in index.unmatched() if self._about_device(each) is Decision.DELETE_DEVICE]
        refused = len(gone) > self._run.allowed and reconcile.too_many_deletions(len(gone), index.marked)
        if refused:
            self._rules.refused(len(gone), index.marked)
        for device in index.unmatched():
            self.counts[Count.SEEN] += 1
            decision = self._about_device(device)
            deleted = decision is Decision.DELETE_DEVICE
            self.counts[Count.REFUSED if deleted and refused else COUNTED_AS[decision]] += 1
            if decision in WORK and not (deleted and refused):
                self._add(WorkItem(device_id=device.device_id, may_delete=deleted))
        for device_id in gone if self._run.mode is SyncMode.REPORT else ():
            self._rules.example(Decision.DELETE_DEVICE, device_id)
        for device_id in self._looked_at(gone) if refused else ():
            self._add(WorkItem(device_id=device_id))

    def _about_device(self, device: Unmatched) -> Decision:
        return reconcile.for_device_alone(
            device.marked_by, self._rules.on_thing_deleted, kept=device.kept, room=device.room
        )

    def _looked_at(self, gone: Sequence[str]) -> Sequence[str]:
        """Some of the devices whose deletion is refused: different ones in each run."""
        first = zlib.crc32(self._run.run_id.encode()) % len(gone)
        return [*gone[first:], *gone[:first]][:LOOKED_AT_IF_REFUSED]

    def _add(self, item: WorkItem) -> None:
        if self._run.mode is not SyncMode.APPLY:
            return
        if self._room == 0:
            self.counts[Count.DEFERRED] += 1
            return
        self._room -= 1
        self._pending.append(item)
        if len(self._pending) >= WORK_AT_ONCE:
            self.send()

    def send(self) -> None:
        """Send the work items that were not sent yet."""
        if self._pending:
            self.counts[Count.SENT] += len(self._pending)
            self.counts[Count.QUEUE_CALLS] += self._registries.send(self._pending)
            self._pending = []
