"""`make demo`: a device's whole life on both sides, on real engines, as a transcript with a summary at the end.

STEPS lists the steps in the order in which they run; each does one thing, shows the result, and notes what belongs in
the summary. Whatever happens, everything that was started is stopped.
"""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cli.output import count
from local import inspection
from local.demo_devices import DEVICES, own_certificate
from local.environment import APPLICATION, STACK_NAME, Environment, Say, clear
from local.inspection import eventually, payload_hex
from local.mqtt import Message, MqttConnection
from local.stack import OnProgress, Stack
from local.things_stack import profiles
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import UNIDENTIFIED
from thingbridge.messaging.topics import upstream
from thingbridge.registry.status import PROVISIONING

SENSOR = "soil-moisture-7"
GATE = "gate-12"
METER = "meter-3"
CLAIMABLE_JOIN_EUI = "70B3D57ED0000000"
JOIN_EUI = "70B3D57ED0000001"
UPLINKS_TIMED = 20
# The first call of a function starts a process for it.
PATIENCE = 30.0


@dataclass
class Demo:
    """What the steps share: where to write, the environment, and what goes into the summary."""

    console: Console
    environment: Environment
    topics: MqttConnection | None = None
    outputs: dict[str, Any] = field(default_factory=dict)
    summary: list[tuple[str, str]] = field(default_factory=list)
    sensor_eui: str = field(default_factory=lambda: f"70B3D57ED1{secrets.token_hex(3).upper()}")
    meter_eui: str = field(default_factory=lambda: f"70B3D57ED3{secrets.token_hex(3).upper()}")
    gate_eui: str = field(default_factory=lambda: f"70B3D57ED2{secrets.token_hex(3).upper()}")

    # Showing

    def say(self, text: str) -> None:
        """A line of the transcript."""
        self.console.print(f"  {text}")

    def show(self, subject: str, fields: Mapping[str, Any]) -> None:
        """A subject with its fields, one per line."""
        self.console.print(f"  [bold cyan]{subject}[/]")
        width = max(map(len, fields), default=0)
        for name, value in fields.items():
            shown = value if isinstance(value, str) else json.dumps(value)
            self.console.print(
                Text(f"    {name:<{width}}  ", style="dim").append(shown, style="default"), soft_wrap=True
            )

    def arrived(self, topic: str, condition: Callable[[Message], bool] | None = None) -> Message:
        """Wait for a message on a public topic and show its topic. Raises MqttError when none arrives."""
        assert self.topics
        message = self.topics.wait_for(topic, condition, timeout=PATIENCE)
        self.console.print(Text("  ◀ ", style="green").append(message.topic, style="bold green"))
        return message

    # Doing

    @property
    def network(self) -> Any:
        """The simulated LoRaWAN network."""
        return self.environment.things_stack.network

    def uplink(self, device: str, payload: bytes, **options: Any) -> dict[str, Any]:
        """A device sends. Returns what the network published, and when."""
        sent = self.network.uplink(APPLICATION, device, f_port=2, frm_payload=payload, **options)
        return dict(sent)

    def publish(self, topic: str, body: Mapping[str, Any]) -> None:
        """Publish on a topic of AWS IoT, as a user's program would."""
        assert self.topics
        self.console.print(
            Text("  ▶ ", style="yellow").append(topic, style="bold yellow").append(f"  {json.dumps(body)}")
        )
        self.topics.publish(topic, dict(body))

    @property
    def stack(self) -> Stack:
        """The stack of the environment, with devices that have certificates of their own besides."""
        stack, aws = self.environment.stack, self.environment.aws
        if aws.mqtt_port:
            stack.inputs["devices"] = {**DEVICES, "ca_certificate": aws.mqtt_authority()}
        return stack

    def device_ids(self, device: str) -> list[str]:
        """The servers of The Things Stack that have a device."""
        return inspection.devices(self.environment).get(device, [])


def apply(demo: Demo) -> None:
    """Apply the module as a user would, with IAM enforced."""
    stack = demo.stack
    demo.say(f"[dim]{stack.provider.explanation}[/]")
    with progress(demo.console, "terraform apply") as on_progress:
        seconds = stack.apply(on_progress)
    demo.outputs = stack.output()
    demo.summary.append(("terraform apply", f"{seconds:.0f} s, {count(len(stack.resources()), 'resource')}"))
    demo.say(f"applied in {seconds:.0f} s; AWS enforces IAM from here on")
    demo.show(
        "outputs (some)",
        {name: demo.outputs[name] for name in ("iot_endpoint", "things_log_group_name", "webhook_url")},
    )
    integration = eventually(
        "the integration in The Things Stack",
        lambda: connected(demo),
    )
    demo.say(f"The Things Stack posts its messages to that URL: [bold]{integration}[/]")
    demo.topics = demo.environment.aws.mqtt("demo")
    demo.topics.subscribe("lorawan/#")


def connected(demo: Demo) -> str:
    """The name of the application's connected integration; empty if there is none."""
    found = demo.environment.things_stack.integrations.all()
    return next((name for name, status in found.items() if status["state"] == "connected"), "")


def join_and_send(demo: Demo) -> None:
    """A device that was registered in the Console joins and sends: it becomes a thing."""
    demo.environment.things_stack.register_device(
        APPLICATION,
        device_id=SENSOR,
        dev_eui=demo.sensor_eui,
        join_eui=JOIN_EUI,
        app_key=secrets.token_hex(16),
    )
    demo.say(f"registered in The Things Stack: [bold]{SENSOR}[/], DevEUI {demo.sensor_eui}")
    demo.network.join(APPLICATION, SENSOR)
    demo.arrived(f"lorawan/{demo.sensor_eui}/join")
    demo.uplink(SENSOR, b"\x08\x35\x64", decoded_payload={"moisture": 21.01, "battery": 100}, gateways=2)
    uplink = demo.arrived(f"lorawan/{demo.sensor_eui}/uplink").json()["uplink_message"]
    demo.say(f"    {payload_hex(uplink['frm_payload'])} on FPort {uplink['f_port']} → {uplink['decoded_payload']}")
    thing = eventually("the thing", lambda: inspection.thing(demo.environment.aws, demo.sensor_eui))
    demo.show(f"thing {thing.name} (type {thing.type_name})", thing.attributes)
    shadow = eventually(
        "the uplink in the shadow",
        lambda: found if "rssi" in (found := inspection.shadow(demo.environment.aws, demo.sensor_eui)) else None,
    )
    demo.show("its shadow “lorawan”", shadow)


def downlink(demo: Demo) -> None:
    """A downlink is requested over MQTT, queued, sent and acknowledged."""
    demo.publish("lorawan/downlink", {"thingName": demo.sensor_eui, "bytes": "Kgc=", "fPort": 15, "confirmed": True})
    demo.arrived(f"lorawan/{demo.sensor_eui}/downlink/queued")
    demo.say("a Class A device receives only after it has sent, so it sends:")
    demo.uplink(SENSOR, b"\x08\x36\x64")
    demo.arrived(f"lorawan/{demo.sensor_eui}/downlink/sent")
    received = demo.network.received(APPLICATION, SENSOR)[-1]
    demo.say(f"    the device received {payload_hex(received['frm_payload'])} on FPort {received['f_port']}")
    demo.uplink(SENSOR, b"\x08\x37\x64")
    demo.arrived(f"lorawan/{demo.sensor_eui}/downlink/ack")
    demo.publish("lorawan/downlink", {"thingName": demo.sensor_eui, "bytes": "no base64", "fPort": 15})
    answer = demo.arrived(f"lorawan/{demo.sensor_eui}/downlink/rejected").json()
    demo.say(f"    an invalid request is answered: {answer['field']} {answer['reason']}")


def create_from_aws(demo: Demo) -> None:
    """A thing with LoRaWAN attributes becomes a device on all four servers of The Things Stack."""
    attributes = {
        "stackName": STACK_NAME,
        "deviceID": GATE,
        "devEUI": demo.gate_eui,
        "joinEUI": JOIN_EUI,
        "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a",
        "appKey": secrets.token_hex(16).upper(),
    }
    Things(demo.environment.aws.clients).create(GATE, attributes, demo.outputs["thing_type_name"])
    demo.show(f"CreateThing {GATE}", attributes | {"appKey": f"{attributes['appKey'][:4]}…"})
    started = time.monotonic()
    eventually("the device on four servers", lambda: len(demo.device_ids(GATE)) == 4, PATIENCE)
    demo.say(f"on the Identity, Join, Network and Application Server after {time.monotonic() - started:.1f} s")
    demo.network.join(APPLICATION, GATE)
    demo.arrived(f"lorawan/{GATE}/join")
    demo.uplink(GATE, b"\x01")
    demo.arrived(f"lorawan/{GATE}/uplink")
    demo.say("it joined with that key, and its messages carry the name of the thing")


def claim_from_aws(demo: Demo) -> None:
    """A thing with a claim code claims a device from its maker's Join Server outside the cluster."""
    code = secrets.token_hex(4).upper()
    demo.environment.things_stack.claimable(
        join_eui=CLAIMABLE_JOIN_EUI, dev_eui=demo.meter_eui, authentication_code=code
    )
    attributes = {
        "stackName": STACK_NAME,
        "deviceID": METER,
        "devEUI": demo.meter_eui,
        "joinEUI": CLAIMABLE_JOIN_EUI,
        "claimAuthenticationCode": code,
    }
    Things(demo.environment.aws.clients).create(METER, attributes, demo.outputs["thing_type_name"])
    demo.show(f"CreateThing {METER}", attributes | {"claimAuthenticationCode": f"{code[:2]}…"})
    reported = eventually(
        "the claim in the thing's shadow",
        lambda: inspection.shadow(demo.environment.aws, METER).get(PROVISIONING),
        PATIENCE,
    )
    demo.say(f"its shadow reports: provisioning {reported['state']}")
    demo.network.join(APPLICATION, METER)
    demo.arrived(f"lorawan/{METER}/join")


def delete_from_aws(demo: Demo) -> None:
    """Deleting the thing deletes the device."""
    Things(demo.environment.aws.clients).delete(GATE)
    demo.say(f"DeleteThing {GATE}")
    started = time.monotonic()
    eventually("the device's deletion", lambda: not demo.device_ids(GATE), PATIENCE)
    demo.say(f"deleted from all four servers after {time.monotonic() - started:.1f} s")
    events = eventually(
        "the log entries",
        lambda: found if len(found := log_of(demo, GATE)) >= 2 else None,
    )
    demo.show("its log stream", {str(number): brief(event) for number, event in enumerate(events, 1)})


def garbage(demo: Demo) -> None:
    """A malformed message is recorded and not retried, and the next one is handled."""
    topic = upstream(STACK_NAME, "uplink")
    demo.environment.aws.client("iot-data").publish(topic=topic, qos=1, payload=b"\xff\xfethis is not JSON")
    demo.say(f"published on {topic}: 18 bytes that are not JSON")
    (event, *_) = eventually("the record", lambda: log_of(demo, UNIDENTIFIED))
    demo.say(f"recorded: {brief(event)}")
    demo.uplink(SENSOR, b"\xaa")
    demo.arrived(f"lorawan/{demo.sensor_eui}/uplink", carries("qg=="))
    demo.show("messages waiting in queues", inspection.queues(demo.environment.aws, demo.outputs["queue_urls"]))


def latency(demo: Demo) -> None:
    """The time of an uplink from the network's publish to the public topic, with warm functions."""
    assert demo.topics
    taken = []
    for number in range(UPLINKS_TIMED):
        payload = bytes((0x70, number))
        sent = demo.uplink(SENSOR, payload)
        expected = sent["message"]["uplink_message"]["frm_payload"]
        got = demo.topics.wait_for(f"lorawan/{demo.sensor_eui}/uplink", carries(expected), timeout=PATIENCE)
        taken.append((got.received_at - sent["published_at"]) * 1000)
    taken.sort()
    middle, slowest = statistics.median(taken), taken[-1]
    demo.say(f"{UPLINKS_TIMED} uplinks, one after the other: median [bold]{middle:.0f} ms[/], slowest {slowest:.0f} ms")
    demo.summary.append(
        ("warm uplink, publish → lorawan/<thing>/uplink", f"{middle:.0f} ms (median of {UPLINKS_TIMED})")
    )


def destroy(demo: Demo) -> None:
    """Destroy: The Things Stack's configuration is removed, and what remains is shown."""
    stack = demo.stack
    with progress(demo.console, "terraform destroy") as on_progress:
        seconds = stack.destroy(on_progress)
    left = stack.resources()
    demo.summary.append(("terraform destroy", f"{seconds:.0f} s, {count(len(left), 'resource')} left"))
    demo.say(f"destroyed in {seconds:.0f} s")
    integrations = demo.environment.things_stack.integrations.all()
    demo.say(f"integrations left in The Things Stack: {', '.join(integrations) or 'none'}")
    aws = demo.environment.aws
    remaining = {
        "things": ", ".join(thing.name for thing in inspection.things(aws)) or "none",
        "their shadows": "yes" if inspection.shadow(aws, demo.sensor_eui) else "no",
        "thing types": ", ".join(each["thingTypeName"] for each in aws.client("iot").list_thing_types()["thingTypes"]),
        "devices in The Things Stack": ", ".join(inspection.devices(demo.environment)) or "none",
    }
    demo.show("what remains (a later apply adopts it)", remaining)
    if left or integrations:
        raise inspection.NotSeen(f"a clean destroy; left: {', '.join([*left, *integrations])}")


@dataclass(frozen=True)
class Step:
    """One step of the transcript."""

    title: str
    run: Callable[[Demo], None]


STEPS = (
    Step("Terraform applies the module, and The Things Stack connects", apply),
    Step("A device joins and sends: it becomes a thing", join_and_send),
    Step("A downlink is requested over MQTT: queued, sent, acknowledged", downlink),
    Step("A thing created in AWS becomes a device", create_from_aws),
    Step("A thing with a claim code claims a device", claim_from_aws),
    Step("Deleting the thing deletes the device", delete_from_aws),
    Step("A device with a certificate of its own registers, sends and is deleted", own_certificate),
    Step("A malformed message is recorded, and the next one is handled", garbage),
    Step("The latency of a warm uplink", latency),
    Step("Terraform destroys: what is removed, and what remains", destroy),
)


def start_hosted(directory: Path, say: Say) -> Environment:
    """An environment with a hosted The Things Stack: the open source claims no devices."""
    return Environment.start(directory, say, profile=profiles.HOSTED)


def run(
    console: Console,
    directory: Path,
    *,
    last_failure: Path,
    steps: Sequence[Step] = STEPS,
    start: Callable[[Path, Say], Environment] = start_hosted,
) -> None:
    """Start an environment in `directory`, run the steps and print the summary.

    Raises what a step raised. Everything that was started is stopped in any case; the logs of a failed run are kept in
    `last_failure`.
    """
    started = time.monotonic()
    demo: Demo | None = None
    _title(console, "AWS and The Things Stack start on this machine")
    try:
        environment = start(directory, lambda line: console.print(f"  {line}"))
        demo = Demo(console, environment)
        for number, step in enumerate(steps, 1):
            _title(console, f"{number} · {step.title}")
            step.run(demo)
    except BaseException:
        keep_logs(directory, last_failure)
        console.print(f"\n  [dim]stopping; the logs are kept in {last_failure}[/]")
        raise
    finally:
        with uninterrupted():
            if demo and demo.topics:
                demo.topics.close()
            clear(directory)
    shutil.rmtree(last_failure, ignore_errors=True)
    demo.summary.append(("everything, start to end", f"{time.monotonic() - started:.0f} s"))
    _title(console, "Summary")
    table = Table(show_header=False, box=None, padding=(0, 2))
    for what, result in demo.summary:
        table.add_row(what, f"[bold]{result}[/]")
    console.print(table)
    console.print("\n  [green]Everything has been stopped.[/] `make up` starts the same environment to work in.\n")


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A second Ctrl-C must not interrupt the clean-up."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def keep_logs(directory: Path, kept: Path) -> None:
    """Copy the logs of the environment in `directory` to `kept`, which the next failure replaces."""
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for log in (directory / "aws" / "aws.log", directory / "things-stack.log"):
        if log.exists():
            shutil.copy(log, kept)


def carries(frm_payload: str) -> Callable[[Message], bool]:
    """Whether an uplink carries this `frm_payload` (base64)."""
    return lambda message: message.json().get("uplink_message", {}).get("frm_payload") == frm_payload


def log_of(demo: Demo, thing_name: str) -> list[dict[str, Any]]:
    """The entries of a thing's log stream."""
    return inspection.log(demo.environment.aws, demo.outputs["things_log_group_name"], thing_name)


def brief(event: Mapping[str, Any]) -> str:
    """An entry of the log of things on one line."""
    rest = ", ".join(f"{name}: {value}" for name, value in event.items() if name not in ("at", "level", "event"))
    return f"{event.get('event', '')} ({rest})" if rest else str(event.get("event", ""))


@contextmanager
def progress(console: Console, what: str) -> Iterator[OnProgress]:
    """A line with Terraform's progress, while a person is watching."""
    with console.status(f"{what} …") as line:

        def show(done: int, total: int, address: str) -> None:
            shown = address.removeprefix("module.thingbridge.")
            line.update(f"{what}: {done} of {total}  [dim]{escape(shown)}[/]")

        yield show


def _title(console: Console, text: str) -> None:
    console.print()
    console.rule(f"[bold]{text}[/]", align="left", style="blue")
