"""The queues of failures of a stack, and where the messages of each are replayed to.

The same stands in the output `failures` of each module; a test holds the two together.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cli.aws import AppliedStack
from cli.errors import Failed, WrongUsage
from thingbridge.aws.failure_queues import FailureQueue, Held
from thingbridge.aws.queues import Queue, queue_url
from thingbridge.aws.rule_targets import RuleTarget
from thingbridge.errors import Refused
from thingbridge.messaging import failed_messages


@dataclass(frozen=True)
class Kind:
    """A queue of failures by the end of its name, and one of: the function, queue or rule that its messages go to.

    `handled_by`: the function that fails on messages of `queue`, which its log says something about.
    """

    end: str
    function: str | None = None
    queue: str | None = None
    rule: str | None = None
    handled_by: str | None = None


KINDS: Final = {
    "directory_dead_letters": Kind("directory-dead-letters", queue="directory", handled_by="directory"),
    "downlink_dead_letters": Kind("downlink-dead-letters", queue="downlink", handled_by="downlink"),
    "records_failures": Kind("records-failures", rule="records"),
    "registry_dead_letters": Kind("registry-dead-letters", queue="registry", handled_by="registry"),
    "requeue_dead_letters": Kind("requeue-dead-letters", queue="requeue", handled_by="requeue"),
    "rotations_failures": Kind("rotations-failures", function="rotations"),
    "sending_dead_letters": Kind("sending-dead-letters.fifo", queue="sending.fifo", handled_by="downlink"),
    "shadow_dead_letters": Kind("shadow-dead-letters", queue="shadow", handled_by="shadow"),
    "sync_dead_letters": Kind("sync-dead-letters.fifo", queue="sync.fifo", handled_by="sync"),
    "telemetry_failures": Kind("telemetry-failures", function="telemetry"),
    "upstream_dead_letters": Kind("upstream-dead-letters", queue="upstream", handled_by="upstream"),
    "upstream_failures": Kind("upstream-failures", function="upstream"),
    "waiting_dead_letters": Kind("waiting-dead-letters.fifo", queue="waiting.fifo", handled_by="waiting"),
}
"""By the name in the output `queue_urls`."""


@dataclass(frozen=True)
class Failures:
    """One queue of failures of an applied stack. `target`: where its messages are replayed to, for people."""

    name: str
    kind: Kind
    queue: FailureQueue
    target: str
    replay: Callable[[Held], None]
    """Hands a message on. It is still in this queue afterwards. Raises Busy, Misconfigured or Refused."""


def of_stack(stack: AppliedStack, names: Sequence[str] = ()) -> list[Failures]:
    """The queues that the stack has, or those of these names. Raises WrongUsage, or Failed for one that it has not."""
    unknown = [name for name in names if name not in KINDS]
    if unknown:
        raise WrongUsage(f"{unknown[0]} is not a queue of failures: they are {', '.join(KINDS)}")
    found = []
    for name in names or KINDS:
        kind = KINDS[name]
        url = queue_url(stack.clients, f"{stack.name}-{kind.end}")
        if url is not None:
            found.append(Failures(name, kind, FailureQueue(stack.clients, url), *_target(stack, kind)))
        elif names:
            raise Failed(f"the stack {stack.name} has no queue {name} in {stack.region}")
    if not found:
        stack.must_exist()
    return found


def _target(stack: AppliedStack, kind: Kind) -> tuple[str, Callable[[Held], None]]:
    if kind.function:
        name = f"{stack.name}-{kind.function}"
        return f"function {name}", lambda held: stack.functions.invoke_later(
            name, failed_messages.replayable(held.body)
        )
    if kind.queue:
        return f"queue {stack.name}-{kind.queue}", _sending_to(stack, f"{stack.name}-{kind.queue}")
    rule = f"{stack.name}-{kind.rule}".replace("-", "_")
    target = RuleTarget(stack.clients, rule)

    def deliver(held: Held) -> None:
        message = failed_messages.published(held.body)
        if message is None:
            raise Refused("it is not the document of a rule")
        target.deliver(*message)

    return f"what the rule {rule} delivers to", deliver


def _sending_to(stack: AppliedStack, name: str) -> Callable[[Held], None]:
    @functools.cache
    def queue() -> Queue:
        url = queue_url(stack.clients, name)
        if url is None:
            raise Failed(f"the queue {name} does not exist: apply the stack {stack.name} again")
        return Queue(stack.clients, url)

    def send(held: Held) -> None:
        if held.group is None:
            queue().send_delayed(held.body, 0)
        else:
            # A replay that is interrupted between sending and deleting, and repeated within five minutes, sends once.
            queue().send_in_order(held.body, group=held.group, deduplication_id=f"replay-{held.id}")

    return send
