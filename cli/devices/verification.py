"""The command `thingbridge devices verify`: what must be in place for a device to work, step by step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

import typer
from rich.table import Column, Table

from cli.devices.applied import AppliedDevices, as_object
from cli.errors import Failed
from cli.options import AsJson, Profile, Region, StackName
from cli.output import out, print_json
from thingbridge.aws.broker import Broker
from thingbridge.aws.logs import Logs, function_log_group
from thingbridge.aws.topic_rules import TopicRule, TopicRules
from thingbridge.devices import topics
from thingbridge.devices.credentials import registered

PATIENCE: Final = 20.0
"""Seconds for the first invocation of a function and its log to be seen."""

_POLL: Final = 1.0


@dataclass(frozen=True)
class Step:
    """One step. `passed` is None for one that does not apply."""

    name: str
    passed: bool | None
    finding: str


def verify(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the thing.", show_default=False)],
    stack: StackName,
    message: Annotated[
        str | None,
        typer.Option("--message", help="Publish this JSON as a reading of the device, and wait for its function."),
    ] = None,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Check a device step by step: thing, certificate, policy, rule, shadow; with --message a reading and its log."""
    if message is not None:
        as_object(message, "--message")
    applied = AppliedDevices.open(context, stack, profile, region)
    steps = list(_steps(applied, name, message))
    if as_json:
        print_json([{"step": each.name, "passed": each.passed, "finding": each.finding} for each in steps])
    else:
        table = Table("", "Step", Column("Finding", overflow="fold"))
        for each in steps:
            table.add_row({True: "✓", False: "✗", None: "–"}[each.passed], each.name, each.finding)
        out().print(table)
    if wrong := [each.name for each in steps if each.passed is False]:
        raise Failed(f"{name} does not pass: {', '.join(wrong)}")


def _steps(applied: AppliedDevices, name: str, message: str | None) -> Iterator[Step]:
    thing = applied.registry.find(name)
    if thing is None:
        yield Step("thing", False, f"does not exist: `thingbridge devices create {name}` registers it")
        return
    type_name = str(applied.fleet.type_of(thing.type_name))
    yield Step("thing", True, f"{thing.arn}, type {type_name}")
    held = applied.registry.certificates.of_thing(name)
    active = [each for each in held if each.active]
    states = ", ".join(f"{each.id[:12]}… {'ACTIVE' if each.active else 'INACTIVE'}" for each in held)
    yield Step("certificate", bool(active), states or "none: `thingbridge devices create` completes the registration")
    carrying = registered(active, applied.fleet)
    yield Step("policy", bool(carrying), applied.fleet.policy if carrying else "no active certificate carries it")
    topic = topics.sensor(applied.fleet.stack_name, type_name, name)
    rules = TopicRules(applied.clients).for_topic(topic)
    enabled = [each for each in rules if each.enabled]
    yield Step("rule", bool(enabled), ", ".join(each.name for each in enabled) or f"no rule reads {topic}")
    if message is not None:
        yield from _reading(applied, topic, message, enabled)
    shadow = applied.registry.shadows.document(name)
    expected = applied.fleet.types[type_name].initial_shadow
    found = f"version {shadow.get('version')}" if shadow else "none"
    yield Step("shadow", bool(shadow) or (None if not expected else False), found)


def _reading(applied: AppliedDevices, topic: str, message: str, rules: list[TopicRule]) -> Iterator[Step]:
    since, deadline = time.time(), applied.clock.now() + PATIENCE
    Broker(applied.clients).publish(topic, message.encode())
    yield Step("message", True, f"published on {topic}")
    functions = sorted({function for rule in rules for function in rule.functions})
    if not functions:
        yield Step("function", None, "no rule invokes a function")
        return
    logs, silent = Logs(applied.clients), functions
    while silent and applied.clock.now() < deadline:
        silent = [each for each in silent if not logs.entries(function_log_group(each), since)]
        if silent:
            applied.clock.sleep(_POLL)
    heard = [each for each in functions if each not in silent]
    finding = f"{', '.join(heard)} logged" if not silent else f"{', '.join(silent)} logged nothing in {PATIENCE:g} s"
    yield Step("function", not silent, finding)
