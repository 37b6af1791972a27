"""What `thingbridge-local` shows to a person: lines of messages, tables, and what to try. What it is: inspection.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from cli.output import fitted, out, plain


def line(at: float, topic: str, text: str) -> None:
    """A message in one line, with the time and a colour for its topic. It ends where the terminal does; in a pipe it is
    complete."""
    time = datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
    console = out()
    message = Text.assemble((time, "dim"), "  ", (plain(topic), _colour(topic)), "  ", plain(text))
    terminal = console.is_terminal
    console.print(message, no_wrap=True, overflow="ellipsis", crop=terminal, soft_wrap=not terminal)


def _colour(topic: str) -> str:
    """Uplinks and joins are green, downlinks yellow, failures red."""
    if topic.endswith(("rejected", "failed", "nack", "invalidated")):
        return "bold red"
    return "bold yellow" if "/downlink" in topic else "bold green"


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table that is no wider than the terminal: long cells continue in the next line."""
    console = out()
    console.print(fitted(console, names, rows, ())[0])


def status(found: dict[str, Any]) -> None:
    """What runs, and what is in it, as `inspection.status` returns it."""
    console = out()
    processes = [
        (
            process["name"],
            "running" if process["running"] else "stopped",
            str(process["pid"] or "–"),
            process["address"],
            short(Path(process["log"])) if process["log"] else "–",
        )
        for process in found["processes"]
    ]
    table(("Process", "", "PID", "Address", "Log"), processes)
    for name, integration in found.get("integrations", {}).items():
        console.print(f"Integration {name}: {integration['state']} {integration['reason']}".rstrip(), soft_wrap=True)
    if found.get("devices"):
        rows = [(device, ", ".join(servers)) for device, servers in found["devices"].items()]
        table(("Device of The Things Stack", "Servers"), rows)
    if found.get("queues"):
        table(("Queue", "Waiting"), [(queue, str(waiting)) for queue, waiting in found["queues"].items()])
    for name, value in found["outputs"].items():
        if isinstance(value, str):
            console.print(Text(f"{name:<28}", style="dim").append(plain(value), style="default"), soft_wrap=True)


def tries(*, own: bool) -> Sequence[tuple[str, str]]:
    """Commands to try, with what they do; `own`: with a The Things Stack of one's own."""
    devices = (
        ("thingbridge-local join my-sensor", "a device joins (a new one is registered first)"),
        ("thingbridge-local uplink my-sensor --hex 0835", "it sends"),
    )
    return (
        ("thingbridge-local watch", "show every public message as it arrives"),
        *(() if own else devices),
        ("thingbridge-local things", "the things that exist now"),
        ("thingbridge-local downlink <thing> --hex 2a07", "request a downlink over MQTT"),
        ('eval "$(thingbridge-local env)"', "then any AWS tool uses this AWS"),
    )


def short(path: Path) -> str:
    """The path relative to the working directory, when it is below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
