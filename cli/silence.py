"""`thingbridge things list --silent-for`: the things whose devices have sent, but not lately. Each shadow is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from cli import provisioning
from cli.aws import AppliedStack
from cli.output import count, out, plain, print_json, progress, say
from cli.provisioning import READS_PER_SECOND
from thingbridge.aws.things import Thing
from thingbridge.registry.attributes import Attribute
from thingbridge.shadow import times


def _last_seen(stack: AppliedStack, name: str) -> Any:
    return stack.shadows.reported(name).get("lastSeen")


def list_silent(
    stack: AppliedStack,
    things: Sequence[Thing],
    minutes: int,
    *,
    as_json: bool,
    now: Callable[[], float] = time.time,
) -> None:
    """Print the things without an uplink for so many minutes, the longest silent first."""
    before, named = now() - 60 * minutes, {thing.name: thing for thing in things}
    silent: list[tuple[float, str]] = []
    with progress(quiet=as_json) as bar:
        task = bar.add_task("reading shadows", total=len(named))
        for name, seen in provisioning.read_all(stack, named, stack.clock.pace(READS_PER_SECOND), _last_seen):
            bar.advance(task)
            sortable = times.sortable(seen)
            if sortable and (at := times.seconds(sortable)) < before:
                silent.append((at, name))
    rows = [(name, named[name].attributes.get(Attribute.DEV_EUI), _text(at)) for at, name in sorted(silent)]
    if as_json:
        print_json([{"thingName": name, "devEUI": dev_eui, "lastSeen": seen} for name, dev_eui, seen in rows])
        return
    table = Table("Thing", "DevEUI", "Last seen")
    for name, dev_eui, seen in rows:
        table.add_row(plain(name), plain(dev_eui or "–"), seen)
    if rows:
        out().print(table)
    say(f"{len(rows):,} of {count(len(named), 'thing')} sent once, but not in the last {count(minutes, 'minute')}")


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
