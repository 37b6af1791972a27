"""How AWS counts: bytes to units, durations to GB-seconds, and what a function writes to its log by itself.

Each rule names its source. Which operations a stack causes is not decided here.
"""

from __future__ import annotations

import math
from typing import Final

from cli.costs.prices import Item

KB: Final = 1024
GB: Final = 1024**3

MESSAGE_BYTES: Final = 5 * KB
"""Of AWS IoT Core: a message, a rule triggered, an action (pricing page, "Messaging", "Rules engine")."""

OPERATION_BYTES: Final = 1 * KB
"""Of AWS IoT Core: a registry or shadow operation (pricing page, "Device Shadow and registry"). Of DynamoDB: a unit of
writing (developer guide, "Read and write capacity")."""

QUEUE_BYTES: Final = 64 * KB
"""Of SQS and SNS: one request (SQS pricing page)."""

EVENT_OVERHEAD: Final = 26
"""Bytes that CloudWatch Logs adds to each log event (PutLogEvents, API reference)."""

FULL_PROCESSOR_MB: Final = 1769
"""Memory at which a function has one whole processor (Lambda developer guide, "Configure function memory")."""

ROUND_TRIP_MS: Final = 10.0
"""Milliseconds that one call of AWS takes within a region, without the processor time of the caller: an estimate."""

PLATFORM_START: Final = (
    '{"time":"2026-01-01T00:00:00.000Z","type":"platform.start","record":'
    '{"requestId":"00000000-0000-0000-0000-000000000000","version":"$LATEST"}}'
)
PLATFORM_REPORT: Final = (
    '{"time":"2026-01-01T00:00:00.000Z","type":"platform.report","record":'
    '{"requestId":"00000000-0000-0000-0000-000000000000","metrics":{"durationMs":20.123,"billedDurationMs":21,'
    '"memorySizeMB":512,"maxMemoryUsedMB":85},"status":"success"}}'
)
"""What Lambda itself logs for each invocation that succeeds, in the JSON format at system log level INFO (Lambda
developer guide, "Log-level filtering": platform.runtimeDone is DEBUG; at WARN, only what failed is logged)."""

BILLED_OPERATIONS: Final = frozenset(
    {
        *("AddThingToThingGroup", "AttachThingPrincipal", "CreateThing", "CreateThingGroup", "CreateThingType"),
        *("DescribeThing", "DescribeThingGroup", "DescribeThingType", "ListPrincipalThings", "ListThingGroups"),
        *("ListThingGroupsForThing", "ListThingPrincipals", "ListThings", "ListThingsInThingGroup", "ListThingTypes"),
        *("UpdateThing", "UpdateThingGroup", "UpdateThingGroupsForThing"),
        *("GetThingShadow", "UpdateThingShadow", "DeleteThingShadow"),
    }
)
"""Operations of AWS IoT that are charged as registry or shadow operations (IoT Core, "Additional metering details").
The others, such as DeleteThing, are free."""


def messages(size: int) -> int:
    """Messages, rules or actions that so many bytes are charged as."""
    return max(1, math.ceil(size / MESSAGE_BYTES))


def operations(size: int) -> int:
    """Registry or shadow operations that so many bytes are charged as."""
    return max(1, math.ceil(size / OPERATION_BYTES))


def queue_requests(size: int) -> int:
    """Requests to SQS or SNS that so many bytes are charged as."""
    return max(1, math.ceil(size / QUEUE_BYTES))


def write_units(size: int) -> int:
    """Units of DynamoDB that writing a row of so many bytes is charged as."""
    return max(1, math.ceil(size / OPERATION_BYTES))


def log_gb(size: int, events: int) -> float:
    """GB that log events of so many bytes in all are charged as."""
    return (size + events * EVENT_OVERHEAD) / GB


def platform_log_gb(system_log_level: str) -> float:
    """GB that Lambda itself logs for an invocation that succeeds: nothing at the level WARN."""
    return 0.0 if system_log_level == "WARN" else log_gb(len(PLATFORM_START) + len(PLATFORM_REPORT), 2)


def gb_seconds(milliseconds: float, memory_mb: int) -> float:
    """GB-seconds of an invocation: Lambda rounds its duration up to the next millisecond."""
    return math.ceil(milliseconds) / 1000 * memory_mb / 1024


def duration_on_aws(processor_ms: float, waits: float, memory_mb: int) -> float:
    """Milliseconds that an invocation is estimated to take on AWS: its processor time at the share of a processor that
    its memory gives, and a round trip for each time that it waits, for one call or for some that it makes at once."""
    return processor_ms * max(1.0, FULL_PROCESSOR_MB / memory_mb) + waits * ROUND_TRIP_MS


def gb_second_item(architecture: str) -> Item:
    """What a GB-second of a processor (`arm64`, `x86_64`) is charged as."""
    return Item.LAMBDA_ARM64 if architecture == "arm64" else Item.LAMBDA_X86
