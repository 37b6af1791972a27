"""`thingbridge sync`: has the stack compare both registries now, shows what it found, and waits until that is fixed.

The stack's own functions do the work, at their own rate: one compares and never twice at once, another fixes each
difference. This command requests it and waits.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from cli.aws import AppliedStack
from cli.errors import Failed, Interrupted, NotKnownInTime
from cli.options import AsJson, Profile, Region, StackName
from cli.output import count, err, out, print_json, progress, say
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
    "Foreign": "devices of another stack",
    "Unmarkable": "pairs whose device has no room for a mark",
    "Refused": "deletions refused, because there were too many",
    "Failed": "things that need a person",
    "Deferred": "left for the next run",
}
"""The meaning of each count, in the order in which they are shown. The others are of the run itself, for `--json`."""

POLL_SECONDS: Final = 1.0

CALM_POLLS: Final = 3
"""How often in a row the queue is seen empty before it is taken to be: SQS counts messages about."""

USUAL_START: Final = 10.0
"""Seconds within which a run starts if no other run is queued."""


def sync(
    context: typer.Context,
    stack: StackName,
    profile: Profile = None,
    region: Region = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the differences, change nothing.")] = False,
    allow_deletions: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Delete up to N devices whose things are gone, however large their share."
        ),
    ] = 0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until everything that was found is fixed, too.")] = False,
    timeout: Annotated[int, typer.Option(help="Seconds to wait in all.", min=1)] = 900,
    as_json: AsJson = False,
) -> None:
    """Compare things and devices now, and fix what differs."""
    applied = AppliedStack.open(context, stack, profile, region)
    applied.must_exist()
    mode = SyncMode.REPORT if dry_run else SyncMode.APPLY
    began, deadline = time.time(), applied.clock.now() + timeout
    run_id = _request(applied, mode, allow_deletions)
    if not as_json:
        say(f"Run {run_id} is queued …")
    try:
        with err().status("comparing both registries"):
            found = _outcome(applied, run_id, began, timeout)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: the run {run_id} continues without this command") from None
    would_delete = _would_delete(applied, run_id, began) if dry_run else []
    counts = {name: value for name, value in found.items() if isinstance(value, int)}
    if as_json:
        print_json({"run": run_id, "mode": mode, **counts, **({"would_delete": would_delete} if dry_run else {})})
    else:
        _show(stack, counts, would_delete, dry_run)
    sent = counts.get("Sent", 0)
    if wait and sent:
        _until_fixed(applied, sent, deadline, as_json)
        if not as_json:
            say(f"{_differences(sent)} handled. `thingbridge things list --failed` lists what could not be fixed.")
    elif sent and not as_json:
        say(f"The stack now works on {count(sent, 'difference')}; --wait waits until they are handled.")


def _differences(number: int) -> str:
    return "The difference was" if number == 1 else f"All {number:,} differences were"


def _show(stack: str, counts: Mapping[str, int], would_delete: Sequence[str], dry_run: bool) -> None:
    """The counts as a table, then what a person may want to do."""
    table = Table("What", "How many", title="dry run: nothing was changed" if dry_run else None)
    for name, meaning in _MEANING.items():
        if counts.get(name):
            table.add_row(meaning, f"{counts[name]:,}")
    if table.row_count:
        out().print(table)
    else:
        out().print("There are no things and no devices.")
    for device_id in would_delete:
        out().print(f"would delete {device_id}", markup=False, highlight=False)
    if counts.get("Refused"):
        say(_way_out(stack, counts["Refused"]))


def _way_out(stack: str, refused: int) -> str:
    return (
        f"The deletion of {count(refused, 'device')} was refused, because that is a large share of the stack's. "
        f"If the things are meant to be gone: thingbridge sync --stack {stack} --allow-deletions {refused}"
    )


def _request(stack: AppliedStack, mode: SyncMode, allow_deletions: int) -> str:
    """Queue a run behind those that wait; returns its id. Failed when the stack has no sync."""
    url = queue_url(stack.clients, f"{stack.name}-sync.fifo")
    if url is None:
        raise Failed(f"the stack {stack.name} does not synchronise: apply it with registry_sync = {{ enabled = true }}")
    tick = json.dumps({"mode": mode, **({"allowDeletions": allow_deletions} if allow_deletions else {})})
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
            say("Waiting: another run is active, or has failed and is retried within two minutes …")
            patient = False
        stack.clock.sleep(POLL_SECONDS)
    raise NotKnownInTime(f"the run {run_id} did not end within {timeout} s: {progress.state}")


def _until_fixed(stack: AppliedStack, sent: int, deadline: float, quiet: bool) -> None:
    """Wait until the queue of the function `registry` is empty. Raises NotKnownInTime at the deadline.

    Registry events wait in the same queue, so it may hold more than the run has sent.
    """
    url = queue_url(stack.clients, f"{stack.name}-registry")
    if url is None:
        raise Failed(f"the queue {stack.name}-registry does not exist: apply the stack {stack.name} again")
    queue, calm, waiting = Queue(stack.clients, url), 0, sent
    with progress(quiet=quiet) as bar:
        task = bar.add_task("fixing what differs", total=sent)
        while stack.clock.now() < deadline:
            waiting = queue.waiting()
            bar.update(task, completed=max(0, sent - waiting))
            calm = 0 if waiting else calm + 1
            if calm == CALM_POLLS:
                return
            stack.clock.sleep(POLL_SECONDS)
    raise NotKnownInTime(
        f"{count(waiting, 'difference')} {'is' if waiting == 1 else 'are'} still waiting to be handled: the stack "
        "continues without this command"
    )


def _would_delete(stack: AppliedStack, run_id: str, began: float) -> list[str]:
    """The devices that a dry run names as those that a run would delete: the first few of them."""
    entries = stack.logs.entries(function_log_group(f"{stack.name}-sync"), since=began)
    return [
        str(entry.get("device_id"))
        for entry in entries
        if entry.get("run") == run_id and entry.get("event") == "sync_would_delete"
    ]
