"""The `thingbridge-local` command: the local environment for people and for make.

It parses, calls one function and prints; what it calls is in local/environment.py, inspection.py and demo.py.
Every error that a person can act on is one sentence, and exit code 2 for an argument that can't be used, 1 otherwise.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import requests
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from local import demo as transcript
from local import inspection, showing, terraform
from local.aws import OWN_ENDPOINT
from local.environment import APPLICATION, ENVIRONMENTS, Environment, NotUp, OtherThingsStack, clear
from local.inspection import NotSeen, payload_hex, readable
from local.mqtt import MqttError
from local.own_things_stack import OwnThingsStack, Unusable
from local.processes import Running, StartFailed, collected
from local.stack import TerraformError
from local.things_stack import Dropped
from local.things_stack.control.client import ControlError
from thingbridge.aws.broker import Broker
from thingbridge.errors import ThingbridgeError
from thingbridge.messaging.topics import DOWNLINK_REQUEST


@dataclass(frozen=True)
class Directories:
    """Where environments are kept; a caller may give its own as click's `obj`."""

    environments: Path = ENVIRONMENTS

    @property
    def up(self) -> Path:
        """The environment that `up` starts and the other commands use."""
        return self.environments / "up"

    @property
    def demo(self) -> Path:
        """The environment of `demo`."""
        return self.environments / "demo"

    @property
    def last_failure(self) -> Path:
        """The logs of the last `demo` that failed."""
        return self.environments / "last-failure"

    @classmethod
    def of(cls, context: typer.Context) -> Directories:
        """The directories that the command was started with."""
        return context.find_object(cls) or cls()


class WrongInput(Exception):
    """An argument can't be used; the message is a sentence."""


class NotThere(Exception):
    """What an argument names does not exist; the message is a sentence."""


EXPECTED = (
    NotUp,
    OtherThingsStack,
    Unusable,
    NotThere,
    NotSeen,
    StartFailed,
    TerraformError,
    terraform.ProviderNotFound,
    WrongInput,
    MqttError,
    Dropped,
    ControlError,
    ClientError,
    BotoCoreError,
    ThingbridgeError,
    requests.ConnectionError,
)

app = typer.Typer(
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    help="AWS and The Things Stack on this machine, joined by Thingbridge.",
)
# A pipe or a build's log has no width: this is wide enough that no table is cut.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 130)
err = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
FPort = Annotated[int, typer.Option("--f-port", min=1, max=255, help="LoRaWAN port.")]
Hex = Annotated[str | None, typer.Option("--hex", help="Payload in hexadecimal.")]
Base64 = Annotated[str | None, typer.Option("--base64", help="Payload in base64.")]
JsonObject = Annotated[str | None, typer.Option("--json", help="Decoded payload: a JSON object.")]
Confirmed = Annotated[bool, typer.Option("--confirmed", help="Request an acknowledgement.")]


@app.command()
def demo(context: typer.Context) -> None:
    """Run through everything once, and leave nothing running."""
    directories = Directories.of(context)
    with collected() as started:
        try:
            transcript.run(out, directories.demo, last_failure=directories.last_failure)
        finally:
            _stop(started)


@app.command()
def up(context: typer.Context) -> None:
    """Start the environment and keep it running; run it again to apply changes."""
    directory = Directories.of(context).up
    own = OwnThingsStack.named(os.environ)
    if own:
        own.check()
    with _all_or_nothing(directory):
        environment = Environment.start(directory, out.print, own, outlives=True)
        stack = environment.stack
        out.print(f"[dim]{stack.provider.explanation}[/]")
        with transcript.progress(out, "terraform apply") as on_progress:
            seconds = stack.apply(on_progress)
    out.print(f"Thingbridge: applied in {seconds:.0f} s, configuration in {showing.short(directory / 'stack')}\n")
    out.print("Try (with `.venv/bin/` in front, or after `source .venv/bin/activate`):")
    for command, what in showing.tries(own=environment.own is not None):
        out.print(Text(f"  {command:<48}", style="bold").append(what, style="default"))
    out.print("\n`make status` shows what runs, `make down` stops it.")


@app.command()
def down(context: typer.Context) -> None:
    """Stop everything that was started here, also after a crash, and delete its state."""
    directories = Directories.of(context)
    with _continued_by("make down"):
        found = [directory for directory in (directories.up, directories.demo) if clear(directory, out.print)]
    out.print("Stopped; nothing is left running." if found else "Nothing was up.")


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """What runs, and what is in it; exit code 1 when it is not up."""
    found = inspection.status(Environment.load(Directories.of(context).up))
    if as_json:
        _print_json(found)
    else:
        showing.status(found)
    if not all(process["running"] for process in found["processes"]):
        raise typer.Exit(1)


@app.command()
def env(context: typer.Context) -> None:
    """Shell lines that point the AWS CLI, any SDK and Terraform to this AWS: eval "$(thingbridge-local env)"."""
    settings = _running(context).aws.settings()
    settings[OWN_ENDPOINT] = settings["AWS_ENDPOINT_URL"]
    for name, value in (settings | terraform.for_shells(os.environ)).items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def join(
    context: typer.Context,
    device: str,
    dev_eui: Annotated[str | None, typer.Option(help="DevEUI of a new device.")] = None,
) -> None:
    """A device joins the network; a new one is registered first, as in the Console."""
    environment = _running(context)
    if device not in inspection.devices(environment):
        dev_eui = dev_eui or f"70B3D57ED0{secrets.token_hex(3).upper()}"
        try:
            environment.things_stack.register_device(
                APPLICATION, device_id=device, dev_eui=dev_eui, app_key=secrets.token_hex(16)
            )
        except ValueError as error:
            raise WrongInput(str(error)) from error
        out.print(f"registered [bold]{escape(device)}[/] in The Things Stack, DevEUI {dev_eui}")
    joined = environment.things_stack.network.join(APPLICATION, device)
    ids = joined["message"]["end_device_ids"]
    out.print(f"joined: DevEUI {ids['dev_eui']}, DevAddr {ids['dev_addr']}")


@app.command()
def uplink(
    context: typer.Context,
    device: str,
    hex_: Hex = None,
    base64_: Base64 = None,
    decoded: JsonObject = None,
    f_port: FPort = 1,
    confirmed: Confirmed = False,
    gateways: Annotated[int, typer.Option(min=1, max=50, help="Number of gateways that receive it.")] = 1,
) -> None:
    """A device that has joined sends; without a payload it sends MAC commands only."""
    payload = _payload(hex_, base64_)
    sent = _running(context).things_stack.network.uplink(
        APPLICATION,
        device,
        f_port=f_port if payload else None,
        frm_payload=payload,
        decoded_payload=_object(decoded),
        confirmed=confirmed,
        gateways=gateways,
    )
    message = sent["message"]["uplink_message"]
    out.print(f"sent: {payload_hex(message.get('frm_payload'))}, frame counter {message.get('f_cnt', 0)}")


@app.command()
def downlink(
    context: typer.Context,
    thing: str,
    hex_: Hex = None,
    base64_: Base64 = None,
    payload: JsonObject = None,
    f_port: FPort = 1,
    confirmed: Confirmed = False,
    high_priority: Annotated[bool, typer.Option("--high-priority")] = False,
) -> None:
    """Request a downlink for a thing on lorawan/downlink; `watch` shows its progress."""
    request: dict[str, Any] = {"thingName": thing, "fPort": f_port}
    if payload is not None:
        request["payload"] = _object(payload)
    else:
        request["bytes"] = base64.b64encode(_payload(hex_, base64_)).decode()
    request |= {name: True for name, on in (("confirmed", confirmed), ("highPriority", high_priority)) if on}
    Broker(_running(context).aws.clients).publish(DOWNLINK_REQUEST, json.dumps(request).encode())
    out.print(f"requested on {DOWNLINK_REQUEST}: {escape(json.dumps(request))}", soft_wrap=True)


@app.command()
def watch(
    context: typer.Context,
    topic_filter: Annotated[str, typer.Argument(help="For instance thethings/# or lorawan/+/uplink.")] = "lorawan/#",
    count: Annotated[int | None, typer.Option(min=1, help="Number of messages after which to stop.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show messages on AWS IoT as they arrive, one line each, until Ctrl-C. With --json, the whole messages."""
    with (
        contextlib.suppress(KeyboardInterrupt),
        _running(context).aws.mqtt(f"watch-{secrets.token_hex(4)}") as connection,
    ):
        connection.subscribe(topic_filter)
        err.print(f"[dim]watching {escape(topic_filter)}; Ctrl-C ends it[/]")
        for number, message in enumerate(connection.stream(), 1):
            body = readable(message.payload)
            if as_json:
                line = {"topic": message.topic, "received_at": message.received_at, "payload": body}
                typer.echo(json.dumps(line))
            else:
                showing.line(message.received_at, message.topic, inspection.summary(body))
            if number == count:
                return


@app.command()
def things(context: typer.Context, as_json: AsJson = False) -> None:
    """The stack's things, with their devices and when they were last seen."""
    environment = _running(context)
    aws = environment.aws
    found = inspection.things(aws)
    shadows = {thing.name: inspection.shadow(aws, thing.name) for thing in found}
    if as_json:
        _print_json([{**inspection.as_json(thing), "shadow": shadows[thing.name]} for thing in found])
        return
    rows = [
        [thing.name]
        + [thing.attributes.get(name, "–") for name in ("devEUI", "deviceID")]
        + [str(shadows[thing.name].get(name, "–")) for name in ("lastSeen", "fCntUp", "rssi")]
        for thing in found
    ]
    if rows:
        showing.table(("Thing", "DevEUI", "Device", "Last seen", "Counter", "RSSI"), rows)
    elif environment.own:
        out.print("No things yet: a device of yours that joins or sends becomes one.")
    else:
        out.print("No things yet: `thingbridge-local join my-sensor` creates one.")


@app.command()
def thing(context: typer.Context, name: str, as_json: AsJson = False) -> None:
    """One thing: its attributes, its shadow and its log."""
    environment = _running(context)
    found = inspection.thing(environment.aws, name)
    if found is None:
        raise NotThere(f"the thing {name} does not exist: `thingbridge-local things` lists the existing ones")
    group = environment.stack.output().get("things_log_group_name", "")
    view = {
        "thing": inspection.as_json(found),
        "shadow": inspection.shadow(environment.aws, name),
        "log": inspection.log(environment.aws, group, name),
    }
    if as_json:
        _print_json(view)
        return
    for title, part in view.items():
        out.print(f"[bold cyan]{title}[/]")
        out.print_json(data=part)


@contextlib.contextmanager
def _all_or_nothing(directory: Path) -> Iterator[None]:
    """After Ctrl-C nothing runs that was not running before."""
    before = _is_up(directory)
    with collected() as started:
        try:
            yield
        except KeyboardInterrupt:
            if before:
                err.print("interrupted: what was up still runs, and `make up` applies the rest")
            else:
                err.print("interrupted; stopping what was started …")
                with transcript.uninterrupted():
                    clear(directory, err.print)
                _stop(started)
            raise


@contextlib.contextmanager
def _continued_by(command: str) -> Iterator[None]:
    """After Ctrl-C, says which command does what is left."""
    try:
        yield
    except KeyboardInterrupt:
        err.print(f"interrupted: `{command}` again does the rest")
        raise


def _stop(processes: Sequence[Running]) -> None:
    """Stop those whose start was interrupted before an environment had them; harmless for all others."""
    with transcript.uninterrupted():
        for process in processes:
            process.stop()


def _is_up(directory: Path) -> bool:
    try:
        return Environment.load(directory).alive
    except NotUp:
        return False


def _running(context: typer.Context) -> Environment:
    """The environment that is up. Raises NotUp when there is none, or it has ended."""
    environment = Environment.load(Directories.of(context).up)
    if not environment.alive:
        raise NotUp("the environment is no longer running: `make up` starts it again")
    return environment


def _payload(hex_: str | None, base64_: str | None) -> bytes:
    try:
        if hex_ is not None:
            return bytes.fromhex(hex_)
        return base64.b64decode(base64_ or "", validate=True)
    except ValueError as error:
        option, encoding = ("--base64", "base64") if hex_ is None else ("--hex", "hexadecimal")
        raise WrongInput(f"{option} must be {encoding}; got {hex_ or base64_!r}") from error


def _object(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise WrongInput(f"--json must be a JSON object such as '{{\"temperature\": 21.5}}'; got {text!r}")
    return value


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, default=str))


def _sentence(error: BaseException) -> str:
    if isinstance(error, requests.ConnectionError):
        return "the simulated Things Stack does not answer: `make status` shows what runs"
    return str(error) or type(error).__name__


def main(words: Sequence[str] | None = None, directories: Directories | None = None) -> None:
    """The console script. Ctrl-C and SIGTERM end a command in the same way: what it started is stopped first.

    `words`: the command line without the program, by default the process's own.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(words, prog_name="thingbridge-local", obj=directories)
    except EXPECTED as error:
        err.print(f"[bold red]✗[/] {escape(_sentence(error))}", soft_wrap=True)
        sys.exit(2 if isinstance(error, WrongInput) else 1)


if __name__ == "__main__":
    main()
