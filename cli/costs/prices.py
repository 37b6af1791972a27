"""The price table, prices.json: what AWS charges per unit in a region, as of one date, with the page it is from.

Prices are those of the first tier, without AWS's free tier and without discounts. `read` in the file lists the regions
whose price was read on that page at that date; the others were written down from the same lists earlier. What is
metered as one unit is decided in metering.py.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("prices.json")


class Item(StrEnum):
    """What AWS charges for; the values are the keys of the table."""

    IOT_MESSAGE = "iot_message"
    IOT_RULE = "iot_rule"
    IOT_ACTION = "iot_action"
    IOT_OPERATION = "iot_operation"
    IOT_CONNECTED_MINUTE = "iot_connected_minute"
    LAMBDA_REQUEST = "lambda_request"
    LAMBDA_ARM64 = "lambda_gb_second_arm64"
    LAMBDA_X86 = "lambda_gb_second_x86_64"
    SQS_REQUEST = "sqs_request"
    SQS_FIFO_REQUEST = "sqs_fifo_request"
    DYNAMODB_WRITE = "dynamodb_write"
    DYNAMODB_READ = "dynamodb_read"
    LOG_GB = "log_gb"
    METRIC = "metric"
    ALARM = "alarm"
    DASHBOARD = "dashboard"
    SECRET = "secret"  # noqa: S105
    SECRET_CALL = "secret_call"  # noqa: S105
    KMS_KEY = "kms_key"
    KMS_REQUEST = "kms_request"
    SCHEDULE_INVOCATION = "schedule_invocation"
    SNS_PUBLISH = "sns_publish"
    FREE = "free"


class UnknownRegion(ValueError):
    """The table has no prices for the region; the message names those that it has."""


@dataclass(frozen=True)
class Prices:
    """USD per unit in one region; `as_of` is the month of the lists, YYYY-MM."""

    region: str
    as_of: str
    usd: dict[Item, float]
    unread: frozenset[Item]
    """Items whose price for the region was not read on AWS's page at that date."""

    @classmethod
    def of(cls, region: str) -> Prices:
        """The prices of a region. Raises UnknownRegion."""
        table = _table()
        known = sorted({name for each in table["items"].values() for name in each["usd"]})
        if region not in known:
            raise UnknownRegion(f"region must be one of those with prices, {' or '.join(known)}; got {region!r}.")
        items = {Item(name): each for name, each in table["items"].items()}
        return cls(
            region,
            table["as_of"],
            {item: each["usd"][region] / each["per"] for item, each in items.items()},
            frozenset(item for item, each in items.items() if region not in each["read"]),
        )


def unit(item: Item) -> str:
    """One unit of an item in words."""
    return str(_table()["items"][item]["unit"])


@functools.cache
def _table() -> dict[str, Any]:
    return dict(json.loads(FILE.read_text(encoding="utf-8")))
