"""The commands `thingbridge things …`: single things, and the outcome for their devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.table import Column, Table
from rich.text import Text

from cli import provisioning, silence
from cli.aws import AppliedStack, owner, sentence, stack_of
from cli.device_record import DeviceRecord, canonical, differences, fault, record, without_secrets
from cli.errors import Failed, WrongUsage
from cli.options import THING_TYPE, AsJson, Profile, Region, ShowKeys, StackName, ThingNames, ThingType
from cli.output import HIDDEN, count, fitted, out, plain, print_json, progress, say, shown
from cli.provisioning import READS_PER_SECOND
from thingbridge.aws.things import Thing
from thingbridge.errors import BadInput, ThingbridgeError
from thingbridge.registry.attributes import Attribute
from thingbridge.registry.status import FAILED, PROVISIONING, RETRYING

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
    Attribute.SUPPORTS_CLASS_B: "--supports-class-b",
    Attribute.SUPPORTS_CLASS_C: "--supports-class-c",
    Attribute.RX1_DELAY: "--rx1-delay",
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
ClassB = Annotated[bool, typer.Option("--supports-class-b", help="The device supports class B.")]
ClassC = Annotated[bool, typer.Option("--supports-class-c", help="The device supports class C.")]
Rx1Delay = Annotated[
    str | None, typer.Option("--rx1-delay", help="Seconds to the first receive window, 1 to 15.", show_default=False)
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the thing; the DevEUI by default.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the outcome of the device.")]
Timeout = Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait.")]


@app.command("list")
def list_(
    context: typer.Context,
    stack: StackName,
    profile: Profile = None,
    region: Region = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only those without their device, and why.")] = False,
    silent_for: Annotated[
        int | None,
        typer.Option(
            "--silent-for", min=1, help="Only those that sent, but not for so many minutes.", metavar="MINUTES"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the things of a stack. Keys are shown by `show --show-keys` and `export --show-keys`."""
    applied = AppliedStack.open(context, stack, profile, region)
    found = sorted(applied.all_things(), key=lambda thing: thing.name)
    if not found:
        applied.must_exist()
    if silent_for:
        silence.list_silent(applied, found, silent_for, as_json=as_json)
        return
    if failed:
        _list_failed(applied, found, as_json)
        return
    if as_json:
        print_json([_as_json(thing, keys=False) for thing in found])
        return
    rows = []
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
        rows.append((thing.name, *(of.get(each) or "–" for each in columns)))
    console = out()
    table, left_out = fitted(console, _LISTED, rows, _LISTED[2:])
    if found:
        console.print(table)
    if left_out:
        say(
            f"This terminal is too narrow for {', '.join(reversed(left_out))}: a wider one, a pipe or --json shows all."
        )
    say(f"{count(len(found), 'thing')} of the stack {stack}" if found else f"The stack {stack} has no things yet.")


@app.command()
def show(
    context: typer.Context,
    thing: Annotated[str, typer.Argument(help="Name of the thing.", show_default=False)],
    stack: StackName,
    profile: Profile = None,
    region: Region = None,
    show_keys: ShowKeys = False,
    log: Annotated[int, typer.Option("--log", min=0, max=1000, help="Number of log entries, the latest ones.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show one thing: its attributes, the outcome for its device, its shadow and its latest log entries."""
    applied = AppliedStack.open(context, stack, profile, region)
    found = applied.thing(thing)
    shadow = applied.shadows.reported(thing)
    entries = applied.things_log.entries(thing, log)
    if as_json:
        print_json(
            {**_as_json(found, keys=show_keys), "shadow": shadow, "log": [{**e, "at": _time(e["at"])} for e in entries]}
        )
        return
    console = out()
    where = f" of the stack {stack}, thing type {found.type_name or '–'}"
    console.print(Text.assemble((plain(thing), "bold"), plain(where)))
    console.print()
    attributes = shown(found.attributes, keys=show_keys)
    _print_pairs("Attribute", {name: HIDDEN if value is None else value for name, value in attributes.items()})
    device = shadow.pop(PROVISIONING, None)
    if isinstance(device, Mapping):
        console.print(f"Device: {provisioning.description(device)}")
        console.print()
    _print_pairs("Shadow lorawan", shadow)
    _print_log(entries)


@app.command()
def create(
    context: typer.Context,
    stack: StackName,
    dev_eui: DevEui,
    join_eui: JoinEui,
    lorawan_version: LorawanVersion,
    regional_parameters_version: RegionalParametersVersion,
    app_key: AppKey,
    nwk_key: NwkKey = None,
    device_id: DeviceId = None,
    frequency_plan_id: FrequencyPlan = None,
    class_b: ClassB = False,
    class_c: ClassC = False,
    rx1_delay: Rx1Delay = None,
    name: Name = None,
    thing_type: ThingType = THING_TYPE,
    wait: Wait = False,
    timeout: Timeout = 60,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Create a thing for a new device, which the stack then creates in The Things Stack."""
    values = {
        Attribute.DEV_EUI: dev_eui,
        Attribute.JOIN_EUI: join_eui,
        Attribute.LORAWAN_VERSION: lorawan_version,
        Attribute.REGIONAL_PARAMETERS_VERSION: regional_parameters_version,
        Attribute.APP_KEY: app_key,
        Attribute.NWK_KEY: nwk_key,
        Attribute.DEVICE_ID: device_id,
        Attribute.FREQUENCY_PLAN_ID: frequency_plan_id,
        Attribute.SUPPORTS_CLASS_B: "true" if class_b else None,
        Attribute.SUPPORTS_CLASS_C: "true" if class_c else None,
        Attribute.RX1_DELAY: rx1_delay,
    }
    device = _checked(values, name)
    applied = AppliedStack.open(context, stack, profile, region)
    _create(applied, device, thing_type, timeout if wait else None, as_json)


@app.command()
def claim(
    context: typer.Context,
    stack: StackName,
    dev_eui: DevEui,
    join_eui: JoinEui,
    code: ClaimCode,
    lorawan_version: Annotated[str | None, typer.Option(help="Such as 1.0.3, the default.")] = None,
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
    applied = AppliedStack.open(context, stack, profile, region)
    _create(applied, device, thing_type, timeout if wait else None, as_json)


@app.command()
def delete(
    context: typer.Context,
    things: ThingNames,
    stack: StackName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Delete things, and their devices in The Things Stack unless the stack retains them (on_thing_deleted)."""
    applied = AppliedStack.open(context, stack, profile, region)
    # All are read before the first is deleted: a wrong name stops everything.
    found = [applied.thing(name) for name in dict.fromkeys(things)]
    names = [thing.name for thing in found]
    shared = {thing.name: left for thing in found if (left := _left_for_device(applied, thing, names))}
    if not yes:
        _ask(names, shared)
    for name in names:
        applied.things.delete(name)
        if not as_json:
            device = _stays(shared[name]) if name in shared else "is deleted too, unless the stack retains devices"
            out().print(f"deleted {name}; its device {device}")
    if as_json:
        print_json({"deleted": names, **({"sharedDevices": shared} if shared else {})})


def _left_for_device(stack: AppliedStack, thing: Thing, deleted: Sequence[str]) -> list[str]:
    """The things that still stand for a thing's device when the others are deleted."""
    return [each.name for each in stack.things_of_device(thing.attributes) if each.name not in deleted]


def _stays(names: Sequence[str]) -> str:
    what = f"thing {names[0]} stands" if len(names) == 1 else f"things {', '.join(names)} stand"
    return f"stays, because the {what} for it too"


def _ask(names: Sequence[str], shared: Mapping[str, Sequence[str]]) -> None:
    """Ask whether to delete. Raises Failed unless the answer is yes."""
    what = "the thing" if len(names) == 1 else f"the {len(names)} things"
    devices = "its device" if len(names) == 1 else "their devices"
    question = f"Delete {what} {', '.join(names)}, and {devices} in The Things Stack too?"
    if shared:
        kept = "; ".join(f"the device of {name} {_stays(others)}" for name, others in shared.items())
        question = f"Delete {what} {', '.join(names)}? Devices are deleted too, except: {kept}."
    try:
        agreed = typer.confirm(plain(question), err=True)
    except typer.Abort:
        raise Failed("nothing was deleted: the question was not answered; --yes deletes without asking") from None
    if not agreed:
        raise Failed("nothing was deleted")


def _checked(values: Mapping[Attribute, str | None], name: str | None) -> DeviceRecord:
    try:
        return record({str(attribute): value for attribute, value in values.items()}, name)
    except BadInput as error:
        text = f"--name {error.reason}" if error.field == "thingName" else fault(error, OPTIONS)
        raise WrongUsage(text) from error


def _create(stack: AppliedStack, device: DeviceRecord, thing_type: str, timeout: float | None, as_json: bool) -> None:
    """Create the thing, and with a `timeout` wait for its device. A thing that exists with the same values is fine."""
    name = device.thing_name
    stack.must_exist()
    before = provisioning.read(stack, name) if timeout else None
    result = "created"
    existing = stack.things.describe(name)
    if existing is None:
        _must_be_the_only_one(stack, device)
        if not _create_thing(stack, device, thing_type):
            existing = stack.things.describe(name)
    if existing:
        _must_be_the_same(existing, device, stack.name)
        # Nothing happens to a thing that does not change: what its shadow reports already is the outcome.
        result, before = "unchanged", None
    answer: dict[str, Any] = {"thingName": name, "result": result}
    if not as_json:
        out().print(f"created the thing {name}" if result == "created" else f"the thing {name} already exists")
    if timeout is not None:
        answer[PROVISIONING] = outcome = provisioning.wait(stack, name, before, timeout)
        if outcome.get("state") == FAILED:
            if as_json:
                print_json(answer)
            raise Failed(f"the device was not created: {provisioning.description(outcome)}")
        if not as_json:
            out().print(f"Device: {provisioning.description(outcome)}")
    if as_json:
        print_json(answer)


def _create_thing(stack: AppliedStack, device: DeviceRecord, thing_type: str) -> bool:
    """As `AppliedStack.create`; AWS's refusal without the keys, which it may repeat."""
    try:
        return stack.create(device.thing_name, device.attributes, thing_type)
    except ThingbridgeError as error:
        raise Failed(without_secrets(sentence(error), device.attributes)) from error


def _must_be_the_only_one(stack: AppliedStack, device: DeviceRecord) -> None:
    """Raise Failed, naming it, when another thing has the device's DevEUI: one thing stands for a device."""
    dev_eui = device.attributes[Attribute.DEV_EUI]
    for other in stack.things.with_dev_eui(dev_eui):
        where = "" if stack_of(other) == stack.name else f" ({owner(other)})"
        raise Failed(f"the thing {other.name} has the DevEUI {dev_eui}{where}: use that thing, or delete it first")


def _must_be_the_same(existing: Thing, device: DeviceRecord, stack_name: str) -> None:
    if stack_of(existing) != stack_name:
        raise Failed(f"the name {existing.name} is taken: {owner(existing)}; choose another with --name")
    if differing := differences(canonical(device.attributes), canonical(existing.attributes)):
        raise Failed(
            f"the thing {existing.name} already exists with another {', '.join(differing)}: "
            "choose another name with --name"
        )


def _list_failed(stack: AppliedStack, things: Sequence[Thing], as_json: bool) -> None:
    """Things whose shadow reports a failure; each shadow is read."""
    named = {thing.name: thing for thing in things}
    found: dict[str, dict[str, Any]] = {}
    with progress(quiet=as_json) as bar:
        task = bar.add_task("reading shadows", total=len(named))
        for name, reported in provisioning.read_all(stack, named, stack.clock.pace(READS_PER_SECOND)):
            bar.advance(task)
            if isinstance(reported, dict) and reported.get("state") in (FAILED, RETRYING):
                found[name] = reported
    if as_json:
        print_json([{**_as_json(named[name], keys=False), PROVISIONING: reported} for name, reported in found.items()])
        return
    table = Table("Thing", "DevEUI", Column("Device", overflow="fold"))
    for name, reported in found.items():
        dev_eui = named[name].attributes.get(Attribute.DEV_EUI, "–")
        table.add_row(name, dev_eui, provisioning.description(reported))
    if found:
        out().print(table)
    verb = (
        "is without the device that it describes"
        if 1 in (len(found), len(named))
        else ("are without the device that they describe")
    )
    say(f"{len(found):,} of {count(len(named), 'thing')} {verb}")


def _as_json(thing: Thing, *, keys: bool) -> dict[str, Any]:
    return {
        "thingName": thing.name,
        "thingTypeName": thing.type_name,
        "attributes": shown(thing.attributes, keys=keys),
    }


def _print_pairs(title: str, pairs: Mapping[str, Any]) -> None:
    if not pairs:
        out().print(f"{title}: none yet")
        out().print()
        return
    table = Table(title, Column("Value", overflow="fold"))
    for name, value in pairs.items():
        table.add_row(name, (str(value)))
    out().print(table)


def _print_log(entries: list[dict[str, Any]]) -> None:
    if not entries:
        out().print("Log: no entries yet")
        return
    table = Table("Time", "Level", "Event", Column("Details", overflow="fold"))
    for entry in entries:
        rest = {name: value for name, value in entry.items() if name not in ("at", "level", "event")}
        details = ", ".join(f"{name} {value}" for name, value in rest.items())
        table.add_row(_time(entry["at"]), str(entry.get("level", "–")), str(entry.get("event", "–")), details)
    out().print(table)


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
