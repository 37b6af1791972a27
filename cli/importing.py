"""Bringing a file of devices into a stack: check every row, see what is there, create what is missing.

Nothing is remembered between two imports: what is there tells what is left to do, so an import that was interrupted
goes on, and one that is repeated does nothing. What is shown of it is transfer.py's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.aws import THREADS, NameTaken, StackAccess, Thing, sentence, stops_everything, whose
from cli.device_file import DeviceFile
from cli.device_record import DeviceRecord, differences
from cli.inventory import Inventory
from cli.outcomes import PROVISIONING
from thingbridge.pacing import TokenBucket
from thingbridge.registry.attributes import Attribute

REGISTRY_QUOTA: Final = 100.0
"""AWS IoT: calls of CreateThing, and of UpdateThing, each second in an account and region."""

DEFAULT_RATE: Final = 0.8 * REGISTRY_QUOTA
"""Leaves a fifth for the stack's own functions and for others in the account."""


class Outcome(StrEnum):
    """What became of a row; in a dry run, what would."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True)
class RowResult:
    """One row's outcome. `reason` only for a row that failed."""

    number: int
    thing_name: str
    outcome: Outcome
    reason: str = ""


@dataclass
class Import:
    """One import of a file. `update`: things that differ get the file's values. `dry_run`: nothing is written.

    `asked`, with `remember`: of each thing that was created its row, and what its shadow told before (of an earlier
    thing of that name, if anything).
    """

    stack: StackAccess
    file: DeviceFile
    inventory: Inventory
    thing_type: str
    pace: TokenBucket
    update: bool = False
    dry_run: bool = False
    remember: bool = False
    asked: dict[str, tuple[int, Any]] = field(default_factory=dict)
    counts: Counter[Outcome] = field(default_factory=Counter)

    def check(self) -> Iterator[RowResult | None]:
        """Read the whole file without AWS: a failed result for each row that can't be imported, None for the others."""
        for row in self.file.rows():
            reason = row.fault if row.device is None else self.inventory.repeats(row.number, row.device)
            name = row.device.thing_name if row.device else ""
            if reason:
                self.counts[Outcome.FAILED] += 1
            yield RowResult(row.number, name, Outcome.FAILED, reason) if reason else None

    def look(self) -> Iterator[Thing]:
        """Take in the things the stack has, each as it comes."""
        for thing in self.stack.things():
            self.inventory.add_thing(thing.name, thing.attributes)
            yield thing

    def run(self) -> Iterator[RowResult]:
        """Do what is left to do for the rows that passed the check; results come in no fixed order."""
        for result in _in_parallel(self._work()):
            self.counts[result.outcome] += 1
            yield result

    def _work(self) -> Iterator[RowResult | Callable[[], RowResult]]:
        """A result where it is known already, else what has to be done for it."""
        for row in self.file.rows():
            if row.device is None or not self.inventory.is_first(row.number, row.device):
                continue
            decided = self._decide(row.number, row.device)
            if isinstance(decided, RowResult):
                yield decided
            elif self.dry_run:
                yield RowResult(decided.number, decided.name, decided.outcome)
            else:
                # Here, in the one thread that hands out the work, so that the pool as a whole keeps the pace.
                self.pace.acquire()
                yield decided

    def _decide(self, number: int, device: DeviceRecord) -> RowResult | _Write:
        name = device.thing_name
        existing = self.inventory.thing(name)
        if existing is None and (other := self.inventory.named_for(device.attributes[Attribute.DEV_EUI])):
            if device.named:
                return RowResult(
                    number,
                    name,
                    Outcome.FAILED,
                    f"its DevEUI is that of the thing {other}: name it so, or delete that one",
                )
            # A thing stands for its device whatever it is called.
            name, existing = other, self.inventory.thing(other)
        if existing is None:
            return _Write(self, number, name, device, Outcome.CREATED)
        return self._compare(number, name, device, existing)

    def _compare(self, number: int, name: str, device: DeviceRecord, existing: dict[str, str]) -> RowResult | _Write:
        other = differences(self.inventory.comparable(device.attributes), existing)
        if not other:
            return RowResult(number, name, Outcome.UNCHANGED)
        # A claimed identity can't change hands by an update: another DevEUI is another device.
        if Attribute.DEV_EUI in other:
            return RowResult(number, name, Outcome.FAILED, f"the thing {name} has another DevEUI: choose another name")
        if not self.update:
            reason = f"the thing {name} has another {', '.join(other)}: --update gives it the file's"
            return RowResult(number, name, Outcome.FAILED, reason)
        return _Write(self, number, name, device, Outcome.UPDATED, tuple(other))


@dataclass(frozen=True)
class _Write:
    """One call to AWS, to be made in a thread of the pool."""

    of: Import
    number: int
    name: str
    device: DeviceRecord
    outcome: Outcome
    changed: tuple[str, ...] = ()

    def __call__(self) -> RowResult:
        stack = self.of.stack
        try:
            if self.outcome is Outcome.UPDATED:
                stack.update(self.name, {each: self.device.attributes[each] for each in self.changed})
            else:
                before = stack.shadow(self.name).get(PROVISIONING) if self.of.remember else None
                stack.create(self.name, self.device.attributes, self.of.thing_type)
                if self.of.remember:
                    self.of.asked[self.name] = (self.number, before)
        except NameTaken:
            return RowResult(self.number, self.name, Outcome.FAILED, self._taken_by(stack.describe(self.name)))
        except ClientError as error:
            if stops_everything(error):
                raise
            return RowResult(self.number, self.name, Outcome.FAILED, sentence(error))
        return RowResult(self.number, self.name, self.outcome)

    def _taken_by(self, thing: Thing | None) -> str:
        if thing is None or thing.stack_name == self.of.stack.stack_name:
            return f"the thing {self.name} was created by somebody else meanwhile: import again"
        return f"the name {self.name} is taken: {whose(thing)}"


def _in_parallel(work: Iterable[RowResult | Callable[[], RowResult]]) -> Iterator[RowResult]:
    """Results of the work, of which no more is taken than the threads can soon do."""
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
