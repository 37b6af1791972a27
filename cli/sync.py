"""`thingbridge sync`: has the stack compare both registries now, and shows what it found.

The stack's own function does the work, at its own rate and never twice at once; this command requests it and waits.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from cli.aws import AppliedStack
from cli.errors import Failed, NotKnownInTime
from cli.options import AsJson, Profile, Region, StackName
from cli.output import err, out, print_json, say
from cli.progress_of_runs import ProgressOfRuns
from thingbridge.aws.logs import function_log_group
from thingbridge.aws.queues import Queue, queue_url
from thingbridge.flows.sync import MESSAGE_GROUP
from thingbridge.registry.sync import SyncMode

_MEANING: Final = {
    "Seen": "things and devices",
    "InStep": "pairs in step",
    "Differing": "pairs that differ",
    "Unmarked": "pairs that don't refer to each other yet",
    "MissingThings": "devices without a thing",
    "MissingDevices": "things without their device",
    "DeletedThings": "devices whose thing was deleted",
    "Left": "things that describe no device",
    "Retained": "devices kept without their thing",
    "Refused": "deletions refused, because there were too many",
    "Failed": "things that need a person",
    "Deferred": "left for the next run",
}
"""The meaning of each count, in the order in which they are shown; other counts follow by their names."""

POLL_SECONDS: Final = 1.0

USUAL_START: Final = 10.0
"""Seconds within which a run begins that has none before it."""


def sync(
    context: typer.Context,
    stack: StackName,
    profile: Profile = None,
    region: Region = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the differences, change nothing.")] = False,
    timeout: Annotated[int, typer.Option(help="Seconds to wait for the outcome.", min=1)] = 900,
    as_json: AsJson = False,
) -> None:
    """Compare things and devices now, and fix what differs."""
    applied = AppliedStack.open(context, stack, profile, region)
    applied.must_exist()
    mode = SyncMode.REPORT if dry_run else SyncMode.APPLY
    began = time.time()
    run_id = _request(applied, mode)
    if not as_json:
        say(f"Run {run_id} is queued …")
    with err().status("comparing both registries"):
        found = _outcome(applied, run_id, began, timeout)
    counts = {name: value for name, value in found.items() if isinstance(value, int)}
    if as_json:
        print_json({"run": run_id, "mode": mode, **counts})
        return
    table = Table("What", "How many", title="dry run: nothing was changed" if dry_run else None)
    for name in (*_MEANING, *(each for each in counts if each not in _MEANING)):
        if counts.get(name):
            table.add_row(_MEANING.get(name, name), f"{counts[name]:,}")
    out().print(table)


def _request(stack: AppliedStack, mode: SyncMode) -> str:
    """Queue a run behind those that wait; returns its id. Failed when the stack has no sync."""
    url = queue_url(stack.clients, f"{stack.name}-sync.fifo")
    if url is None:
        raise Failed(f"the stack {stack.name} does not synchronise: apply it with registry_sync = {{ enabled = true }}")
    tick = json.dumps({"mode": mode})
    return Queue(stack.clients, url).send_in_order(tick, group=MESSAGE_GROUP, deduplication_id=str(uuid.uuid4()))


def _outcome(stack: AppliedStack, run_id: str, began: float, timeout: int) -> dict[str, Any]:
    """The function's own summary of the run, from its log. What the run waits for is said as it becomes known."""
    deadline = stack.clock.now() + timeout
    group = function_log_group(f"{stack.name}-sync")
    progress, patient = ProgressOfRuns(run_id), True
    while stack.clock.now() < deadline:
        for line in progress.read(stack.logs.entries(group, since=began)):
            say(line)
        if progress.outcome:
            return progress.outcome
        if patient and not progress.begun and deadline - stack.clock.now() < timeout - USUAL_START:
            say("Waiting for its turn: another run is at work, or has failed and is tried again within two minutes …")
            patient = False
        stack.clock.sleep(POLL_SECONDS)
    raise NotKnownInTime(f"the run {run_id} did not end within {timeout} s: {progress.state}")
