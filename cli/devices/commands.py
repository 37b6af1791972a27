"""The commands on single devices and their access: create, list, show, rotate, disable, enable, delete."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Column, Table

from cli import output_file
from cli.devices import jobs, keys, provisioning, state, transfer, verification
from cli.devices.applied import AppliedDevices, document
from cli.devices.ending import ending, shown
from cli.errors import Failed, WrongUsage
from cli.options import AsJson, Profile, Region, StackName
from cli.output import count, out, plain, print_json, progress, say
from thingbridge.devices.credentials import Credentials, registered
from thingbridge.devices.request import NewDevice, checked
from thingbridge.errors import BadInput

app = typer.Typer(no_args_is_help=True, help="Devices with certificates of their own.")
app.add_typer(state.app, name="state")
app.add_typer(jobs.app, name="job")
app.command()(verification.verify)
app.command(name="import")(transfer.import_)
app.command()(transfer.export)
app.command()(provisioning.allow)
app.command()(provisioning.disallow)

_SHOWN: Final = 20

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the thing.", show_default=False)]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of things.", show_default=False)]
Directory = Annotated[
    Path | None,
    typer.Option("--directory", file_okay=False, help="Write the credentials to files here, readable by you alone."),
]


@app.command()
def create(
    context: typer.Context,
    name: Name,
    stack: StackName,
    type_: Annotated[str, typer.Option("--type", help="Type of the device (variable devices).", show_default=False)],
    attribute: Annotated[
        list[str] | None, typer.Option("--attribute", help="NAME=VALUE; may be repeated.", show_default=False)
    ] = None,
    directory: Directory = None,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Register a device, and hand out its credentials: once, with --directory or --json.

    The private key is made on this machine and is not sent. A registration that was interrupted is completed.
    """
    _must_be_handed_out(directory, as_json)
    applied = AppliedDevices.open(context, stack, profile, region)
    device = _checked(applied, NewDevice(name, type_, _attributes(attribute or [])))
    _hand_out(
        name,
        directory,
        as_json,
        lambda csr: applied.registration.create(NewDevice(name, device.type_name, device.attributes, csr)),
    )


@app.command("list")
def list_(
    context: typer.Context,
    stack: StackName,
    type_: Annotated[str | None, typer.Option("--type", help="Only devices of this type.")] = None,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """List the devices of a stack."""
    applied = AppliedDevices.open(context, stack, profile, region)
    if type_ is not None and type_ not in applied.fleet.types:
        raise WrongUsage(f"--type must be one of {', '.join(sorted(applied.fleet.types))}; got {type_}")
    found = sorted(applied.all(type_), key=lambda thing: thing.name)
    if as_json:
        print_json([document(thing, applied.fleet) for thing in found])
        return
    table = Table("Device", "Type", Column("Attributes", overflow="fold"))
    for thing in found:
        attributes = {name: value for name, value in sorted(thing.attributes.items()) if name != "deviceType"}
        pairs = " ".join(f"{name}={value}" for name, value in attributes.items())
        table.add_row(thing.name, applied.fleet.type_of(thing.type_name) or "–", pairs or "–")
    if found:
        out().print(table)
    say(f"{count(len(found), 'device')} of the stack {stack}")


@app.command()
def show(
    context: typer.Context,
    name: Name,
    stack: StackName,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Show one device: its attributes, certificates and shadow. There are no secrets to show: nobody keeps them."""
    applied = AppliedDevices.open(context, stack, profile, region)
    thing = applied.thing(name)
    held = applied.registry.certificates.of_thing(name)
    complete = {each.id for each in registered(held, applied.fleet)}
    certificates = [
        {
            "certificateId": each.id,
            "status": "ACTIVE" if each.active else "INACTIVE",
            "created": datetime.fromtimestamp(each.created, UTC).isoformat(timespec="seconds"),
            "registered": each.id in complete,
        }
        for each in sorted(held, key=lambda each: each.created)
    ]
    shadow = (applied.registry.shadows.document(name) or {}).get("state", {})
    if as_json:
        print_json({**document(thing, applied.fleet), "certificates": certificates, "shadow": shadow})
        return
    console = out()
    console.print(f"{name} of the stack {stack}, type {applied.fleet.type_of(thing.type_name)}")
    for title, pairs in (("Attribute", thing.attributes), ("Shadow", shadow)):
        table = Table(title, Column("Value", overflow="fold"))
        for key, value in sorted(pairs.items()):
            table.add_row(key, value if isinstance(value, str) else json.dumps(value))
        console.print(table)
    table = Table(Column("Certificate", overflow="fold"), "Status", "Created")
    for each in certificates:
        status = str(each["status"]) if each["registered"] else "incomplete"
        table.add_row(str(each["certificateId"]), status, str(each["created"]))
    console.print(table)


@app.command()
def rotate(
    context: typer.Context,
    name: Name,
    stack: StackName,
    directory: Directory = None,
    end_old: Annotated[
        bool, typer.Option("--end-old", help="Issue nothing: delete all certificates but the newest, if it works.")
    ] = False,
    end_old_after: Annotated[
        str | None,
        typer.Option(
            "--end-old-after",
            metavar="TIME",
            help="End the old certificate then, even if the new one was not used: 12h, 30d, or a date or time in UTC.",
            show_default=False,
        ),
    ] = None,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Hand out a new certificate and key; the old one works until it ends.

    It ends by itself once the device uses the new one, if the stack has devices.end_old_certificates, otherwise with
    --end-old.
    """
    if end_old and end_old_after:
        raise WrongUsage("--end-old ends the old certificates at once: give it without --end-old-after")
    if not end_old:
        _must_be_handed_out(directory, as_json)
    end_at = ending(end_old_after, datetime.now(UTC)) if end_old_after else None
    applied = AppliedDevices.open(context, stack, profile, region)
    if not end_old:
        _must_end_by_itself(applied, end_at)
        certificate = _rotate(applied, name, directory, end_at).certificate
        if directory is not None:
            out().print(f"{name}: certificate {certificate.id}, credentials in {directory}")
        say(_ends(applied, name, end_at))
        return
    ended = applied.access.end_old(name)
    if as_json:
        print_json({"thingName": name, "ended": ended})
    else:
        out().print(f"ended {count(len(ended), 'certificate')} of {name}")


@app.command()
def disable(
    context: typer.Context,
    names: Names,
    stack: StackName,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Deactivate the certificates of devices. AWS refuses their next connection, and ends open ones within minutes."""
    applied = AppliedDevices.open(context, stack, profile, region)
    _for_each(applied, names, lambda name: applied.access.set_enabled(name, enabled=False), "disabled", as_json)


@app.command()
def enable(
    context: typer.Context,
    names: Names,
    stack: StackName,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Activate the certificates of devices that were disabled."""
    applied = AppliedDevices.open(context, stack, profile, region)
    _for_each(applied, names, lambda name: applied.access.set_enabled(name, enabled=True), "enabled", as_json)


@app.command()
def delete(
    context: typer.Context,
    stack: StackName,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Names.", show_default=False)] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every device of the stack.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Delete devices: their certificates, shadows and things. Repeat it after an interruption."""
    if bool(names) == all_:
        raise WrongUsage("give names of devices, or --all")
    applied = AppliedDevices.open(context, stack, profile, region)
    chosen = [thing.name for thing in applied.all()] if all_ else list(dict.fromkeys(names or []))
    # All are looked up before the first is deleted: a wrong name stops everything.
    for name in () if all_ else chosen:
        applied.thing(name)
    if not yes and chosen:
        _ask(chosen)
    _for_each(applied, chosen, applied.removal.delete, "deleted", as_json)


def _must_be_handed_out(directory: Path | None, as_json: bool) -> None:
    if (directory is not None) == as_json:
        raise WrongUsage("give either --directory or --json: the credentials are handed out once")
    if as_json:
        output_file.standard_output(private=True)


def _hand_out(name: str, directory: Path | None, as_json: bool, issue: Callable[[str], Credentials]) -> None:
    """Make a key pair, have it certified, and write or print the credentials."""
    pair = keys.make(name)
    if directory is None:
        print_json(pair.completed(issue(pair.csr).fields()))
        return
    with keys.kept(directory, pair):
        credentials = pair.completed(issue(pair.csr).fields())
    keys.write(directory, credentials)
    if not as_json:
        out().print(f"{name}: certificate {credentials['certificateId']}, credentials in {directory}")


def _must_end_by_itself(applied: AppliedDevices, end_at: datetime | None) -> None:
    if end_at and applied.registry.rotations is None:
        raise Failed(
            f"certificates of the stack {applied.fleet.stack_name} don't end by themselves: apply it with "
            "devices.end_old_certificates, or leave out --end-old-after and end the old one with --end-old"
        )


def _ends(applied: AppliedDevices, name: str, end_at: datetime | None) -> str:
    """When the old certificate of a rotated device ends."""
    at_once = f"`thingbridge devices rotate {name} --end-old` ends it"
    if applied.registry.rotations is None:
        return f"The old certificate still works: {at_once}."
    latest = f" On {shown(end_at)} it ends in any case, while the new one is active." if end_at else ""
    return f"The old certificate still works, and ends once the new one is used; {at_once} at once.{latest}"


def _rotate(applied: AppliedDevices, name: str, directory: Path | None, end_at: datetime | None) -> Credentials:
    """Make a key pair, and write or print the credentials before their certificate can connect."""
    pair = keys.make(name)
    handed_out = keys.HandedOutAsJson(pair) if directory is None else keys.HandedOutInFiles(directory, pair)
    try:
        return applied.access.rotate(name, pair.csr, handed_out, end_at=end_at.timestamp() if end_at else None)
    except BaseException:
        if handed_out.left:
            say(
                f"The credentials {handed_out.left} may be valid, as their certificate could not be deleted. Keep "
                f"them, rotate {name} again, and use what that hands out: then --end-old ends this certificate too."
            )
        raise


def _attributes(pairs: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or name in found:
            raise WrongUsage(f"--attribute must be NAME=VALUE, each name once; got {pair}")
        found[name] = value
    return found


def _checked(applied: AppliedDevices, device: NewDevice) -> NewDevice:
    try:
        return checked(device, applied.fleet)
    except BadInput as error:
        options = {"name": "NAME", "type": "--type", "location": "--attribute location"}
        option = options.get(error.field, f"--attribute {error.field.removeprefix('attributes.')}")
        raise WrongUsage(f"{option} {error.reason}") from error


def _for_each(
    applied: AppliedDevices, names: Sequence[str], act: Callable[[str], Any], done: str, as_json: bool
) -> None:
    """Do something to each device, and report. Raises Failed at the end if it failed for any."""
    succeeded: list[str] = []
    failed: dict[str, str] = {}
    with progress(quiet=as_json) as bar:
        task = bar.add_task("devices", total=len(names))
        for name, _, reason in applied.each(dict.fromkeys(names), act):
            bar.advance(task)
            if reason:
                failed[name] = reason
            else:
                succeeded.append(name)
    if as_json:
        print_json({done: succeeded, "failed": failed})
    else:
        out().print(f"{done} {count(len(succeeded), 'device')}")
        for name, reason in list(failed.items())[:_SHOWN]:
            say(f"{name}: {reason}")
    if failed:
        raise Failed(f"{count(len(failed), 'device')} could not be {done}: run the command again")


def _ask(names: Sequence[str]) -> None:
    what = f"the device {names[0]}" if len(names) == 1 else f"{count(len(names), 'device')}"
    try:
        agreed = typer.confirm(plain(f"Delete {what}, with certificates and shadows?"), err=True)
    except typer.Abort:
        sys.stderr.write("\n")
        raise Failed("nothing was deleted: the question was not answered; --yes deletes without asking") from None
    if not agreed:
        raise Failed("nothing was deleted")
