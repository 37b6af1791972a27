"""The commands `thingbridge things …`: single things, and what became of their devices."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Column, Table

from cli.aws import NameTaken, StackAccess, Thing, whose
from cli.device_record import DeviceRecord, canonical, differences, fault, record
from cli.errors import Failed, NotKnownInTime
from cli.options import THING_TYPE, AsJson, Profile, Region, ShowKeys, StackName, ThingNames, ThingType
from cli.outcomes import FAILED, LOOK_EVERY, LOOKS_A_SECOND, PROVISIONING, RETRYING, described, is_outcome, look
from cli.output import HIDDEN, out, print_json, progress, say, shown
from thingbridge.errors import BadInput
from thingbridge.pacing import TokenBucket
from thingbridge.registry.attributes import Attribute

app = typer.Typer(no_args_is_help=True, help="Single things of a stack and their devices.")

OPTIONS: Final = {
    Attribute.DEV_EUI: "--dev-eui",
    Attribute.JOIN_EUI: "--join-eui",
    Attribute.LORAWAN_VERSION: "--lorawan-version",
    Attribute.REGIONAL_PARAMETERS_VERSION: "--regional-parameters-version",
    Attribute.APP_KEY: "--app-key",
    Attribute.NWK_KEY: "--nwk-key",
    Attribute.DEVICE_ID: "--device-id",
    Attribute.FREQUENCY_PLAN_ID: "--frequency-plan-id",
    Attribute.CLAIM_AUTHENTICATION_CODE: "--code",
}

_LISTED: Final = ("Thing", "DevEUI", "Device", "LoRaWAN", "Regional", "Frequency plan")

DevEui = Annotated[str, typer.Option("--dev-eui", help="16 hexadecimal digits.", show_default=False)]
JoinEui = Annotated[
    str, typer.Option("--join-eui", help="JoinEUI or AppEUI, 16 hexadecimal digits.", show_default=False)
]
AppKey = Annotated[
    str, typer.Option("--app-key", envvar="THINGBRIDGE_APP_KEY", help="32 hexadecimal digits.", show_default=False)
]
NwkKey = Annotated[
    str | None,
    typer.Option("--nwk-key", envvar="THINGBRIDGE_NWK_KEY", help="32 hexadecimal digits; from LoRaWAN 1.1 on."),
]
ClaimCode = Annotated[
    str,
    typer.Option("--code", envvar="THINGBRIDGE_CLAIM_CODE", help="Claim authentication code.", show_default=False),
]
LorawanVersion = Annotated[str, typer.Option("--lorawan-version", help="Such as 1.0.3.", show_default=False)]
RegionalParametersVersion = Annotated[
    str, typer.Option("--regional-parameters-version", help="Such as 1.0.3-a or RP002-1.0.4.", show_default=False)
]
DeviceId = Annotated[str | None, typer.Option("--device-id", help="Device id; eui-<DevEUI> by default.")]
FrequencyPlan = Annotated[
    str | None, typer.Option("--frequency-plan-id", help="Frequency plan; that of the AWS region by default.")
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the thing; the DevEUI by default.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it is known what became of the device.")]
Timeout = Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait.")]


@app.command("list")
def list_(
    stack: StackName,
    profile: Profile = None,
    region: Region = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only those whose device was not made, and why.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the things of a stack. Keys are in `show --show-keys` and `export --show-keys`."""
    access = StackAccess(stack, profile=profile, region=region)
    found = sorted(access.things(), key=lambda thing: thing.name)
    if not found:
        access.must_exist()
    if failed:
        _list_failed(access, found, as_json)
        return
    if as_json:
        print_json([_told(thing, keys=False) for thing in found])
        return
    table = Table(*(Column(each, overflow="fold") for each in _LISTED))
    for thing in found:
        of = canonical(thing.attributes) | {
            name: thing.attributes.get(name, "")
            for name in (Attribute.LORAWAN_VERSION, Attribute.REGIONAL_PARAMETERS_VERSION)
        }
        columns = (
            Attribute.DEV_EUI,
            Attribute.DEVICE_ID,
            Attribute.LORAWAN_VERSION,
            Attribute.REGIONAL_PARAMETERS_VERSION,
            Attribute.FREQUENCY_PLAN_ID,
        )
        table.add_row(thing.name, *(escape(of.get(each) or "–") for each in columns))
    if found:
        out().print(table)
    say(f"{len(found)} things of the stack {stack}" if found else f"The stack {stack} has no things yet.")


@app.command()
def show(
    thing: Annotated[str, typer.Argument(help="Name of the thing.", show_default=False)],
    stack: StackName,
    profile: Profile = None,
    region: Region = None,
    show_keys: ShowKeys = False,
    log: Annotated[int, typer.Option("--log", min=0, max=1000, help="How many of the last log entries.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show one thing: its attributes, what became of its device, its shadow and the end of its log."""
    access = StackAccess(stack, profile=profile, region=region)
    found = access.thing(thing)
    shadow = access.shadow(thing)
    entries = access.log(thing, log)
    if as_json:
        print_json(
            {**_told(found, keys=show_keys), "shadow": shadow, "log": [{**e, "at": _time(e["at"])} for e in entries]}
        )
        return
    console = out()
    console.print(f"[bold]{escape(thing)}[/] of the stack {stack}, thing type {escape(found.type_name or '–')}\n")
    attributes = shown(found.attributes, keys=show_keys)
    _print_pairs("Attribute", {name: HIDDEN if value is None else value for name, value in attributes.items()})
    provisioning = shadow.pop(PROVISIONING, None)
    if isinstance(provisioning, Mapping):
        console.print(f"Device: {described(provisioning)}\n")
    _print_pairs("Shadow lorawan", shadow)
    _print_log(entries)


@app.command()
def create(
    stack: StackName,
    dev_eui: DevEui,
    join_eui: JoinEui,
    lorawan_version: LorawanVersion,
    regional_parameters_version: RegionalParametersVersion,
    app_key: AppKey,
    nwk_key: NwkKey = None,
    device_id: DeviceId = None,
    frequency_plan_id: FrequencyPlan = None,
    name: Name = None,
    thing_type: ThingType = THING_TYPE,
    wait: Wait = False,
    timeout: Timeout = 60,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Create a thing for a new device, which the stack then makes in The Things Stack."""
    values = {
        Attribute.DEV_EUI: dev_eui,
        Attribute.JOIN_EUI: join_eui,
        Attribute.LORAWAN_VERSION: lorawan_version,
        Attribute.REGIONAL_PARAMETERS_VERSION: regional_parameters_version,
        Attribute.APP_KEY: app_key,
        Attribute.NWK_KEY: nwk_key,
        Attribute.DEVICE_ID: device_id,
        Attribute.FREQUENCY_PLAN_ID: frequency_plan_id,
    }
    device = _checked(values, name)
    _make(StackAccess(stack, profile=profile, region=region), device, thing_type, timeout if wait else None, as_json)


@app.command()
def claim(
    stack: StackName,
    dev_eui: DevEui,
    join_eui: JoinEui,
    code: ClaimCode,
    lorawan_version: Annotated[str | None, typer.Option(help="Such as 1.0.3, which is the default.")] = None,
    regional_parameters_version: Annotated[str | None, typer.Option(help="Such as 1.0.3-a, the default.")] = None,
    device_id: DeviceId = None,
    frequency_plan_id: FrequencyPlan = None,
    name: Name = None,
    thing_type: ThingType = THING_TYPE,
    wait: Wait = False,
    timeout: Timeout = 60,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Create a thing for a device that the stack then claims from its Join Server."""
    values = {
        Attribute.DEV_EUI: dev_eui,
        Attribute.JOIN_EUI: join_eui,
        Attribute.CLAIM_AUTHENTICATION_CODE: code,
        Attribute.LORAWAN_VERSION: lorawan_version,
        Attribute.REGIONAL_PARAMETERS_VERSION: regional_parameters_version,
        Attribute.DEVICE_ID: device_id,
        Attribute.FREQUENCY_PLAN_ID: frequency_plan_id,
    }
    device = _checked(values, name)
    _make(StackAccess(stack, profile=profile, region=region), device, thing_type, timeout if wait else None, as_json)


@app.command()
def delete(
    things: ThingNames,
    stack: StackName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Delete things. Their devices in The Things Stack go too, unless the stack retains them (on_thing_deleted)."""
    access = StackAccess(stack, profile=profile, region=region)
    # All are looked at before the first is deleted: a wrong name stops everything.
    names = [access.thing(name).name for name in dict.fromkeys(things)]
    if not yes:
        what = "the thing" if len(names) == 1 else f"the {len(names)} things"
        whose_devices = "its device" if len(names) == 1 else "their devices"
        question = f"Delete {what} {', '.join(names)}, and {whose_devices} in The Things Stack too?"
        try:
            agreed = typer.confirm(question, err=True)
        except typer.Abort:
            raise Failed("nothing was deleted: nobody is there to be asked; --yes answers") from None
        if not agreed:
            raise Failed("nothing was deleted")
    for name in names:
        access.delete(name)
        if not as_json:
            out().print(f"deleted {escape(name)}; its device goes too, unless the stack retains devices")
    if as_json:
        print_json({"deleted": names})


def _checked(values: Mapping[Attribute, str | None], name: str | None) -> DeviceRecord:
    try:
        return record({str(attribute): value for attribute, value in values.items()}, name)
    except BadInput as error:
        told = "--name" if error.field == "thingName" else None
        raise Failed(f"{told} {error.reason}" if told else fault(error, OPTIONS)) from error


def _make(access: StackAccess, device: DeviceRecord, thing_type: str, timeout: float | None, as_json: bool) -> None:
    """Create the thing, and with a `timeout` wait for the device; one that is there already with the same is fine."""
    name = device.thing_name
    access.must_exist()
    before = access.shadow(name).get(PROVISIONING) if timeout else None
    result = "created"
    existing = access.describe(name)
    if existing is None:
        try:
            access.create(name, device.attributes, thing_type)
        except NameTaken:
            existing = access.describe(name)
    if existing:
        _must_be_the_same(existing, device, access.stack_name)
        # Nothing happens to a thing that stays as it is: what is told of it is the outcome.
        result, before = "unchanged", None
    answer: dict[str, Any] = {"thingName": name, "result": result}
    if not as_json:
        out().print(
            f"{result} the thing {escape(name)}" if result == "created" else f"the thing {escape(name)} is there"
        )
    if timeout is not None:
        answer[PROVISIONING] = outcome = _outcome(access, name, before, timeout)
        if outcome["state"] == FAILED:
            if as_json:
                print_json(answer)
            raise Failed(f"the device was not made: {described(outcome)}")
        if not as_json:
            out().print(f"Device: {described(outcome)}")
    if as_json:
        print_json(answer)


def _must_be_the_same(existing: Thing, device: DeviceRecord, stack_name: str) -> None:
    if existing.stack_name != stack_name:
        raise Failed(f"the name {existing.name} is taken: {whose(existing)}; choose another with --name")
    if other := differences(canonical(device.attributes), canonical(existing.attributes)):
        raise Failed(f"the thing {existing.name} is there with another {', '.join(other)}: choose another with --name")


def _outcome(access: StackAccess, name: str, before: Any, timeout: float) -> dict[str, Any]:
    """What the stack tells of the device once it is done with it. NotKnownInTime after `timeout` seconds.

    `before`: what was told before the thing was created. The shadow of an earlier thing of the name may still be there.
    """
    deadline = time.monotonic() + timeout
    while True:
        told = access.shadow(name).get(PROVISIONING)
        if is_outcome(told, before):
            return dict(told)
        if time.monotonic() >= deadline:
            now = f", so far: {described(told)}" if isinstance(told, dict) and told != before else ""
            raise NotKnownInTime(
                f"nothing is known of the device after {timeout:g} s{now}; "
                f"`thingbridge things show {name}` shows it when it is"
            )
        time.sleep(LOOK_EVERY)


def _list_failed(access: StackAccess, things: Sequence[Thing], as_json: bool) -> None:
    """Things whose shadow tells of a failure; each shadow is read."""
    named = {thing.name: thing for thing in things}
    found: dict[str, dict[str, Any]] = {}
    with progress(quiet=as_json) as bar:
        task = bar.add_task("reading shadows", total=len(named))
        for name, told in look(access, named, TokenBucket(rate=LOOKS_A_SECOND)):
            bar.advance(task)
            if isinstance(told, dict) and told.get("state") in (FAILED, RETRYING):
                found[name] = told
    if as_json:
        print_json([{**_told(named[name], keys=False), PROVISIONING: told} for name, told in found.items()])
        return
    table = Table("Thing", "DevEUI", Column("What became of its device", overflow="fold"))
    for name, told in found.items():
        table.add_row(escape(name), escape(named[name].attributes.get(Attribute.DEV_EUI, "–")), escape(described(told)))
    if found:
        out().print(table)
    say(f"{len(found):,} of {len(named):,} things have no device as they describe it")


def _told(thing: Thing, *, keys: bool) -> dict[str, Any]:
    return {
        "thingName": thing.name,
        "thingTypeName": thing.type_name,
        "attributes": shown(thing.attributes, keys=keys),
    }


def _print_pairs(title: str, pairs: Mapping[str, Any]) -> None:
    if not pairs:
        out().print(f"{title}: nothing yet\n")
        return
    table = Table(title, Column("Value", overflow="fold"))
    for name, value in pairs.items():
        table.add_row(escape(name), escape(str(value)))
    out().print(table)


def _print_log(entries: list[dict[str, Any]]) -> None:
    if not entries:
        out().print("Log: nothing yet")
        return
    table = Table("Time", "Level", "Event", Column("Details", overflow="fold"))
    for entry in entries:
        rest = {name: value for name, value in entry.items() if name not in ("at", "level", "event")}
        details = ", ".join(f"{name} {value}" for name, value in rest.items())
        table.add_row(
            _time(entry["at"]), str(entry.get("level", "–")), escape(str(entry.get("event", "–"))), escape(details)
        )
    out().print(table)


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
