"""The commands `thingbridge import` and `thingbridge export`: what is asked and shown. importing.py does the work."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import typer
from rich.markup import escape
from rich.table import Column, Table

from cli import outcomes
from cli.aws import StackAccess
from cli.device_file import DeviceFile, DeviceWriter, Format
from cli.errors import Failed, Interrupted, NotKnownInTime
from cli.importing import DEFAULT_RATE, REGISTRY_QUOTA, Import, Outcome, RowResult
from cli.inventory import Inventory
from cli.options import THING_TYPE, AsJson, Profile, Region, ShowKeys, StackName, ThingType
from cli.output import err, out, print_json, progress, say
from thingbridge.pacing import TokenBucket
from thingbridge.registry.attributes import SECRETS, Attribute

_SHOWN: Final = 20
"""Failures in the table; people mend the first ones and look again."""

_UNKNOWN: Final = "unknown"
"""State of a device of which nothing was told in time."""

_TOLD: Final = 1000
"""Failures in the JSON answer. A report has all."""


@dataclass
class Failures:
    """Rows that failed: the first are kept to be shown, all are counted and written into the report."""

    report: Any = None
    kept: list[RowResult] = field(default_factory=list)
    count: int = 0

    def add(self, result: RowResult) -> None:
        self.count += 1
        if len(self.kept) < _TOLD:
            self.kept.append(result)
        if self.report:
            self.report.writerow((result.number, result.thing_name, result.reason))


def import_(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, readable=True, show_default=False, help="CSV or JSON lines."),
    ],
    stack: StackName,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Import the other rows when some are wrong.")
    ] = False,
    update: Annotated[bool, typer.Option("--update", help="Give things that differ the file's values.")] = False,
    report: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write every row that failed to this CSV file.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, max=1000, help="Things created or updated a second.")] = DEFAULT_RATE,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is known what became of the devices.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for the next device, with --wait.")] = 60,
    lorawan_version: Annotated[str | None, typer.Option(help="For rows without one.")] = None,
    lorawan_phy_version: Annotated[str | None, typer.Option(help="For rows without one.")] = None,
    frequency_plan_id: Annotated[str | None, typer.Option(help="For rows without one.")] = None,
    thing_type: ThingType = THING_TYPE,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Create a thing for every device of a file: The Things Stack's CSV, or JSON lines.

    Every row is checked before anything is created. Interrupted, the same command goes on.
    """
    defaults = {
        str(name): value
        for name, value in (
            (Attribute.LORAWAN_VERSION, lorawan_version),
            (Attribute.REGIONAL_PARAMETERS_VERSION, lorawan_phy_version),
            (Attribute.FREQUENCY_PLAN_ID, frequency_plan_id),
        )
        if value
    }
    access = StackAccess(stack, profile=profile, region=region)
    access.must_exist()
    if rate > REGISTRY_QUOTA:
        say(f"{rate:g} a second is more than AWS's default quota of {REGISTRY_QUOTA:g}: expect to be throttled.")
    with ExitStack() as context:
        failures = Failures(context.enter_context(_Report(report)).rows if report else None)
        inventory = context.enter_context(Inventory())
        work = Import(
            access,
            DeviceFile(file, defaults),
            inventory,
            thing_type,
            TokenBucket(rate=rate),
            update=update,
            dry_run=dry_run,
            remember=wait,
        )
        rows = _check(work, failures, as_json)
        if failures.count and not skip_invalid:
            _show(work, rows, failures, as_json, report, stopped=True)
            raise Failed(
                f"nothing was imported: {_count(failures.count, 'row')} of {file} can't be; "
                "mend them, or leave them out with --skip-invalid"
            )
        if _carry_out(work, rows, failures, as_json):
            _show(work, rows, failures, as_json, report)
            raise Interrupted("interrupted: the same command goes on where it stopped")
        devices = _follow(work, failures, timeout, as_json) if wait else None
        _show(work, rows, failures, as_json, report, devices=devices)
    if devices and devices[_UNKNOWN]:
        raise NotKnownInTime(
            f"nothing is known of {_count(devices[_UNKNOWN], 'device')} after {timeout:g} s without news; "
            "`thingbridge things show` tells of each"
        )
    if failures.count:
        raise Failed(f"{_count(failures.count, 'row')} of {file} {'would fail' if dry_run else 'failed'}")


def export(
    stack: StackName,
    output: Annotated[Path | None, typer.Option("--output", "-o", dir_okay=False, help="File to write.")] = None,
    form: Annotated[
        Format, typer.Option("--format", help="CSV of The Things Stack's columns, or JSON lines.")
    ] = Format.CSV,
    show_keys: ShowKeys = False,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Write the things of a stack as a file that `thingbridge import` and The Things Stack read."""
    access = StackAccess(stack, profile=profile, region=region)
    access.must_exist()
    count = hidden = 0
    with ExitStack() as context:
        try:
            # For the owner only: a fleet's root keys may be in it.
            target: TextIO = (
                context.enter_context(output.open("w", encoding="utf-8", newline="")) if output else sys.stdout
            )
            if output and show_keys:
                output.chmod(0o600)
        except OSError as error:
            raise Failed(f"{output} can't be written: {error.strerror}") from error
        writer = DeviceWriter(target, form, keys=show_keys)
        for thing in access.things():
            writer.write(thing.name, thing.attributes)
            count += 1
            hidden += any(name in thing.attributes for name in SECRETS) and not show_keys
    without = f"; {_count(hidden, 'thing')} without keys, which --show-keys adds" if hidden else ""
    say(f"exported {_count(count, 'thing')} of the stack {stack}{without}")


class _Report(ExitStack):
    """A CSV file of the rows that failed; written as they fail, so that an interrupted import leaves one as well."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            self.rows = csv.writer(self.enter_context(path.open("w", encoding="utf-8", newline="")))
        except OSError as error:
            raise Failed(f"the report {path} can't be written: {error.strerror}") from error
        self.rows.writerow(("row", "thing", "reason"))


def _check(work: Import, failures: Failures, quiet: bool) -> int:
    """Check every row; how many there are."""
    rows = 0
    with progress(quiet=quiet) as bar:
        task = bar.add_task("checking the file", total=None)
        for result in work.check():
            rows += 1
            bar.advance(task)
            if result:
                failures.add(result)
    return rows


def _carry_out(work: Import, rows: int, failures: Failures, quiet: bool) -> bool:
    """Create and update; True when it was interrupted."""
    try:
        with progress(quiet=quiet) as bar:
            looking = bar.add_task("reading the stack's things", total=None)
            for _ in work.look():
                bar.advance(looking)
            bar.remove_task(looking)
            task = bar.add_task("importing", total=rows - failures.count)
            for result in work.run():
                bar.advance(task)
                if result.outcome is Outcome.FAILED:
                    failures.add(result)
    except KeyboardInterrupt:
        return True
    return False


def _follow(work: Import, failures: Failures, timeout: float, quiet: bool) -> Counter[str]:
    """Wait for the devices of the things that were created; how many came to which state."""
    states: Counter[str] = Counter()
    before = {name: told for name, (_, told) in work.asked.items()}
    with progress(quiet=quiet) as bar:
        task = bar.add_task("waiting for the devices", total=len(before))
        for name, told in outcomes.follow(work.stack, before, patience=timeout, pace=work.pace):
            bar.advance(task)
            states[str(told.get("state"))] += 1
            if told.get("state") == outcomes.FAILED:
                failures.add(RowResult(work.asked[name][0], name, Outcome.FAILED, outcomes.described(told)))
    states[_UNKNOWN] = len(before) - states.total()
    return states


def _show(
    work: Import,
    rows: int,
    failures: Failures,
    as_json: bool,
    report: Path | None,
    *,
    stopped: bool = False,
    devices: Counter[str] | None = None,
) -> None:
    ignored = sorted(work.file.ignored)
    if as_json:
        print_json(
            {
                "rows": rows,
                **{str(outcome): work.counts[outcome] for outcome in Outcome},
                "dryRun": work.dry_run,
                **({"devices": dict(sorted(devices.items()))} if devices is not None else {}),
                "ignored": ignored,
                "failures": [{"row": f.number, "thingName": f.thing_name, "reason": f.reason} for f in failures.kept],
                "awsCalls": dict(sorted(work.stack.calls.items())),
            }
        )
        return
    if ignored:
        say(f"Ignored, because no thing carries it: {', '.join(ignored)}.")
    _show_failures(failures, report)
    if not stopped:
        _show_counts(work, rows)
    if devices:
        told = ", ".join(f"{count:,} {state}" for state, count in sorted(devices.items()) if count)
        out().print(f"{_count(devices.total(), 'device')}: {told or 'none to wait for'}")


def _show_failures(failures: Failures, report: Path | None) -> None:
    if not failures.count:
        return
    table = Table("Row", Column("Thing", overflow="fold"), Column("Why it failed", overflow="fold"))
    for failure in sorted(failures.kept[:_SHOWN], key=lambda each: each.number):
        table.add_row(str(failure.number), failure.thing_name or "–", escape(failure.reason))
    out().print(table)
    if report:
        say(f"All rows that failed are in {report}.")
    elif failures.count > _SHOWN:
        say(f"… and {failures.count - _SHOWN} more: --report FILE writes all.")


def _show_counts(work: Import, rows: int) -> None:
    would = "would be " if work.dry_run else ""
    counts = ", ".join(f"{work.counts[each]:,} {each}" for each in Outcome if work.counts[each])
    calls = ", ".join(f"{name} {count:,}" for name, count in sorted(work.stack.calls.items()))
    out().print(f"{_count(rows, 'row')}: {would}{counts or 'nothing to do'}")
    err().print(f"[dim]AWS calls: {calls}[/]")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
