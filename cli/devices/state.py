"""The commands `thingbridge devices state …`: a device's shadow, read from AWS on each call, and its desired state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.table import Column, Table

from cli.devices.applied import AppliedDevices, as_object
from cli.errors import Failed, WrongUsage
from cli.options import AsJson, Profile, Region, StackName
from cli.output import out, print_json
from thingbridge.aws.device_shadows import ShadowVersionConflict

app = typer.Typer(no_args_is_help=True, help="The state of a device: what is desired, what it reports.")

PARTS: Final = ("desired", "reported", "delta")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the thing.", show_default=False)]
Shadow = Annotated[str | None, typer.Option("--shadow", help="A named shadow; the classic one by default.")]


@app.command()
def get(
    context: typer.Context,
    name: Name,
    stack: StackName,
    shadow: Shadow = None,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Show what is desired of a device, what it reports, and the difference."""
    applied = AppliedDevices.open(context, stack, profile, region)
    applied.thing(name)
    _show(name, applied.registry.shadows.document(name, shadow), as_json)


@app.command("set")
def set_(
    context: typer.Context,
    name: Name,
    stack: StackName,
    desired: Annotated[
        str, typer.Argument(metavar="JSON", help='Such as {"reporting_interval": 30}; null removes a key.')
    ] = "{}",
    replace: Annotated[bool, typer.Option("--replace", help="Remove every other key of the desired state.")] = False,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", help="Remove this key; may be repeated.", show_default=False)
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", min=0, help="Write only if the shadow has this version.")
    ] = None,
    shadow: Shadow = None,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Change what is desired of a device: merged with what is desired already."""
    changes: dict[str, Any] = {**as_object(desired, "JSON"), **dict.fromkeys(remove or [])}
    if not changes and not replace:
        raise WrongUsage("give the desired state as a JSON object, --remove or --replace")
    applied = AppliedDevices.open(context, stack, profile, region)
    applied.thing(name)
    if replace:
        document = applied.registry.shadows.document(name, shadow) or {}
        now = document.get("state", {}).get("desired", {})
        # A null in desired removes a key, at any depth: what is not given is removed.
        changes = _replacing(now, changes)
        version = version if version is not None else document.get("version")
    try:
        applied.registry.shadows.update(name, {"desired": changes}, shadow, version=version)
    except ShadowVersionConflict as error:
        raise Failed(f"{error}: somebody changed it; `thingbridge devices state get {name}` shows it") from error
    _show(name, applied.registry.shadows.document(name, shadow), as_json)


def _replacing(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The changes that make a desired state equal to another one."""
    changes: dict[str, Any] = dict.fromkeys(set(now) - set(wanted))
    for key, value in wanted.items():
        before = now.get(key)
        nested = isinstance(value, dict) and isinstance(before, dict)
        changes[key] = _replacing(before, value) if nested else value
    return changes


def _show(name: str, document: Mapping[str, Any] | None, as_json: bool) -> None:
    state = (document or {}).get("state", {})
    found = {part: state.get(part) or {} for part in PARTS}
    version = (document or {}).get("version")
    if as_json:
        print_json({"thingName": name, "version": version, **found})
        return
    if document is None:
        out().print(f"{name} has no such shadow yet")
        return
    table = Table("Key", *(Column(part.capitalize(), overflow="fold") for part in PARTS))
    for key in sorted({key for part in found.values() for key in part}):
        table.add_row(key, *(json.dumps(found[part][key]) if key in found[part] else "–" for part in PARTS))
    out().print(table)
    out().print(f"version {version}")
