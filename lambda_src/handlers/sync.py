"""Function `sync`: compares both registries, and hands what is not in step to the function `registry`.

It is called from a FIFO queue with a single message group, so there is never more than one call at a time. A tick of
the schedule begins a run; a run that can't be finished in one call sends the rest of itself to the same queue.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from handlers.things_stack_session import LambdaContext, open_session
from thingbridge import metrics
from thingbridge.aws_iot import queues, thing_listing
from thingbridge.aws_iot.clients import take_calls
from thingbridge.diagnostics import emit
from thingbridge.errors import BadInput
from thingbridge.pacing import TokenBucket
from thingbridge.registry import synchronisation
from thingbridge.registry.reconcile import Decision, ListedDevice
from thingbridge.registry.synchronisation import DEVICES_PER_PAGE, Count, ListedThing, Rules, Run
from thingbridge.registry.work_items import WorkItem
from thingbridge.settings import SyncMode, SyncSettings
from thingbridge.things_stack import marking
from thingbridge.things_stack.client import ThingsStack

MESSAGE_GROUP: Final = "sync"
"""The only group of the queue: SQS hands out no second message of a group while one is worked on."""

STALE_AFTER: Final = 60.0
"""Seconds after which a tick that waited behind a run is dropped: what it would have found was just found."""

THING_PAGES_A_SECOND: Final = 6.0
"""Below the 10 a second that AWS allows an account, since others look things up too."""

THING_PAGES_BESIDE_WORK: Final = 2.0
"""While work of an earlier run waits: the function `registry` looks things up for it, 6 a second (80 % in all)."""

DEVICE_PAGES_A_SECOND: Final = 4.0
"""What hosted Things Stacks allow a key is not published; a 429 makes the client wait as long as it is told to."""

EXAMPLES: Final = 20
"""Things named in the log of a call, of those that a person has to look after."""


@cache
def _settings() -> SyncSettings:
    return SyncSettings.read(os.environ)


def handler(batch: dict[str, Any], context: LambdaContext) -> None:
    """Take one SQS record: a tick, `{"start": …, "mode"?}`, or the rest of a run. Raises what must come again."""
    (record,) = batch["Records"]
    settings = _settings()
    try:
        run = _read(record, settings)
    except BadInput as error:
        emit("ERROR", "sync_message_not_readable", reason=str(error))
        return
    if run is None:
        emit("INFO", "sync_tick_dropped", reason="it waited behind a run")
        return
    # A page of the Things Stack is tried again while there is time; the rest of the run needs some of it too.
    session = open_session(settings, context)
    left = [EXAMPLES]

    def example(decision: Decision, what: str) -> None:
        left[0] -= 1
        if left[0] >= 0:
            refused = decision is Decision.DELETE_DEVICE
            emit("WARN", "sync_deletions_refused" if refused else "sync_thing_needs_a_look", what=what, why=decision)

    stopped, finished = synchronisation.go_on(
        run,
        Registries(settings, session),
        Rules(settings.stack_name, settings.on_thing_deleted, example),
        lambda: context.get_remaining_time_in_millis() / 1000,
    )
    if finished:
        counts = {str(name): stopped.counts.get(name, 0) for name in Count}
        metrics.emit(settings.stack_name, counts, time.time())
        emit("INFO", "synchronised", run=run.run_id, mode=run.mode, **counts)
    elif (stopped.token, stopped.listed) == (run.token, run.listed) and run.part > 1:
        metrics.emit(settings.stack_name, {Count.FAILED: 1}, time.time())
        emit("ERROR", "sync_gave_up", run=run.run_id, reason="one call is too short to list the devices and one page")
    else:
        queues.send_in_turn(
            settings.sync_queue_url,
            stopped.message(),
            group=MESSAGE_GROUP,
            message_id=f"{run.run_id}-{stopped.part}",
        )
        emit("INFO", "sync_goes_on", run=run.run_id, part=stopped.part)
    emit("INFO", "aws_calls", **take_calls())


def _read(record: dict[str, Any], settings: SyncSettings) -> Run | None:
    """The run that a message is about, None for a tick that came too late. Raises BadInput."""
    try:
        message = json.loads(record["body"])
        if "continue" in message:
            return Run.read(message["continue"])
        mode = SyncMode(message.get("mode") or settings.sync_mode)
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInput("message", "is neither a tick nor the rest of a run") from error
    sent = int(record["attributes"]["SentTimestamp"]) / 1000
    first = int(record["attributes"].get("ApproximateReceiveCount", 1)) <= 1
    return None if first and time.time() - sent > STALE_AFTER else Run(record["messageId"], mode)


class Registries:
    """Both registries at a bounded rate, and the queue of the function `registry`."""

    def __init__(
        self,
        settings: SyncSettings,
        session: ThingsStack,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings, self._session = settings, session
        self._devices = TokenBucket(rate=DEVICE_PAGES_A_SECOND, now=now, sleep=sleep)
        # Asked once: devices without a thing, which are looked up, are handed over after the last page of things.
        self._waiting = queues.waiting(settings.registry_queue_url)
        rate = THING_PAGES_BESIDE_WORK if self._waiting else THING_PAGES_A_SECOND
        self._things = TokenBucket(rate=rate, now=now, sleep=sleep)

    def devices(self, page: int) -> Sequence[ListedDevice]:
        """A page of the application's devices, from 1."""
        self._devices.acquire()
        return marking.page(self._session, page, DEVICES_PER_PAGE)

    def things(self, token: str | None) -> tuple[Sequence[ListedThing], str | None]:
        """A page of the stack's things, and the token of the next one."""
        self._things.acquire()
        things, following = thing_listing.page(self._settings.stack_name, token)
        return [ListedThing(thing.name, thing.attributes) for thing in things], following

    def backlog(self) -> int:
        """How many pieces of work and events waited when the call began."""
        return self._waiting

    def send(self, items: Sequence[WorkItem]) -> int:
        """Hand pieces of work over; returns the calls that took."""
        return queues.send(self._settings.registry_queue_url, [item.body() for item in items])
