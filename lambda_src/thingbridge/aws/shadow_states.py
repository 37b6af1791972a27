"""A DynamoDB table of states: one row per thing, written with optimistic locking.

The content of a row is opaque here; `shadow.pacing` defines that of a shadow, `telemetry.alerts` that of alerts.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import answered, code, translate_errors
from thingbridge.errors import Busy

KEPT_FOR_SECONDS: Final = 30 * 86_400
"""A row of a thing that no longer sends expires (the table's time to live)."""

MAX_REMEMBERED_CHARACTERS: Final = 10 * 1024 * 1024
"""Rows remembered in one execution environment, which saves reading them: about 5,000 usual ones, or 10 MB."""

ATTEMPTS: Final = 15
LONGEST_PAUSE: Final = 0.05
"""How often a change is attempted while other execution environments write the same row, and the longest random pause
between attempts in seconds. Devices don't send that fast, but delayed messages may arrive all at once.
"""

State = TypeVar("State")


@dataclass(frozen=True)
class _Stored:
    text: str
    revision: int


class ShadowStates:
    """The rows of one table. Every method raises Busy, Misconfigured or Refused, as AWS answers.

    `subject`: what a row is the state of, for messages.
    """

    def __init__(
        self, clients: Clients, table: str, *, subject: str = "shadow", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clients, self._table, self._subject, self._sleep = clients, table, subject, sleep
        self._known: dict[str, _Stored] = {}
        self._characters = 0

    def read(self, thing_name: str) -> str | None:
        """The row of a thing as it is now, None if there is none. A change that follows begins with it."""
        stored = self._read(thing_name)
        self._forget(thing_name)
        if stored:
            self._remember(thing_name, stored)
        return stored.text if stored else None

    def change(self, thing_name: str, change: Callable[[str | None], str], now: float) -> str:
        """Replace a row by the result of `change`, and return that. `now`: Unix seconds.

        `change` is called again if the row that it was given was outdated. A remembered row may be outdated: when it
        stays as it is, so that no write would notice, it is read again.
        """
        remembered = self._known.get(thing_name)
        stored = remembered or self._read(thing_name)
        for _ in range(ATTEMPTS):
            text = change(stored.text if stored else None)
            if stored and text == stored.text:
                if stored is not remembered:
                    self._remember(thing_name, stored)
                    return text
            elif self._store(thing_name, text, stored, now):
                return text
            else:
                self._sleep(random.uniform(0, LONGEST_PAUSE))
            remembered, stored = None, self._read(thing_name)
        raise Busy(f"store the {self._subject} state of {thing_name}: {ATTEMPTS} attempts met a concurrent write")

    def delete(self, thing_name: str) -> None:
        """Delete the row of a thing; one that does not exist counts as deleted.

        Another execution environment that remembers the row finds out when it writes the next state, which starts anew.
        """
        self._forget(thing_name)
        with translate_errors(f"delete the {self._subject} state of {thing_name}"):
            self._clients("dynamodb").delete_item(TableName=self._table, Key={"thing": {"S": thing_name}})

    def _read(self, thing_name: str) -> _Stored | None:
        with translate_errors(f"read the {self._subject} state of {thing_name}"):
            answer = self._clients("dynamodb").get_item(
                TableName=self._table, Key={"thing": {"S": thing_name}}, ConsistentRead=True
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
        self._forget(thing_name)
        with translate_errors(f"store the {self._subject} state of {thing_name}"):
            try:
                self._clients("dynamodb").update_item(
                    TableName=self._table,
                    Key={"thing": {"S": thing_name}},
                    UpdateExpression="SET #state = :state, revision = :revision, expires = :expires",
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#state": "state"},
                    ExpressionAttributeValues=values,
                )
            except answered() as error:
                if code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        self._remember(thing_name, _Stored(text, revision))
        return True

    def _remember(self, thing_name: str, stored: _Stored) -> None:
        self._forget(thing_name)
        self._known[thing_name] = stored
        self._characters += len(stored.text)
        while self._characters > MAX_REMEMBERED_CHARACTERS:
            self._forget(next(iter(self._known)))

    def _forget(self, thing_name: str) -> None:
        known = self._known.pop(thing_name, None)
        self._characters -= len(known.text) if known else 0
