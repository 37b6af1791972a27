"""What the queues of failures hold: messages with their causes, and groups of those that failed for the same one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from cli.aws import AppliedStack
from cli.failures.queues import Failures
from thingbridge.aws.failure_queues import Held
from thingbridge.aws.logs import function_log_group
from thingbridge.messaging import failed_messages
from thingbridge.messaging.failed_messages import FailedMessage

UNKNOWN: Final = "not recorded: the function may have been ended, or its log has been deleted"

_LONGEST_IN_QUEUE: Final = 14 * 86_400
"""Seconds: SQS keeps no message longer, so an older cause is of another one."""


_FAILURES: Final = frozenset({"event_moved_to_dead_letters", "event_will_be_retried"})
"""Events by which functions that work on a queue log why a message failed."""


@dataclass(frozen=True)
class Entry:
    """A message of a queue of failures. `cause`: why it failed, `UNKNOWN` if nothing says it."""

    failures: Failures
    held: Held
    message: FailedMessage
    cause: str


@dataclass
class Group:
    """The messages of one queue that failed for the same cause. `oldest`, `newest`: Unix seconds of sending."""

    queue: str
    target: str
    cause: str
    count: int
    oldest: float
    newest: float
    subjects: list[str]


class Causes:
    """Why messages failed: as they say it themselves, or the log of the function that failed on them."""

    def __init__(self, stack: AppliedStack) -> None:
        self._stack = stack
        self._logged: dict[str, Mapping[str, str]] = {}

    def of(self, failures: Failures, held: Held, message: FailedMessage) -> str:
        """The cause of a message. A queue's function logs the id of each message that it fails on."""
        if message.cause:
            return message.cause
        function = failures.kind.handled_by
        if function is None:
            return UNKNOWN
        if function not in self._logged:
            self._logged[function] = self._read(f"{self._stack.name}-{function}", held.sent_at)
        logged = self._logged[function]
        # A message that a function itself has moved there is a new one; SQS keeps the id by which its log names it.
        return logged.get(held.id) or logged.get(held.deduplication_id or "") or UNKNOWN

    def _read(self, function: str, first: float) -> dict[str, str]:
        # The first message is about the oldest; others may be older, but not by more than SQS keeps one.
        since = max(0.0, first - _LONGEST_IN_QUEUE)
        entries = self._stack.logs.entries(function_log_group(function), since, "message_id")
        # The last one that is known: a function that was ended with its last attempt has logged those before it.
        return {str(each["message_id"]): str(each["reason"]) for each in entries if each.get("event") in _FAILURES}


class Reading:
    """Messages while a command looks at them, which hides them from others."""

    def __init__(self, stack: AppliedStack, queues: Sequence[Failures], cause: str | None, limit: int | None) -> None:
        """`cause`: only messages whose cause contains this text, in any case. `limit`: this many at most."""
        self._queues, self._cause, self._limit = queues, (cause or "").lower(), limit
        self._causes = Causes(stack)
        self._held: dict[str, tuple[Failures, Held]] = {}

    def entries(self) -> Iterator[Entry]:
        """The messages, queue by queue."""
        chosen = (each for failures in self._queues for each in self._of(failures) if self._cause in each.cause.lower())
        return itertools.islice(chosen, self._limit)

    def delete(self, entry: Entry) -> None:
        """Delete a message for good."""
        entry.failures.queue.delete(entry.held)
        del self._held[entry.held.id]

    def release(self) -> None:
        """Show every message again that was not deleted."""
        for failures in self._queues:
            failures.queue.release([held for of, held in self._held.values() if of is failures])

    def _of(self, failures: Failures) -> Iterator[Entry]:
        # Not more than there were: what fails again meanwhile comes back to the same queue.
        number = failures.queue.waiting()
        for held in itertools.islice(failures.queue.messages(), number) if number else ():
            self._held[held.id] = failures, held
            message = failed_messages.read(held.body)
            yield Entry(failures, held, message, self._causes.of(failures, held, message))


@contextmanager
def reading(
    stack: AppliedStack, queues: Sequence[Failures], cause: str | None = None, limit: int | None = None
) -> Iterator[Reading]:
    """Messages of queues, which are shown again at the end unless they were deleted."""
    made = Reading(stack, queues, cause, limit)
    try:
        yield made
    finally:
        made.release()


def grouped(entries: Iterable[Entry]) -> list[Group]:
    """Groups by queue and cause, the largest of each queue first."""
    groups: dict[tuple[str, str], Group] = {}
    for each in entries:
        key = each.failures.name, failed_messages.alike(each.cause)
        sent = each.held.sent_at
        group = groups.setdefault(key, Group(each.failures.name, each.failures.target, each.cause, 0, sent, sent, []))
        group.count += 1
        group.oldest, group.newest = min(group.oldest, sent), max(group.newest, sent)
        if each.message.subject and each.message.subject not in group.subjects:
            group.subjects.append(each.message.subject)
    return sorted(groups.values(), key=lambda group: (group.queue, -group.count))
