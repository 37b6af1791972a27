"""The table of shadow states: one row a thing, stored only when nobody else has stored it meanwhile.

What a row says, the callers know.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from botocore.exceptions import ClientError

from thingbridge.aws_iot.clients import client
from thingbridge.aws_iot.errors import code, told_apart
from thingbridge.errors import Busy

KEPT_FOR_SECONDS: Final = 30 * 86_400
"""A row of a thing that no longer sends goes by itself (the table's time to live)."""

MAX_REMEMBERED: Final = 5_000
"""Rows remembered in one sandbox, which saves reading them: about 10 MB."""

ATTEMPTS: Final = 15
LONGEST_PAUSE: Final = 0.05
"""Times a row is changed anew as another sandbox was faster, and seconds in between, at random up to this. Devices
don't send that fast; messages that were held up somewhere come all at once.
"""

State = TypeVar("State")


@dataclass(frozen=True)
class _Stored:
    text: str
    revision: int


@dataclass
class ShadowStates:
    """The rows of one table. Every method raises Busy, Misconfigured or Refused."""

    table: str
    _known: dict[str, _Stored] = field(default_factory=dict)

    def read(self, thing_name: str) -> str | None:
        """The row of a thing as it is now, None without one."""
        stored = self._read(thing_name)
        return stored.text if stored else None

    def change(self, thing_name: str, change: Callable[[str | None], str], now: float) -> str:
        """Replace a row by what `change` makes of it, and return that. `change` is called again when the row it was
        given turns out to be old. `now`: seconds since 1970.
        """
        stored = self._known.get(thing_name) or self._read(thing_name)
        for _ in range(ATTEMPTS):
            text = change(stored.text if stored else None)
            if (stored and text == stored.text) or self._store(thing_name, text, stored, now):
                return text
            time.sleep(random.uniform(0, LONGEST_PAUSE))
            stored = self._read(thing_name)
        raise Busy(f"keep the shadow's state of {thing_name}: others were faster {ATTEMPTS} times")

    def _read(self, thing_name: str) -> _Stored | None:
        with told_apart(f"read the shadow's state of {thing_name}"):
            answer = client("dynamodb").get_item(
                TableName=self.table, Key={"thing": {"S": thing_name}}, ConsistentRead=True
            )
        item = answer.get("Item")
        return _Stored(item["state"]["S"], int(item["revision"]["N"])) if item else None

    def _store(self, thing_name: str, text: str, stored: _Stored | None, now: float) -> bool:
        revision = stored.revision + 1 if stored else 1
        values = {
            ":state": {"S": text},
            ":revision": {"N": str(revision)},
            ":expires": {"N": str(int(now) + KEPT_FOR_SECONDS)},
        }
        condition = "attribute_not_exists(thing)"
        if stored:
            condition = "revision = :known"
            values[":known"] = {"N": str(stored.revision)}
        self._known.pop(thing_name, None)
        with told_apart(f"keep the shadow's state of {thing_name}"):
            try:
                client("dynamodb").update_item(
                    TableName=self.table,
                    Key={"thing": {"S": thing_name}},
                    UpdateExpression="SET #state = :state, revision = :revision, expires = :expires",
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#state": "state"},
                    ExpressionAttributeValues=values,
                )
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        if len(self._known) >= MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[thing_name] = _Stored(text, revision)
        return True
