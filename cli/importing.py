"""Importing a file of devices into a stack: check every row, read the existing things, create the missing ones.

Nothing is stored between two imports: the existing things determine what is left to do, so an interrupted import can
be continued, and a repeated one does nothing. What is shown of it: transfer.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from cli import provisioning
from cli.aws import AppliedStack, owner, sentence, stack_of, stops_everything
from cli.device_file import DeviceFile
from cli.device_record import DeviceRecord, differences, without_secrets
from cli.inventory import Inventory
from cli.runtime import THREADS
from thingbridge.aws.things import Thing
from thingbridge.errors import ThingbridgeError
from thingbridge.pacing import TokenBucket
from thingbridge.registry import attributes as registry
from thingbridge.registry.attributes import Attribute

REGISTRY_QUOTA: Final = 100.0
"""AWS IoT: calls of CreateThing, and of UpdateThing, per second in an account and region."""

DEFAULT_RATE: Final = 0.8 * REGISTRY_QUOTA
"""Leaves a fifth for the stack's own functions and for others in the account."""


class Outcome(StrEnum):
    """The outcome of a row; in a dry run, what it would be."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True)
class RowResult:
    """One row's outcome. `reason` only for a failed row, whose `thing_name` may be its DevEUI, or empty."""

    number: int
    thing_name: str
    outcome: Outcome
    reason: str = ""


@dataclass
class Import:
    """One import of a file. `update`: things that differ get the file's values. `dry_run`: nothing is written.

    `created`, with `remember`: for each created thing its row, and what its shadow reported before (of an earlier
    thing of that name, if anything). `sessions`: devices that passed the check and have a session, which is left out.
    `incomplete`: things that passed it, and from which no device can be created.
    """

    stack: AppliedStack
    file: DeviceFile
    inventory: Inventory
    thing_type: str
    pace: TokenBucket
    update: bool = False
    dry_run: bool = False
    remember: bool = False
    created: dict[str, tuple[int, Any]] = field(default_factory=dict)
    counts: Counter[Outcome] = field(default_factory=Counter)
    sessions: int = 0
    incomplete: int = 0

    def check(self) -> Iterator[RowResult | None]:
        """Read the whole file without AWS: a failed result for a row that can't be imported, None for any other."""
        for row in self.file.rows():
            reason = row.fault if row.device is None else self.inventory.repeats(row.number, row.device)
            name = row.device.thing_name if row.device else row.label
            if reason:
                self.counts[Outcome.FAILED] += 1
            elif row.has_session:
                self.sessions += 1
            elif row.device and row.device.incomplete:
                self.incomplete += 1
            yield RowResult(row.number, name, Outcome.FAILED, reason) if reason else None

    def read_things(self) -> Iterator[Thing]:
        """Add the stack's things to the inventory, each as it arrives."""
        for thing in self.stack.all_things():
            self.inventory.add_thing(thing.name, thing.attributes)
            yield thing

    def run(self) -> Iterator[RowResult]:
        """Do what is left to do for the rows that passed the check; results arrive in no fixed order."""
        for result in _in_parallel(self._work()):
            self.counts[result.outcome] += 1
            yield result

    def _work(self) -> Iterator[RowResult | Callable[[], RowResult]]:
        """A result where it is already known, otherwise the call that is needed."""
        for row in self.file.rows():
            if row.device is None or not self.inventory.is_first(row.number, row.device):
                continue
            decided = self._decide(row.number, row.device)
            if isinstance(decided, RowResult):
                yield decided
            elif self.dry_run:
                yield RowResult(decided.number, decided.name, decided.outcome)
            else:
                # Here, in the one thread that distributes the work, so that the pool as a whole keeps the pace.
                self.pace.acquire()
                yield decided

    def _decide(self, number: int, device: DeviceRecord) -> RowResult | _Write:
        name = device.thing_name
        existing = self.inventory.thing(name)
        dev_eui = device.attributes.get(Attribute.DEV_EUI)
        if existing is None and dev_eui and (other := self.inventory.named_for(dev_eui)):
            if device.named:
                return RowResult(
                    number,
                    name,
                    Outcome.FAILED,
                    f"the thing {other} has its DevEUI: use that name, or delete that thing",
                )
            # A thing stands for its device, whatever its name.
            name, existing = other, self.inventory.thing(other)
        if existing is None and device.incomplete and registry.describes_device(device.attributes):
            return RowResult(number, name, Outcome.FAILED, f"the thing does not exist, and {device.incomplete}")
        if existing is None:
            return _Write(self, number, name, device, Outcome.CREATED)
        return self._compare(number, name, device, existing)

    def _compare(self, number: int, name: str, device: DeviceRecord, existing: dict[str, str]) -> RowResult | _Write:
        differing = differences(self.inventory.comparable(device.attributes), existing)
        if not differing:
            return RowResult(number, name, Outcome.UNCHANGED)
        # An update must not turn a thing into another device: another DevEUI is another device.
        if Attribute.DEV_EUI in differing:
            return RowResult(number, name, Outcome.FAILED, f"the thing {name} has another DevEUI: choose another name")
        if not self.update:
            reason = f"the thing {name} has another {', '.join(differing)}: --update writes the file's"
            return RowResult(number, name, Outcome.FAILED, reason)
        return _Write(self, number, name, device, Outcome.UPDATED, tuple(differing))


@dataclass(frozen=True)
class _Write:
    """One thing to be created or updated, in a thread of the pool."""

    task: Import
    number: int
    name: str
    device: DeviceRecord
    outcome: Outcome
    changed: tuple[str, ...] = ()

    def __call__(self) -> RowResult:
        try:
            reason = self._update() if self.outcome is Outcome.UPDATED else self._create()
        except ThingbridgeError as error:
            if stops_everything(error):
                raise
            reason = without_secrets(sentence(error), self.device.attributes)
        return RowResult(self.number, self.name, Outcome.FAILED if reason else self.outcome, reason)

    def _update(self) -> str:
        self.task.stack.things.update(self.name, {each: self.device.attributes[each] for each in self.changed})
        return ""

    def _create(self) -> str:
        """Create the thing; the reason when its name is taken."""
        stack = self.task.stack
        before = provisioning.read(stack, self.name) if self.task.remember else None
        if not stack.create(self.name, self.device.attributes, self.task.thing_type):
            thing = stack.things.describe(self.name)
            if thing is None or stack_of(thing) == stack.name:
                return f"another client created the thing {self.name} in the meantime: import again"
            return f"the name {self.name} is taken: {owner(thing)}"
        if self.task.remember:
            self.task.created[self.name] = (self.number, before)
        return ""


def _in_parallel(work: Iterable[RowResult | Callable[[], RowResult]]) -> Iterator[RowResult]:
    """Results of the work, which is taken only as fast as the threads do it."""
    pending: set[Future[RowResult]] = set()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for each in work:
                if isinstance(each, RowResult):
                    yield each
                    continue
                pending.add(pool.submit(each))
                ready = len(pending) >= 2 * THREADS
                done = wait(pending, return_when=FIRST_COMPLETED).done if ready else _finished(pending)
                pending -= done
                yield from (future.result() for future in done)
            yield from (future.result() for future in pending)
        finally:
            for future in pending:
                future.cancel()


def _finished(pending: set[Future[RowResult]]) -> set[Future[RowResult]]:
    return {future for future in pending if future.done()}
