"""The commands `thingbridge devices import` and `export`: a CSV file with a device in each row, without secrets."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import typer

from cli import csv_files, output_file
from cli.devices import keys
from cli.devices.applied import AppliedDevices
from cli.errors import Failed, WrongUsage
from cli.options import AsJson, Profile, Region, StackName
from cli.output import count, out, print_json, progress, say
from thingbridge.devices.request import DEVICE_TYPE, NewDevice, checked
from thingbridge.errors import BadInput
from thingbridge.flows.devices.registration import AlreadyRegistered

NAME_COLUMN: Final = "name"
TYPE_COLUMN: Final = "type"
_SHOWN: Final = 20


def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, show_default=False, help="CSV with a header.")
    ],
    stack: StackName,
    directory: Annotated[
        Path,
        typer.Option(
            "--directory", file_okay=False, show_default=False, help="Where each device gets a folder of credentials."
        ),
    ],
    report: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the outcome of every row to this CSV file.")
    ] = None,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Register every device of a file: the columns name and type, and one for each attribute.

    Every row is checked before the first device is registered. After an interruption, the same command continues.
    """
    applied = AppliedDevices.open(context, stack, profile, region)
    rows = _read(file, applied)
    counts: Counter[str] = Counter()
    failed: dict[str, str] = {}

    def register(name: str) -> str:
        pair = keys.make(name)
        try:
            with keys.kept(directory / name, pair):
                device = NewDevice(name, rows[name].type_name, rows[name].attributes, pair.csr)
                fields = applied.registration.create(device).fields()
        except AlreadyRegistered:
            return "existing"
        keys.write(directory / name, pair.completed(fields))
        return "registered"

    with ExitStack() as resources:
        written = resources.enter_context(output_file.written(report, private=False)) if report else None
        table = csv.writer(written) if written else None
        bar = resources.enter_context(progress(quiet=as_json))
        task = bar.add_task("devices", total=len(rows))
        # A device whose credentials are there was registered by an earlier run.
        left = [name for name in rows if not (directory / name / keys.SETTINGS).exists()]
        for name in set(rows) - set(left):
            counts["existing"] += 1
            bar.advance(task)
            if table:
                table.writerow((name, "existing", ""))
        for name, outcome, reason in applied.each(left, register):
            counts[outcome or "failed"] += 1
            bar.advance(task)
            if reason:
                failed[name] = reason
            if table:
                table.writerow((name, outcome or "failed", reason))
    if as_json:
        print_json({**{each: counts[each] for each in ("registered", "existing", "failed")}, "failures": failed})
    else:
        out().print(
            f"registered {count(counts['registered'], 'device')}, {counts['existing']:,} existed; "
            f"credentials in {directory}"
        )
        for name, reason in list(failed.items())[:_SHOWN]:
            say(f"{name}: {reason}")
    if failed:
        raise Failed(f"{count(len(failed), 'device')} could not be registered: run the command again")


def export(
    context: typer.Context,
    stack: StackName,
    output: Annotated[
        Path | None, typer.Option("--output", dir_okay=False, help="Write to this file instead of standard output.")
    ] = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Write the devices of a stack as CSV, which `import` reads. There are no secrets in it."""
    applied = AppliedDevices.open(context, stack, profile, region)
    found = sorted(applied.all(), key=lambda thing: thing.name)
    names = sorted({name for thing in found for name in thing.attributes} - {DEVICE_TYPE})
    with ExitStack() as resources:
        file = (
            resources.enter_context(output_file.written(output, private=False))
            if output
            else output_file.standard_output(private=False)
        )
        table = csv.writer(file, lineterminator="\n")
        table.writerow((NAME_COLUMN, TYPE_COLUMN, *names))
        for thing in found:
            values = (thing.attributes.get(name, "") for name in names)
            table.writerow((thing.name, applied.fleet.type_of(thing.type_name), *values))
    say(f"{count(len(found), 'device')} of the stack {stack}")


def _read(file: Path, applied: AppliedDevices) -> dict[str, NewDevice]:
    """The devices of a file by name. Raises WrongUsage naming the first rows that can't be registered."""
    devices: dict[str, NewDevice] = {}
    faults: list[str] = []
    for number, row in csv_files.rows(file, (NAME_COLUMN, TYPE_COLUMN)):
        try:
            device = _device(row, applied)
            if device.name in devices:
                raise BadInput(NAME_COLUMN, f"{device.name} is in an earlier row already")
            devices[device.name] = device
        except BadInput as error:
            faults.append(f"row {number}: {error}")
    for fault in faults[:_SHOWN]:
        say(fault)
    if faults:
        raise WrongUsage(f"{count(len(faults), 'row')} of {file} can't be registered; nothing was changed")
    return devices


def _device(row: Mapping[str | None, str], applied: AppliedDevices) -> NewDevice:
    if None in row:
        raise BadInput("row", "has more values than the header has columns")
    attributes = {str(name): value for name, value in row.items() if value and name not in (NAME_COLUMN, TYPE_COLUMN)}
    return checked(NewDevice(row.get(NAME_COLUMN) or "", row.get(TYPE_COLUMN) or "", attributes), applied.fleet)
