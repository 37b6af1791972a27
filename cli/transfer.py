"""The commands `thingbridge import` and `thingbridge export`: their options and output. importing.py does the work."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Column, Table

from cli import output_file, provisioning
from cli.aws import AppliedStack
from cli.device_file import DeviceFile, DeviceWriter, Format
from cli.errors import Failed, Interrupted, NotKnownInTime, WrongUsage
from cli.importing import DEFAULT_RATE, REGISTRY_QUOTA, Import, Outcome, RowResult
from cli.inventory import Inventory
from cli.options import THING_TYPE, AsJson, Profile, Region, ShowKeys, StackName, ThingType
from cli.output import err, out, print_json, progress, say
from thingbridge.registry.attributes import SECRETS, Attribute
from thingbridge.registry.status import FAILED

_SHOWN: Final = 20
"""Failures in the table; people fix the first ones and try again."""

_UNKNOWN: Final = "unknown"
"""State of a device whose outcome was not reported in time."""

_REPORT_HEADER: Final = ("row", "thing", "reason")

_KEPT: Final = 1000
"""Failures in the JSON result. A report has all of them."""


@dataclass
class Failures:
    """Failed rows: the first are kept to be shown, all are counted and written to the report."""

    report: Any = None
    kept: list[RowResult] = field(default_factory=list)
    count: int = 0

    def add(self, result: RowResult) -> None:
        """Add a failed row."""
        self.count += 1
        if len(self.kept) < _KEPT:
            self.kept.append(result)
        if self.report:
            self.report.writerow((result.number, result.thing_name, result.reason))


def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, readable=True, show_default=False, help="CSV or JSON."),
    ],
    stack: StackName,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Import the other rows when some are invalid.")
    ] = False,
    update: Annotated[bool, typer.Option("--update", help="Write the file's values to things that differ.")] = False,
    report: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write every failed row to this CSV file.")
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.1, max=1000, help="Things created or updated per second.")
    ] = DEFAULT_RATE,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome of each device.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for the next outcome, with --wait.")] = 60,
    lorawan_version: Annotated[str | None, typer.Option(help="For rows without one.")] = None,
    lorawan_phy_version: Annotated[str | None, typer.Option(help="For rows without one.")] = None,
    frequency_plan_id: Annotated[str | None, typer.Option(help="For rows without one.")] = None,
    thing_type: ThingType = THING_TYPE,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Create a thing for every device of a file: The Things Stack's CSV or JSON.

    Every row is checked before anything is created. After an interruption, the same command continues.
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
    applied = AppliedStack.open(context, stack, profile, region)
    applied.must_exist()
    if rate > REGISTRY_QUOTA:
        say(f"{rate:g} per second is more than AWS's default quota of {REGISTRY_QUOTA:g}: expect throttling.")
    with ExitStack() as resources:
        failures = Failures(resources.enter_context(_Report(report)).rows if report else None)
        inventory = resources.enter_context(Inventory())
        work = Import(
            applied,
            DeviceFile(file, defaults),
            inventory,
            thing_type,
            applied.clock.pace(rate),
            update=update,
            dry_run=dry_run,
            remember=wait,
        )
        rows = _check(work, failures, as_json)
        if not as_json:
            _show_left_out(work)
            _show_incomplete(work)
        if failures.count and not skip_invalid:
            _show(work, rows, failures, as_json, report, stopped=True)
            raise Failed(
                f"nothing was imported: {_count(failures.count, 'row')} of {file} can't be imported; "
                "fix them, or leave them out with --skip-invalid"
            )
        if _carry_out(work, rows, failures, as_json):
            _show(work, rows, failures, as_json, report)
            raise Interrupted("interrupted: the same command continues where it stopped")
        devices, interrupted = _wait(work, failures, timeout, as_json) if wait else (None, False)
        _show(work, rows, failures, as_json, report, devices=devices)
        if interrupted:
            raise Interrupted("interrupted: the things exist; `thingbridge things list --failed` shows those without "
                              "their device")  # fmt: skip
    if devices and devices[_UNKNOWN]:
        raise NotKnownInTime(
            f"the outcome for {_count(devices[_UNKNOWN], 'device')} is not known after {timeout:g} s without another; "
            "`thingbridge things show` shows each of them later"
        )
    if failures.count:
        raise Failed(f"{_count(failures.count, 'row')} of {file} {'would fail' if dry_run else 'failed'}")


def export(
    context: typer.Context,
    stack: StackName,
    output: Annotated[Path | None, typer.Option("--output", "-o", dir_okay=False, help="File to write.")] = None,
    form: Annotated[
        Format, typer.Option("--format", help="CSV of The Things Stack's columns, or JSON lines.")
    ] = Format.CSV,
    frequency_plan_id: Annotated[
        str | None, typer.Option(help="For things without one, in CSV; that of the stack by default.")
    ] = None,
    show_keys: ShowKeys = False,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Write the things of a stack as a file that `thingbridge import` and The Things Stack read."""
    if context.args:
        raise WrongUsage(f"the file is named by --output: thingbridge export --output {context.args[0]}")
    applied = AppliedStack.open(context, stack, profile, region)
    applied.must_exist()
    count = hidden = 0
    with ExitStack() as resources:
        if output:
            _must_be_replaceable(output)
            target = resources.enter_context(output_file.written(output, private=show_keys))
        else:
            target = output_file.standard_output(private=show_keys)
        plan = (lambda: frequency_plan_id) if frequency_plan_id else applied.default_frequency_plan_id
        writer = resources.enter_context(DeviceWriter(target, form, keys=show_keys, default_frequency_plan_id=plan))
        for thing in applied.all_things():
            writer.write(thing.name, thing.attributes)
            count += 1
            hidden += any(name in thing.attributes for name in SECRETS) and not show_keys
    without = f"; {_count(hidden, 'thing')} without keys, which --show-keys adds" if hidden else ""
    if writer.without_plan:
        say(
            f"{_count(writer.without_plan, 'thing')} without a frequency plan, and the stack's default can't be read: "
            "--frequency-plan-id adds it"
        )
    say(f"exported {_count(count, 'thing')} of the stack {stack}{without}")


def _must_be_replaceable(path: Path) -> None:
    """Raise Failed for a file that an export must not replace: one with keys, or one that is not of devices."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    try:
        has_secrets = DeviceFile(path).has_secrets()
    except Failed as error:
        raise Failed(f"{path} exists and is not a file of devices: choose another file with --output") from error
    if has_secrets:
        raise Failed(f"{path} has keys, which the stack's things may no longer have: choose another file with --output")


class _Report(ExitStack):
    """A CSV file of the failed rows, written as they fail, so that an interrupted import leaves one as well."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            if path.is_file() and path.stat().st_size and not _is_report(path):
                raise Failed(f"{path} exists and is not a report: choose another file with --report")
            self.rows = csv.writer(self.enter_context(path.open("w", encoding="utf-8", newline="")))
        except OSError as error:
            raise Failed(f"the report {path} can't be written: {error.strerror}") from error
        self.rows.writerow(_REPORT_HEADER)


def _is_report(path: Path) -> bool:
    """Whether a file is the report of an earlier import, which may be replaced."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().strip() == ",".join(_REPORT_HEADER)


def _check(work: Import, failures: Failures, quiet: bool) -> int:
    """Check every row; returns the number of rows."""
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
    """Create and update; returns True when it was interrupted."""
    try:
        with progress(quiet=quiet) as bar:
            reading = bar.add_task("reading the stack's things", total=None)
            for _ in work.read_things():
                bar.advance(reading)
            bar.remove_task(reading)
            task = bar.add_task("importing", total=rows - failures.count)
            for result in work.run():
                bar.advance(task)
                if result.outcome is Outcome.FAILED:
                    failures.add(result)
    except KeyboardInterrupt:
        return True
    return False


def _wait(work: Import, failures: Failures, timeout: float, quiet: bool) -> tuple[Counter[str], bool]:
    """Wait for the devices of the created things; returns the number of devices by state, and whether it was
    interrupted."""
    states: Counter[str] = Counter()
    before = {name: reported for name, (_, reported) in work.created.items()}
    interrupted = False
    try:
        with progress(quiet=quiet) as bar:
            task = bar.add_task("waiting for the devices", total=len(before))
            for name, reported in provisioning.wait_for_all(work.stack, before, patience=timeout, pace=work.pace):
                bar.advance(task)
                states[str(reported.get("state"))] += 1
                if reported.get("state") == FAILED:
                    reason = provisioning.description(reported)
                    failures.add(RowResult(work.created[name][0], name, Outcome.FAILED, reason))
    except KeyboardInterrupt:
        interrupted = True
    states[_UNKNOWN] = len(before) - states.total()
    return states, interrupted


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
    ignored, calls = sorted(work.file.ignored), dict(sorted(work.stack.clients.take_calls().items()))
    if as_json:
        print_json(
            {
                "rows": rows,
                **{str(outcome): work.counts[outcome] for outcome in Outcome},
                "dryRun": work.dry_run,
                **({"devices": dict(sorted(devices.items()))} if devices is not None else {}),
                "ignored": ignored,
                "sessions": work.sessions,
                "incomplete": work.incomplete,
                "failures": [{"row": f.number, "thingName": f.thing_name, "reason": f.reason} for f in failures.kept],
                "awsCalls": calls,
            }
        )
        return
    _show_failures(failures, report)
    if not stopped:
        _show_counts(work, rows, calls)
    if devices:
        states = ", ".join(f"{count:,} {state}" for state, count in sorted(devices.items()) if count)
        out().print(f"{_count(devices.total(), 'device')}: {states or 'none to wait for'}")


def _show_left_out(work: Import) -> None:
    """Say what of the file the things won't have, before any of them is created."""
    if ignored := sorted(work.file.ignored):
        say(f"Ignored, because a thing can't carry it: {', '.join(ignored)}.")
    if work.sessions:
        whose = "1 device has a session" if work.sessions == 1 else f"{work.sessions:,} devices have a session"
        say(f"{whose}, which is NOT taken over: such a device is not heard until it joins again.")


def _show_incomplete(work: Import) -> None:
    """Say that no devices are created from things of a file that has no keys for them."""
    if work.incomplete:
        whose = "1 row has" if work.incomplete == 1 else f"{work.incomplete:,} rows have"
        say(f"{whose} no root key or claim code: no device is created from the thing.")


def _show_failures(failures: Failures, report: Path | None) -> None:
    if not failures.count:
        return
    table = Table("Row", Column("Thing", overflow="fold"), Column("Why it failed", overflow="fold"))
    for failure in sorted(failures.kept[:_SHOWN], key=lambda each: each.number):
        table.add_row(str(failure.number), failure.thing_name or "–", failure.reason)
    out().print(table)
    if report:
        say(f"All failed rows are in {report}.")
    elif failures.count > _SHOWN:
        say(f"… and {failures.count - _SHOWN} more: --report FILE writes all of them.")


def _show_counts(work: Import, rows: int, calls: Mapping[str, int]) -> None:
    would = "would be " if work.dry_run else ""
    counts = ", ".join(f"{work.counts[each]:,} {each}" for each in Outcome if work.counts[each])
    made = ", ".join(f"{name} {count:,}" for name, count in calls.items())
    out().print(f"{_count(rows, 'row')}: {would}{counts or 'nothing to do'}")
    err().print(f"AWS calls: {made}", style="dim")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
