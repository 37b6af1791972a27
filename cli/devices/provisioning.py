"""The commands `thingbridge devices allow` and `disallow`: the list of devices that may register themselves."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Column, Table

from cli import csv_files
from cli.devices.applied import AppliedDevices
from cli.errors import Failed, WrongUsage
from cli.options import AsJson, Profile, Region, StackName
from cli.output import count, out, print_json, progress, say
from thingbridge.aws.allowed_devices import AllowedDevices, Listed, Unlisted
from thingbridge.aws.functions import Functions
from thingbridge.devices.admission import Admission, AllowedDevice
from thingbridge.devices.request import name_of
from thingbridge.errors import BadInput

FIELDS: Final = ("name", "type", "location")
_SHOWN: Final = 20

_OUTCOMES: Final = {
    Unlisted.REMOVED: "removed",
    Unlisted.ABSENT: "not on the list",
    Unlisted.USED: "used already, stays; --used removes it",
}


def allow(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, readable=True, show_default=False, help="CSV with a header, or JSON."
        ),
    ],
    stack: StackName,
    again: Annotated[
        bool, typer.Option("--again", help="Allow names that were used as well, once more. Existing things stay.")
    ] = False,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Put devices on the list of those that may register themselves, each once: name, type and location of each.

    Every row is checked before the first is written. The same file may be given again.
    """
    applied = AppliedDevices.open(context, stack, profile, region)
    admission, allowed = _provisioning(applied, stack)
    devices = _read(file, admission)
    put = allowed.allow_again if again else allowed.allow
    counts: Counter[str] = Counter()
    failed: dict[str, str] = {}
    used: list[str] = []
    with progress(quiet=as_json) as bar:
        task = bar.add_task("devices", total=len(devices))
        for name, outcome, reason in applied.each(devices, lambda name: put(devices[name])):
            bar.advance(task)
            counts[outcome or "failed"] += 1
            if reason:
                failed[name] = reason
            elif outcome is Listed.USED:
                used.append(name)
    _report(counts, used, failed, as_json)
    if failed:
        raise Failed(f"{count(len(failed), 'device')} could not be allowed: run the command again")


def disallow(
    context: typer.Context,
    stack: StackName,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Names.", show_default=False)] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", exists=True, dir_okay=False, readable=True, help="The names of a file as for `allow`."),
    ] = None,
    used: Annotated[
        bool, typer.Option("--used", help="Remove names that were used as well. Their devices stay.")
    ] = False,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Take devices off the list of those that may register themselves. Devices that exist stay as they are.

    Every name is checked before the first is taken off. Repeat it after an interruption.
    """
    if bool(names) == (file is not None):
        raise WrongUsage("give names of devices, or --file")
    chosen = _names(file) if file else _checked_names((("NAME", each) for each in names or []), "the command")
    applied = AppliedDevices.open(context, stack, profile, region)
    _, allowed = _provisioning(applied, stack)
    outcomes: dict[str, Unlisted] = {}
    failed: dict[str, str] = {}
    with progress(quiet=as_json) as bar:
        task = bar.add_task("devices", total=len(chosen))
        for name, outcome, reason in applied.each(chosen, lambda name: allowed.disallow(name, used=used)):
            bar.advance(task)
            if reason:
                failed[name] = reason
            else:
                outcomes[name] = outcome
    _report_unlisted(outcomes, failed, as_json)
    if failed:
        raise Failed(f"{count(len(failed), 'device')} could not be taken off the list: run the command again")


def _report_unlisted(outcomes: Mapping[str, Unlisted], failed: Mapping[str, str], as_json: bool) -> None:
    by_outcome = {each: [name for name, outcome in outcomes.items() if outcome is each] for each in Unlisted}
    if as_json:
        print_json({**{each.value: names for each, names in by_outcome.items()}, "failures": failed})
        return
    table = Table("Device", Column("Outcome", overflow="fold"))
    # What needs a person's attention comes first.
    for name, outcome in sorted(outcomes.items(), key=lambda each: each[1] is Unlisted.REMOVED)[:_SHOWN]:
        table.add_row(name, _OUTCOMES[outcome])
    if outcomes:
        out().print(table)
    if len(outcomes) > _SHOWN:
        say(f"{len(outcomes) - _SHOWN:,} more are not shown; --json has them all")
    removed, absent, used = (len(by_outcome[each]) for each in (Unlisted.REMOVED, Unlisted.ABSENT, Unlisted.USED))
    out().print(f"took {count(removed, 'device')} off the list; {absent:,} not on it, {used:,} used already")
    for name, reason in list(failed.items())[:_SHOWN]:
        say(f"{name}: {reason}")


def _report(counts: Mapping[str, int], used: list[str], failed: Mapping[str, str], as_json: bool) -> None:
    if as_json:
        print_json({**{each.value: counts.get(each, 0) for each in Listed}, "usedNames": used, "failures": failed})
        return
    out().print(
        f"allowed {count(counts.get(Listed.ADDED, 0), 'new device')}; {counts.get(Listed.CHANGED, 0):,} changed, "
        f"{counts.get(Listed.UNCHANGED, 0):,} unchanged, {counts.get(Listed.USED, 0):,} used already"
    )
    for name in used[:_SHOWN]:
        say(f"{name}: was used already, and was not changed; --again allows it once more")
    for name, reason in list(failed.items())[:_SHOWN]:
        say(f"{name}: {reason}")


def _provisioning(applied: AppliedDevices, stack: str) -> tuple[Admission, AllowedDevices]:
    """The rules and the list, as Terraform has configured the function `provision`. Raises Failed without it."""
    settings = Functions(applied.clients).environment(f"{stack}-provision")
    table = settings.get("ALLOWED_DEVICES_TABLE")
    if table is None:
        raise Failed(f"devices of the stack {stack} can't register themselves: apply it with devices.provisioning")
    return Admission(applied.fleet, re.compile(settings["NAME_PATTERN"])), AllowedDevices(applied.clients, table)


def _read(file: Path, admission: Admission) -> dict[str, AllowedDevice]:
    """The devices of a file by name. Raises WrongUsage naming the first rows that can't be allowed."""
    devices: dict[str, AllowedDevice] = {}
    faults: list[str] = []
    for place, row in _rows(file):
        try:
            device = _device(row, admission)
            if device.name in devices:
                raise BadInput("name", f"{device.name} is in the file already")
            devices[device.name] = device
        except BadInput as error:
            faults.append(f"{place}: {error}")
    for fault in faults[:_SHOWN]:
        say(fault)
    if faults:
        raise WrongUsage(f"{count(len(faults), 'row')} of {file} can't be allowed; nothing was changed")
    return devices


def _names(file: Path) -> list[str]:
    """The names in a file. Type and location may be missing, or be those of an earlier configuration."""
    rows = _rows(file, FIELDS[:1])
    return _checked_names(
        ((place, row.get("name") if isinstance(row, Mapping) else None) for place, row in rows), str(file)
    )


def _checked_names(given: Iterable[tuple[str, Any]], where: str) -> list[str]:
    """Names by their places, each once. Raises WrongUsage naming the first that no device can have."""
    names: dict[str, None] = {}
    faults: list[str] = []
    for place, name in given:
        try:
            names[name_of(name)] = None
        except BadInput as error:
            faults.append(f"{place}: {error}")
    for fault in faults[:_SHOWN]:
        say(fault)
    if faults:
        raise WrongUsage(f"{count(len(faults), 'name')} of {where} can't be those of devices; nothing was changed")
    return list(names)


def _rows(file: Path, required: Collection[str] = FIELDS[:2]) -> Iterator[tuple[str, Any]]:
    try:
        with file.open(encoding=csv_files.encoding(file)) as text:
            if not text.read().lstrip().startswith(("[", "{")):
                yield from ((f"row {number}", row) for number, row in csv_files.rows(file, required))
                return
            text.seek(0)
            rows = json.load(text)
    except ValueError as error:
        raise WrongUsage(f"{file} must be CSV or JSON: {error}") from error
    if not isinstance(rows, list):
        raise WrongUsage(f"{file} must be a list of objects with {', '.join(FIELDS)}")
    yield from ((f"object {number}", row) for number, row in enumerate(rows, 1))


def _device(row: Any, admission: Admission) -> AllowedDevice:
    if not isinstance(row, Mapping):
        raise BadInput("row", "must be an object")
    for name, value in row.items():
        if name not in FIELDS:
            known = ", ".join(FIELDS)
            raise BadInput(str(name or "row"), f"can't be given for a device that registers itself: only {known}")
        if value is not None and not isinstance(value, str):
            raise BadInput(name, "must be a text")
    return admission.allowed(*(row.get(name) or "" for name in FIELDS))
