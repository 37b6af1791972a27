"""`thingbridge sync`: have the stack compare both registries now, and tell what it found.

The stack's own function does the work, at its own rate and never twice at once; this only asks it and waits.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from cli.aws import StackAccess
from cli.errors import Failed, NotKnownInTime
from cli.options import AsJson, Profile, Region, StackName
from cli.output import err, out, print_json, say
from thingbridge.settings import SyncMode

_MEANING: Final = {
    "Seen": "things and devices",
    "InStep": "pairs in step",
    "Differing": "pairs that differ",
    "Unmarked": "pairs that don't know of each other yet",
    "MissingThings": "devices without a thing",
    "MissingDevices": "things without their device",
    "DeletedThings": "devices whose thing was deleted",
    "Left": "things that describe no device",
    "Retained": "devices kept without their thing",
    "Refused": "deletions refused, because they were too many",
    "Failed": "things a person has to look after",
    "Deferred": "left for the next run",
}
"""What a count is about, in the order in which they are shown; others follow by their names."""

_LOOK_EVERY: Final = 1.0


def sync(
    stack: StackName,
    profile: Profile = None,
    region: Region = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what differs, change nothing.")] = False,
    timeout: Annotated[int, typer.Option(help="Seconds to wait for the outcome.", min=1)] = 900,
    as_json: AsJson = False,
) -> None:
    """Compare things and devices now, and mend what differs."""
    access = StackAccess(stack, profile=profile, region=region)
    access.must_exist()
    mode = SyncMode.REPORT if dry_run else SyncMode.APPLY
    began = time.time()
    run_id = access.start_sync(mode)
    if not as_json:
        say(f"Run {run_id} is waiting for its turn …")
    with err().status("comparing both registries"):
        found = _outcome(access, run_id, began, timeout)
    counts = {name: value for name, value in found.items() if isinstance(value, int)}
    if as_json:
        print_json({"run": run_id, "mode": mode, **counts})
        return
    table = Table("What", "How many", title="would be mended, had it not been a dry run" if dry_run else None)
    for name in (*_MEANING, *(each for each in counts if each not in _MEANING)):
        if counts.get(name):
            table.add_row(_MEANING.get(name, name), f"{counts[name]:,}")
    out().print(table)


def _outcome(access: StackAccess, run_id: str, began: float, timeout: int) -> dict[str, Any]:
    """The function's own summary of the run, from its log."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for entry in access.sync_log(began):
            if entry.get("run") == run_id and entry.get("event") == "synchronised":
                return entry
            if entry.get("run") == run_id and entry.get("event") == "sync_gave_up":
                raise Failed(f"the run {run_id} gave up: {entry.get('reason')}")
        time.sleep(_LOOK_EVERY)
    raise NotKnownInTime(f"the run {run_id} did not end within {timeout} s: it goes on by itself, and logs its outcome")
