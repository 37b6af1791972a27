"""Sync: compares both registries, and sends what is out of step to the flow `registry`.

Called from a FIFO queue with a single message group, so that no two calls run at once. A tick of the schedule starts a
run; a run that can't be finished in one call sends its state to the same queue. After a run, a survey of the directory
begins if one is due. The comparison itself is `registry.sync`.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from thingbridge import metrics
from thingbridge.aws.queues import Queue
from thingbridge.aws.things import Things
from thingbridge.diagnostics import emit
from thingbridge.errors import BadInput, ThingbridgeError, Unexpected
from thingbridge.flows import marking
from thingbridge.flows.checkup import Checkup
from thingbridge.flows.directory_upkeep import Stopped, Survey, Upkeep
from thingbridge.pacing import TokenBucket
from thingbridge.registry import sync
from thingbridge.registry.marks import Owner
from thingbridge.registry.reconcile import Decision, DevicePage, OnThingDeleted
from thingbridge.registry.sync import (
    DEVICES_PER_PAGE,
    SILENT,
    Count,
    KeptIndex,
    ListedThing,
    Rules,
    Run,
    Silence,
    SyncMode,
)
from thingbridge.registry.work_items import WorkItem
from thingbridge.things_stack.client import ThingsStack

MESSAGE_GROUP: Final = "sync"
"""The only group of the queue: SQS delivers no second message of a group while one is being handled."""

STALE_AFTER: Final = 60.0
"""Seconds after which a tick that waited behind a run is dropped: the run has just found what it would find."""

LONGEST_PAUSE: Final = 120
"""Seconds after which a run that failed is tried again, at most: until then it blocks the group."""

PATIENCE: Final = 60.0
"""Seconds for which one call of The Things Stack is retried: after that, the run is retried from its queue."""

LIST_THINGS_PER_SECOND: Final = 8.0
"""What a stack may make of AWS's 10 per second, by default (the variable `limits.list_things_per_second`)."""

SHARE_OF_PAGES: Final = 0.75
"""The part of it with which things are listed, because other functions look things up as well."""

SHARE_BESIDE_WORK: Final = 0.25
"""While work of an earlier run waits: the flow `registry` then makes the other three quarters."""

PATIENCE_OF_CHECKUP: Final = 5.0
"""Seconds for which a call of the checkup is retried: it is made again the next day."""

DEVICE_PAGES_PER_SECOND: Final = 4.0
"""The hosted The Things Stack does not publish its limit per key; after a 429, the client waits as long as it says."""

EXAMPLES: Final = 20
"""The number of things per call that are named in the log because a person has to look at them."""


def thing_pages_per_second(waiting: int, list_things_per_second: float) -> float:
    """The rate of ListThings while so many messages wait for the flow `registry`, of what all of the stack may make."""
    return list_things_per_second * (SHARE_BESIDE_WORK if waiting else SHARE_OF_PAGES)


@dataclass(frozen=True)
class Tick:
    """A message of the queue: a tick, or the state of a run. `sent_at`: Unix seconds.

    A tick is `{"start": …, "mode"?, "allowDeletions"?}`: so many deletions the run may carry out, whatever their share.
    """

    message_id: str
    body: str
    sent_at: float
    first_delivery: bool

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> "Tick":
        """From an SQS record."""
        attributes = record["attributes"]
        return cls(
            record["messageId"],
            record["body"],
            int(attributes["SentTimestamp"]) / 1000,
            int(attributes.get("ApproximateReceiveCount", 1)) <= 1,
        )

    def survey(self) -> Stopped | None:
        """The survey of the directory that the message is about, None for a run."""
        try:
            message = json.loads(self.body)
            return Stopped.read(message) if "survey" in message else None
        except (ValueError, TypeError, AttributeError, RecursionError):
            return None

    def run(self, mode: SyncMode, now: float) -> Run | None:
        """The run that the message is about, None for a tick that is too late. Raises BadInput."""
        try:
            message = json.loads(self.body)
            if "continue" in message:
                return Run.read(message["continue"])
            mode, allowed = SyncMode(message.get("mode") or mode), int(message.get("allowDeletions") or 0)
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise BadInput("message", "must be a tick or the state of a run") from error
        return None if self.first_delivery and now - self.sent_at > STALE_AFTER else Run(self.message_id, mode, allowed)


class Registries:
    """Both registries at a bounded rate, and the queue of the flow `registry`."""

    def __init__(
        self,
        stack_name: str,
        things: Things,
        things_stack: ThingsStack,
        queue: Queue,
        upkeep: Upkeep | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        list_things_per_second: float = LIST_THINGS_PER_SECOND,
        last_seen: bool = False,
    ) -> None:
        """`list_things_per_second`: what all of the stack may make. `last_seen`: devices are asked when they sent."""
        self._last_seen = last_seen
        self._upkeep = upkeep
        self._stack_name, self._things, self._things_stack, self._queue = stack_name, things, things_stack, queue
        self._device_pace = TokenBucket(rate=DEVICE_PAGES_PER_SECOND, now=now, sleep=sleep)
        # Counted once: devices without a thing, which are looked up, are sent after the last page of things.
        self._waiting = queue.waiting()
        rate = thing_pages_per_second(self._waiting, list_things_per_second)
        self._thing_pace = TokenBucket(rate=rate, now=now, sleep=sleep)

    def devices(self, page: int) -> DevicePage:
        """A page of the application's devices, from 1."""
        self._device_pace.acquire()
        return marking.page(self._things_stack, page, DEVICES_PER_PAGE, last_seen=self._last_seen)

    def things(self, token: str | None) -> tuple[Sequence[ListedThing], str | None]:
        """A page of the stack's things, by which the directory is corrected, and the token of the next page."""
        self._thing_pace.acquire()
        as_of = int(time.time() * 1_000_000)
        things, following = self._things.page(self._stack_name, token)
        if self._upkeep:
            try:
                self._upkeep.correct(things, as_of)
            except ThingbridgeError as error:
                emit("WARN", "directory_not_corrected", reason=str(error))
                self._upkeep = None
        return [ListedThing(thing.name, thing.attributes) for thing in things], following

    def backlog(self) -> int:
        """How many work items and events waited when the call began."""
        return self._waiting

    def send(self, items: Sequence[WorkItem]) -> int:
        """Send work items; returns the number of calls."""
        return self._queue.send([item.body() for item in items])


@dataclass(frozen=True)
class Sync:
    """One call, which handles a part of a run.

    `mode` is the stack's setting, which a tick may override. `kept` is that of all calls of an execution environment.
    `silent_after`: seconds without an uplink after which a device counts as silent; None: silence is not counted.
    `checkup`: run once a day, after the survey.
    """

    owner: Owner
    mode: SyncMode
    on_thing_deleted: OnThingDeleted
    registries: Callable[[], Registries]
    queue: Queue
    remaining_seconds: Callable[[], float]
    kept: KeptIndex
    survey: Survey | None = None
    silent_after: float | None = None
    checkup: Checkup | None = None
    now: Callable[[], float] = time.time

    def handle(self, tick: Tick) -> None:
        """Handle a queue message. Raises what must be retried."""
        try:
            if begun := tick.survey():
                self._continue_survey(begun, tick.message_id)
                return
            run = tick.run(self.mode, self.now())
        except BadInput as error:
            emit("ERROR", "sync_message_not_readable", reason=str(error))
            return
        if run is None:
            emit("INFO", "sync_tick_dropped", run=tick.message_id, reason="it waited behind a run")
            return
        emit("INFO", "sync_begins", run=run.run_id, part=run.part)
        try:
            self._compare(run)
        except Exception as error:
            reason = str(Unexpected.describe(error))
            emit("WARN", "sync_failed", run=run.run_id, message_id=tick.message_id, reason=reason)
            raise

    def _compare(self, run: Run) -> None:
        """Carry out a part of a run, and send the rest of it to the queue."""
        report = _Report(run.run_id, self.owner.stack_name)
        silence = Silence(self.now() - self.silent_after, report.silent) if self.silent_after else None
        rules = Rules(self.owner, self.on_thing_deleted, report.example, report.refused, silence)
        stopped, finished = sync.resume(run, self.registries(), rules, self.remaining_seconds, self.kept)
        report.conclude()
        if finished:
            counts = sync.summary(stopped.counts) | (
                {SILENT: stopped.counts.get(SILENT, 0)} if self.silent_after else {}
            )
            metrics.emit(self.owner.stack_name, counts, self.now())
            emit("INFO", "synchronised", run=run.run_id, mode=run.mode, **counts)
            self._begin_survey(run.run_id)
        elif (stopped.token, stopped.listed) == (run.token, run.listed) and run.part > 1:
            metrics.emit(self.owner.stack_name, {Count.FAILED: 1}, self.now())
            emit(
                "ERROR", "sync_stopped", run=run.run_id, reason="one call is too short to list the devices and one page"
            )
        else:
            deduplication_id = f"{run.run_id}-{stopped.part}"
            self.queue.send_in_order(stopped.message(), group=MESSAGE_GROUP, deduplication_id=deduplication_id)
            emit("INFO", "sync_continues", run=run.run_id, part=stopped.part)

    def _begin_survey(self, run_id: str) -> None:
        try:
            if self.survey and self.survey.is_due():
                self._send_survey(Stopped(), run_id)
        except ThingbridgeError as error:
            emit("WARN", "directory_not_surveyed", reason=str(error))

    def _continue_survey(self, begun: Stopped, message_id: str) -> None:
        if not self.survey:
            return
        if stopped := self.survey.resume(begun, self.remaining_seconds):
            self._send_survey(stopped, message_id)
        elif self.checkup:
            self.checkup.run()

    def _send_survey(self, stopped: Stopped, after: str) -> None:
        self.queue.send_in_order(stopped.message(), group=MESSAGE_GROUP, deduplication_id=f"{after}-survey")


class _Report:
    """Logs what a call found that needs a person: the first examples by name; the others are only counted."""

    def __init__(self, run_id: str, stack_name: str) -> None:
        self._run_id, self._stack_name, self._left = run_id, stack_name, EXAMPLES
        self._silent: list[str] = []

    def example(self, decision: Decision, what: str) -> None:
        self._left -= 1
        if self._left < 0:
            return
        if decision is Decision.DELETE_DEVICE:
            emit("WARN", "sync_would_delete", run=self._run_id, device_id=what)
        else:
            emit("WARN", "sync_thing_needs_attention", what=what, why=decision)

    def silent(self, device_id: str) -> None:
        if len(self._silent) < EXAMPLES:
            self._silent.append(device_id)

    def conclude(self) -> None:
        if self._silent:
            emit("WARN", "devices_silent", run=self._run_id, examples=self._silent)

    def refused(self, deletions: int, marked: int) -> None:
        emit(
            "WARN",
            "sync_deletions_refused",
            run=self._run_id,
            reason=f"the things of {deletions} of the stack's {marked} devices are missing: no device is deleted; "
            f"`thingbridge sync --stack {self._stack_name} --allow-deletions {deletions}` deletes those that no other "
            "thing stands for",
        )
