"""The commands `thingbridge devices job …`: a job for devices created, followed and canceled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Column, Table

from cli.aws import LISTS_PER_SECOND
from cli.devices.applied import AppliedDevices
from cli.errors import WrongUsage
from cli.options import AsJson, Profile, Region, StackName
from cli.output import count, out, print_json, say
from thingbridge.aws.jobs import Execution, Job, Jobs
from thingbridge.devices.jobs import AbortCriterion, FailureType, NewJob, Targets, job_id, target_names
from thingbridge.errors import BadInput
from thingbridge.flows.devices.jobs import DeviceJobs, Progress

app = typer.Typer(no_args_is_help=True, help="Jobs: what devices are to do, such as install firmware.")

_SHOWN: Final = 20
"""Devices in the table, and reports of devices that are read."""

_OPTIONS: Final = {
    "id": "JOB",
    "template": "--template",
    "targets": "NAME, --type, --location or --all",
    "type": "--type",
    "location": "--location",
    "per_minute": "--rate",
    "timeout_minutes": "--timeout-minutes",
    "abort": "--abort",
    "abort_after": "--abort-after",
}
"""Field of a job → how it is given."""

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.", show_default=False)]


@app.command()
def create(
    context: typer.Context,
    job: JobId,
    stack: StackName,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Devices.", show_default=False)] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", help="All devices of this type; may be repeated.", show_default=False),
    ] = None,
    location: Annotated[
        list[str] | None,
        typer.Option("--location", help="All devices at this location; may be repeated.", show_default=False),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every device of the stack.")] = False,
    document: Annotated[
        str | None, typer.Option("--document", metavar="JSON", help="What the devices are to do.", show_default=False)
    ] = None,
    document_file: Annotated[
        Path | None,
        typer.Option("--document-file", exists=True, dir_okay=False, readable=True, help="The same from a file."),
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="ID", help="A job template of the account instead.")
    ] = None,
    continuous: Annotated[
        bool, typer.Option("--continuous", help="Also for devices that get this type or location later.")
    ] = False,
    rate: Annotated[int | None, typer.Option("--rate", metavar="N", help="Devices that get it per minute.")] = None,
    abort: Annotated[
        float | None,
        typer.Option("--abort", metavar="PERCENT", help="Cancel it when so many of the finished devices failed."),
    ] = None,
    abort_after: Annotated[
        int | None, typer.Option("--abort-after", metavar="N", help="With --abort: not before so many finished (1).")
    ] = None,
    abort_on: Annotated[
        FailureType | None, typer.Option("--abort-on", help="With --abort: what counts as failed (all).")
    ] = None,
    timeout_minutes: Annotated[
        int | None, typer.Option("--timeout-minutes", metavar="N", help="Minutes that a device may take.")
    ] = None,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Create a job for devices by name, type or location: it goes to those that any of them covers, once each."""
    text, field = _document(document, document_file, template)
    applied = AppliedDevices.open(context, stack, profile, region)
    types = list(applied.fleet.types) if all_ else type_ or []
    wanted = NewJob(
        job,
        Targets(list(dict.fromkeys(names or [])), types, location or []),
        text,
        template,
        continuous,
        rate,
        _abort(abort, abort_after, abort_on),
        timeout_minutes,
    )
    try:
        targets = _jobs(applied).create(wanted)
    except BadInput as error:
        raise WrongUsage(f"{field if error.field == 'document' else _OPTIONS[error.field]} {error.reason}") from error
    if as_json:
        print_json({"jobId": job, "targets": targets})
        return
    out().print(f"created the job {job} for {', '.join(targets)}")
    say(f"`thingbridge devices job show {job}` shows what the devices have done of it")


@app.command()
def show(
    context: typer.Context,
    job: JobId,
    stack: StackName,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Show a job, and which devices have carried it out; those that did not succeed first, with what they report."""
    _checked(job)
    applied = AppliedDevices.open(context, stack, profile, region)
    progress = _jobs(applied).progress(job, _SHOWN, applied.clock.pace(LISTS_PER_SECOND).acquire)
    counts = Counter(each.status for each in progress.executions)
    if as_json:
        print_json(_as_json(progress, counts))
    else:
        _print(stack, progress, counts)


@app.command()
def cancel(
    context: typer.Context,
    job: JobId,
    stack: StackName,
    force: Annotated[
        bool, typer.Option("--force", help="Also where it has begun: such a device can't report its outcome any more.")
    ] = False,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a job: devices that have not begun it never get it, the others complete it unless --force is given."""
    _checked(job)
    applied = AppliedDevices.open(context, stack, profile, region)
    _jobs(applied).cancel(job, force=force)
    if as_json:
        print_json({"jobId": job, "status": "CANCELED", "forced": force})
    else:
        out().print(f"canceled the job {job}" + ("" if force else "; devices that have begun it complete it"))


def _jobs(applied: AppliedDevices) -> DeviceJobs:
    return DeviceJobs(applied.registry, Jobs(applied.clients))


def _checked(job: str) -> None:
    try:
        job_id(job)
    except BadInput as error:
        raise WrongUsage(f"JOB {error.reason}") from error


def _document(inline: str | None, file: Path | None, template: str | None) -> tuple[str | None, str]:
    """The document of a job, None with a template, and the option that it came with. Raises WrongUsage."""
    if sum(each is not None for each in (inline, file, template)) != 1:
        raise WrongUsage("give one of --document, --document-file and --template")
    if file is None:
        return inline, "--document"
    try:
        return file.read_text(encoding="utf-8-sig"), f"--document-file {file}"
    except UnicodeDecodeError as error:
        raise WrongUsage(f"--document-file {file} must be UTF-8: {error.reason} at byte {error.start}") from error


def _abort(percentage: float | None, after: int | None, on: FailureType | None) -> AbortCriterion | None:
    if percentage is not None:
        return AbortCriterion(percentage, 1 if after is None else after, on or FailureType.ALL)
    if after is not None or on is not None:
        raise WrongUsage("--abort-after and --abort-on need --abort PERCENT")
    return None


def _print(stack: str, progress: Progress, counts: Mapping[str, int]) -> None:
    job, console = progress.job, out()
    console.print(f"{job.id} of the stack {stack}: {job.status}{_why(job)}")
    console.print(f"for {', '.join(target_names(job.targets))}, created {job.created.isoformat(timespec='seconds')}")
    if counts:
        console.print(", ".join(f"{number:,} {status}" for status, number in sorted(counts.items())))
    table = Table("Device", "Status", "Updated", Column("Reported", overflow="fold"))
    for each in progress.executions[:_SHOWN]:
        reported = " ".join(f"{key}={value}" for key, value in sorted(progress.details.get(each, {}).items()))
        updated = each.updated.isoformat(timespec="seconds") if each.updated else "–"
        table.add_row(each.thing_name, each.status, updated, reported or "–")
    if progress.executions:
        console.print(table)
    else:
        console.print("no device has got it yet")
    if (more := len(progress.executions) - _SHOWN) > 0:
        say(f"{count(more, 'device')} more: --json has all")


def _why(job: Job) -> str:
    reasons = [each for each in (job.reason, job.comment) if each]
    return f" ({': '.join(reasons)})" if reasons else ""


def _as_json(progress: Progress, counts: Mapping[str, int]) -> dict[str, Any]:
    job = progress.job
    return {
        "jobId": job.id,
        "status": job.status,
        "reasonCode": job.reason or None,
        "comment": job.comment or None,
        "createdAt": job.created.isoformat(),
        "targets": target_names(job.targets),
        "counts": dict(sorted(counts.items())),
        "executions": [_execution(each, progress.details.get(each)) for each in progress.executions],
    }


def _execution(each: Execution, details: Mapping[str, str] | None) -> dict[str, Any]:
    return {
        "thingName": each.thing_name,
        "executionNumber": each.number,
        "status": each.status,
        "updatedAt": each.updated.isoformat() if each.updated else None,
        "statusDetails": details,
    }
