"""What one uplink causes on AWS: by way in, and by what happens to the shadow; and in the closed integration.

The end-to-end tests hold these recipes to what the meter counts on applied stacks (tests/e2e/test_costs.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cli.costs import metering
from cli.costs.prices import Item
from cli.costs.usage import Usage
from thingbridge.flows.thing_directory import KNOWN_FOR

MESSAGE_IN, RULE, MESSAGE_OUT, SHADOW = "message in", "rule and action", "message out", "shadow"
DIRECTORY, WAITING, QUEUE = "directory", "waiting", "queue upstream"
LOGS = "logs"

USUAL_BYTES: Final = 1840
"""An uplink of The Things Stack that three gateways received, as JSON; each gateway more adds about 300."""

USUAL_PROCESSOR_MS: Final = 1.2
"""Processor time of a message, as the meter measures it."""

MESSAGES_MB, OTHERS_MB = 128, 512
"""Memory of the functions that messages pass, without end-to-end encryption, and of the others."""


POLLERS: Final = 5
"""With which Lambda reads a queue, at least (Lambda developer guide, "Using Lambda with Amazon SQS")."""

RECEIVED_AT_ONCE: Final = 10
"""Messages of one request to a queue, at most: to receive and to delete them."""


class UplinkMode(StrEnum):
    """Values of `uplink_mode`."""

    FUNCTION = "function"
    BATCHED = "batched"
    RULES = "rules"


class WayIn(StrEnum):
    """How messages of The Things Stack come in: groups of `ingest.mode`, with the receiver `iot_core` of webhooks and
    `ingest.basic_ingest`."""

    ROLE = "pubsub, package, mqtt"
    MQTT_BASIC = "mqtt, Basic Ingest"
    WEBHOOK = "webhook"
    WEBHOOK_BASIC = "webhook, Basic Ingest"
    IOT_CORE = "webhook, iot_core"
    IOT_CORE_BASIC = "webhook, iot_core, Basic Ingest"

    @property
    def has_function(self) -> bool:
        """Whether a function receives: it shows a secret, and is invoked for each message."""
        return self in (WayIn.WEBHOOK, WayIn.WEBHOOK_BASIC)

    @property
    def has_connection(self) -> bool:
        """Whether The Things Stack keeps an MQTT connection."""
        return self in (WayIn.ROLE, WayIn.MQTT_BASIC)

    @property
    def is_basic(self) -> bool:
        """Whether messages start the rule directly: AWS IoT then charges none for the way in."""
        return self in (WayIn.MQTT_BASIC, WayIn.WEBHOOK_BASIC, WayIn.IOT_CORE_BASIC)


@dataclass(frozen=True)
class Functions:
    """How functions that messages pass run: memory in MB, processor, and the billed duration in milliseconds.

    `milliseconds` None: estimated, until the metric Duration of a function shows it.
    """

    memory_mb: int = MESSAGES_MB
    architecture: str = "arm64"
    milliseconds: float | None = None

    def invocation(self, name: str, waits: float, messages: float = 1.0) -> Usage:
        """An invocation of a function that handles so many messages, and waits for AWS so often with each (calls that
        are made at once are waited for together). What succeeds is not logged."""
        part, gb_second = f"function {name}", metering.gb_second_item(self.architecture)
        estimated = metering.duration_on_aws(USUAL_PROCESSOR_MS, waits, self.memory_mb)
        milliseconds = self.milliseconds or estimated
        return Usage.of(
            [
                (part, Item.LAMBDA_REQUEST, 1),
                (part, gb_second, metering.gb_seconds(milliseconds * messages, self.memory_mb)),
            ]
        )


@dataclass(frozen=True)
class Batches:
    """`uplink_batches` of the stack, for `uplink_mode = "batched"`."""

    size: int = 10
    window_seconds: int = 1

    def filled(self, uplinks_per_second: float) -> float:
        """Messages of an average batch: Lambda reads a queue with at least POLLERS, each of which fills a batch."""
        return min(self.size, max(1.0, uplinks_per_second * self.window_seconds / POLLERS))


@dataclass(frozen=True)
class Shadow:
    """`shadow` of the stack: whether it is written at all, and `min_interval_seconds` (0: with each message)."""

    written: bool = True
    interval: int = 0

    def __str__(self) -> str:
        if not self.written:
            return "no shadow"
        return f"shadow every {self.interval} s" if self.interval else "shadow with each message"


def ours(
    way_in: WayIn,
    shadow: Shadow,
    functions: Functions,
    size: int = USUAL_BYTES,
    gap: float = 900.0,
    *,
    mode: UplinkMode = UplinkMode.FUNCTION,
    batch: float = 1.0,
) -> Usage:
    """One uplink of a known device. `size`: bytes of the message of The Things Stack; `gap`: seconds between two;
    `batch`: messages of an average batch, in batches.
    """
    usage = Usage()
    if way_in.has_function:
        usage += functions.invocation("webhook", waits=1)
    # Whether the directory is read first: a copy of the function knows what it has read a moment ago.
    asks = min(1.0, gap / KNOWN_FOR)
    waits = asks + 1
    units = metering.messages(size)
    if not way_in.is_basic:
        usage.add(MESSAGE_IN, Item.IOT_MESSAGE, units)
    usage.add(RULE, Item.IOT_RULE, units)
    usage.add(RULE, Item.IOT_ACTION, units)
    match mode:
        case UplinkMode.FUNCTION:
            usage += functions.invocation("upstream", waits)
        case UplinkMode.BATCHED:
            usage += batched(functions, size, batch, waits)
        case UplinkMode.RULES if shadow.written:
            # The rule that writes the shadow is triggered by the message, and passes on a few fields of it.
            usage += Usage.of([(RULE, Item.IOT_RULE, units), (RULE, Item.IOT_ACTION, 1)])
    # An eventually consistent read. Whether messages of the device wait is read as well in its first days.
    if asks and mode is not UplinkMode.RULES:
        usage.add(DIRECTORY, Item.DYNAMODB_READ, 0.5 * asks)
    usage += writes(shadow, functions, gap)
    usage.add(MESSAGE_OUT, Item.IOT_MESSAGE, units)
    return usage


def batched(functions: Functions, size: int, batch: float, waits: float) -> Usage:
    """What a message causes that waits in the queue: sent, and received, handled and deleted with others."""
    # In the queue, the message is Base64.
    requests = metering.queue_requests(math.ceil(size * 4 / 3)) + 2 / min(batch, RECEIVED_AT_ONCE)
    return Usage.of([(QUEUE, Item.SQS_REQUEST, requests)]) + functions.invocation("upstream", waits, batch) * (
        1 / batch
    )


def writes(shadow: Shadow, functions: Functions, gap: float) -> Usage:
    """What an uplink causes for the shadow; shadow and table row have up to 1 KB (no decoded payload)."""
    if not shadow.written:
        return Usage()
    if not shadow.interval:
        return Usage.of([(SHADOW, Item.IOT_OPERATION, 1)])
    received = Usage.of([(SHADOW, Item.DYNAMODB_WRITE, 1)])
    if gap >= shadow.interval:
        return received + immediate_write()
    return received + scheduled_write(functions) * (gap / shadow.interval)


def immediate_write() -> Usage:
    """The shadow after a quiet interval, and its row."""
    return Usage.of([(SHADOW, Item.IOT_OPERATION, 1), (SHADOW, Item.DYNAMODB_WRITE, 1)])


def scheduled_write(functions: Functions) -> Usage:
    """A write that waited in the queue: sent, received and deleted; its row read and written; the shadow.

    The function `upstream` remembers the row as it wrote it last. With the next message it finds out that it is another
    one: by a write whose condition does not hold, which is charged, and a read.
    """
    usage = Usage.of(
        [
            (SHADOW, Item.SQS_REQUEST, 3),
            (SHADOW, Item.DYNAMODB_READ, 2),
            (SHADOW, Item.DYNAMODB_WRITE, 2),
            (SHADOW, Item.IOT_OPERATION, 1),
        ]
    )
    return usage + functions.invocation("shadow", waits=4)


def closed(*, remembers: bool, shadow: bool = True, size: int = USUAL_BYTES) -> Usage:
    """One uplink in the closed integration, as the rights of its functions imply: 128 MB, 60 ms, x86_64.

    `remembers`: whether it looks up a device only once. Its source is not public. Nothing is known of its logs, so they
    are left out.
    """
    usage, units, function = Usage(), metering.messages(size), "function"
    usage.add(MESSAGE_IN, Item.IOT_MESSAGE, units)
    usage.add(RULE, Item.IOT_RULE, units)
    usage.add(RULE, Item.IOT_ACTION, units)
    usage.add(function, Item.LAMBDA_REQUEST)
    usage.add(function, Item.LAMBDA_X86, metering.gb_seconds(60, 128))
    if not remembers:
        usage.add("look-up of the thing", Item.IOT_OPERATION)
    if shadow:
        usage.add(SHADOW, Item.IOT_OPERATION, 2)
    usage.add(MESSAGE_OUT, Item.IOT_MESSAGE, units)
    return usage
