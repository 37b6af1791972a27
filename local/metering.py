"""The meter: what an applied stack is charged for, from the events that the local AWS records (recorder.py).

What counts as a unit, and its price, are in cli/costs. What the local AWS can't show is derived from the configuration:
what Lambda logs for each invocation, and how long an invocation takes on AWS. `DERIVED` names these parts.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from cli.costs import metering
from cli.costs.downlinks import DOWNLINKS
from cli.costs.prices import Item
from cli.costs.uplinks import DIRECTORY, LOGS, MESSAGE_IN, MESSAGE_OUT, RULE, SHADOW, WAITING
from cli.costs.usage import Usage

Event = Mapping[str, Any]

DURATION: Final = (
    "processor time on this machine, divided by the share of a processor that the memory gives, and "
    f"{metering.ROUND_TRIP_MS:g} ms for each call, or pair of a publish and what is written for the shadow meanwhile"
)
PLATFORM_LOGS: Final = "the entries that Lambda is documented to write for each invocation"
DERIVED: Final = {"duration of functions": DURATION, "logs of Lambda itself": PLATFORM_LOGS}
"""What is not counted but derived, and how."""

REGISTRY: Final = "registry"
"""Part of operations on things, which a known device causes none of."""

CONDITION_FAILED: Final = "ConditionalCheckFailedException"
"""A refused write that DynamoDB charges for like one that succeeds: the table's rows have up to 1 KB here (DynamoDB
developer guide, "Condition expressions")."""

UPLINKS: Final = ("upstream", "webhook", "shadow")
"""Capabilities that an uplink passes through; how it comes in by MQTT is counted by its topic."""


@dataclass(frozen=True)
class Meter:
    """Reads the events of one stack from the file that `LocalAws(records=…)` writes.

    `capabilities`: only those of these capabilities, by the names of their functions, rules and queues, and of messages
    of The Things Stack. Empty: all.
    """

    records: Path
    stack_name: str
    capabilities: tuple[str, ...] = ()

    def mark(self) -> int:
        """The end of the events so far, for `since`."""
        return self.records.stat().st_size if self.records.exists() else 0

    def since(self, mark: int) -> list[Event]:
        """The stack's events after a mark."""
        with self.records.open("rb") as file:
            file.seek(mark)
            complete, _, _ = file.read().rpartition(b"\n")
        events = [json.loads(line) for line in complete.splitlines()]
        return [event for event in events if self._is_charged_for(event)]

    def is_quiet(self, seconds: float, mark: int = 0) -> bool:
        """Whether nothing has happened in the stack for some seconds."""
        return all(event["at"] < time.time() - seconds for event in self.since(mark))

    def _is_charged_for(self, event: Event) -> bool:
        kind = event["kind"]
        if kind == "mqtt":
            return str(event["topic"]).startswith(f"thethings/lorawan/{self.stack_name}/")
        if kind == "request" and event["status"] >= 400 and event.get("error") != CONDITION_FAILED:
            return False
        if kind == "request" and event["operation"] == "iot:Publish" and not event["by"]:
            # Admitted by the authorizer of a stack, which lets in only what is below its topic.
            return f"/thethings/lorawan/{self.stack_name}/" in unquote(event["path"])
        capability = capability_of(event, self.stack_name)
        return capability is not None and (not self.capabilities or capability in self.capabilities)


def capability_of(event: Event, stack_name: str) -> str | None:
    """The capability whose function, rule or queue causes an event, by its name; None for what is another's."""
    match event["kind"]:
        case "request":
            name = str(event["by"]).partition(":assumed-role/")[2].partition("/")[0]
        case "rule" | "action":
            name, stack_name = str(event["rule"]), stack_name.replace("-", "_")
        case "invocation":
            name = str(event["function"])
        case _:
            name = str(event.get("queue", "")).rpartition("/")[2]
    # AWS IoT takes no dash in the name of a rule.
    rest = name.replace("_", "-").removeprefix(f"{stack_name.replace('_', '-')}-")
    return rest.partition("-")[0].partition(".")[0] if rest != name.replace("_", "-") else None


def usage(events: Iterable[Event], stack_name: str) -> Usage:
    """What AWS charges for these events of a stack."""
    known, metered = list(events), Usage()
    for event in known:
        for part, item, units in _CHARGES[event["kind"]](event, stack_name):
            metered.add(part, item, units)
    for name, invocations in by_function(known, stack_name).items():
        first = invocations[0]
        milliseconds = duration(known, stack_name, name)
        gb_seconds = metering.gb_seconds(milliseconds, first["memory_mb"]) * len(invocations)
        metered.add(f"function {name}", metering.gb_second_item(first["architecture"]), gb_seconds)
    return metered


def by_function(events: Iterable[Event], stack_name: str) -> dict[str, list[Event]]:
    """The invocations of each function."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if event["kind"] == "invocation":
            found.setdefault(capability_of(event, stack_name) or "", []).append(event)
    return found


def duration(events: list[Event], stack_name: str, function: str) -> float:
    """Milliseconds that a warm invocation of a function is estimated to take on AWS."""
    invocations = by_function(events, stack_name)[function]
    warm = [each for each in invocations if not each["cold"]] or invocations
    # Where the system does not say what a process used, the time that passed: too much on a busy machine.
    spent = [each["processor_ms"] or each["milliseconds"] for each in warm]
    calls = [each for each in events if each["kind"] == "request" and capability_of(each, stack_name) == function]
    published = sum(each["operation"] == "iot:Publish" for each in calls)
    written = sum(part == SHADOW for each in calls for part, _, _ in _request(each, stack_name))
    waits = (len(calls) - min(published, written)) / len(invocations)
    return metering.duration_on_aws(statistics.median(spent), waits, warm[0]["memory_mb"])


Charge = tuple[str, Item, float]


def _request(event: Event, stack_name: str) -> list[Charge]:
    service, _, operation = str(event["operation"]).partition(":")
    if operation == "Publish":
        topic = unquote(event["path"]).removeprefix("/topics/")
        if topic.startswith("$aws/rules/"):
            return []  # Basic Ingest: the rule and its action alone ("Additional metering details")
        inbound = topic.startswith("thethings/")
        part = MESSAGE_IN if inbound else MESSAGE_OUT
        return [(part, Item.IOT_MESSAGE, metering.messages(event["bytes"]))]
    if service == "iot":
        if operation not in metering.BILLED_OPERATIONS:
            return []
        part = SHADOW if operation.endswith("Shadow") else REGISTRY
        return [(part, Item.IOT_OPERATION, metering.operations(event["bytes"]))]
    if service == "dynamodb":
        write = operation in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems")
        item = Item.DYNAMODB_WRITE if write else Item.DYNAMODB_READ
        part = next(
            (each for each in (DIRECTORY, WAITING, DOWNLINKS) if str(event.get("table")).endswith(f"-{each}")), SHADOW
        )
        return [(part, item, event.get("units") or (1.0 if event.get("error") == CONDITION_FAILED else 0.0))]
    if service == "sqs":
        fifo = str(event.get("queue", "")).endswith(".fifo")
        item = Item.SQS_FIFO_REQUEST if fifo else Item.SQS_REQUEST
        return [(_queue_part(event.get("queue", ""), stack_name), item, metering.queue_requests(event["bytes"]))]
    if service == "logs":
        return [(LOGS, Item.LOG_GB, metering.log_gb(event.get("entry_bytes", 0), event.get("entries", 0)))]
    single = {
        "secretsmanager": ("secrets", Item.SECRET_CALL),
        "kms": ("keys", Item.KMS_REQUEST),
        "sns": ("notifications", Item.SNS_PUBLISH),
    }
    return [(*single[service], 1)] if service in single else []


def _mqtt(event: Event, _stack_name: str) -> list[Charge]:
    # By MQTT, the topic counts as well ("Additional metering details").
    return [(MESSAGE_IN, Item.IOT_MESSAGE, metering.messages(event["bytes"] + len(event["topic"].encode())))]


def _rule(event: Event, _stack_name: str) -> list[Charge]:
    return [(RULE, Item.IOT_RULE, metering.messages(event["bytes"]))]


def _action(event: Event, stack_name: str) -> list[Charge]:
    charges = [(RULE, Item.IOT_ACTION, metering.messages(event["bytes"]))]
    if event["action"] == "sqs":
        # AWS IoT sends to the queue at the cost of the account; the local AWS does it without a request.
        queue = f"queue {capability_of(event, stack_name)}"
        charges.append((queue, Item.SQS_REQUEST, metering.queue_requests(event["bytes"])))
    if event.get("action") == "dynamoDBv2":
        # A new row: what the rule passes on.
        charges.append((DOWNLINKS, Item.DYNAMODB_WRITE, metering.write_units(event["bytes"])))
    return charges


def _invocation(event: Event, stack_name: str) -> list[Charge]:
    own = metering.log_gb(event["log_bytes"], event["log_entries"])
    return [
        (f"function {capability_of(event, stack_name)}", Item.LAMBDA_REQUEST, 1),
        (LOGS, Item.LOG_GB, metering.platform_log_gb(event["system_log_level"]) + own),
    ]


def _mapping(event: Event, stack_name: str) -> list[Charge]:
    fifo = event["queue"].endswith(".fifo")
    item = Item.SQS_FIFO_REQUEST if fifo else Item.SQS_REQUEST
    return [(_queue_part(event["queue"], stack_name), item, metering.queue_requests(event.get("bytes", 0)))]


def _queue_part(queue_url: str, stack_name: str) -> str:
    name = queue_url.rpartition("/")[2].removesuffix(".fifo").removeprefix(f"{stack_name}-")
    return SHADOW if name == "shadow" else f"queue {name}"


_CHARGES: Final[dict[str, Callable[[Event, str], list[Charge]]]] = {
    "request": _request,
    "mqtt": _mqtt,
    "rule": _rule,
    "action": _action,
    "invocation": _invocation,
    "mapping": _mapping,
}
