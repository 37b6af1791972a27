"""The DynamoDB table in which downlinks wait: one row for each request and changed desired state, deleted once handled.

| Attribute | |
|---|---|
| `thing` (partition) | the thing in the topic; for a request on `lorawan/downlink`, the topic until the row is moved |
| `id` (sort key) | random |
| `topic`, `payload`, `receivedAt` | the output of a topic rule: text, base64, Unix milliseconds |

Topic rules write rows themselves, so a request waits in its place however many arrive at once. When rows are handled,
and in which order, is decided in `flows.downlink_order`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import translate_errors


@dataclass(frozen=True)
class Waiting:
    """A row without its content. `received_at`: when the rule received it, in seconds since 1970."""

    id: str
    received_at: float


class WaitingDownlinks:
    """The rows of one table. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients, table: str) -> None:
        self._clients, self._table = clients, table

    def of(self, thing: str) -> list[Waiting]:
        """The rows of a thing, in no order; without their content, which may be larger than the memory."""
        found: list[Waiting] = []
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "thing = :thing",
            "ExpressionAttributeValues": {":thing": {"S": thing}},
            "ProjectionExpression": "id, receivedAt",
            "ConsistentRead": True,
        }
        with translate_errors(f"list the waiting downlinks of {thing}"):
            while True:
                page = self._clients("dynamodb").query(**query)
                found += [Waiting(each["id"]["S"], _milliseconds(each) / 1000) for each in page["Items"]]
                if not page.get("LastEvaluatedKey"):
                    return found
                query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def read(self, thing: str, row: str) -> dict[str, Any] | None:
        """The rule's output in a row, None if there is no such row."""
        with translate_errors(f"read a waiting downlink of {thing}"):
            answer = self._clients("dynamodb").get_item(
                TableName=self._table, Key=_key(thing, row), ConsistentRead=True
            )
        item = answer.get("Item")
        if item is None:
            return None
        texts = {name: item.get(name, {}).get("S") for name in ("topic", "payload")}
        return {**texts, "receivedAt": _milliseconds(item)}

    def store(self, thing: str, row: str, event: Mapping[str, Any]) -> None:
        """Write a row with a rule's output, as a rule does; again, it is the same row."""
        values = {
            ":topic": {"S": _text(event.get("topic"))},
            ":payload": {"S": _text(event.get("payload"))},
            ":receivedAt": {"N": str(event["receivedAt"])},
        }
        with translate_errors(f"store a downlink of {thing}"):
            self._clients("dynamodb").update_item(
                TableName=self._table,
                Key=_key(thing, row),
                UpdateExpression="SET topic = :topic, payload = :payload, receivedAt = :receivedAt",
                ExpressionAttributeValues=values,
            )

    def delete(self, thing: str, row: str) -> None:
        """Delete a row that was handled; one that does not exist counts as deleted."""
        with translate_errors(f"delete a downlink of {thing} that was handled"):
            self._clients("dynamodb").delete_item(TableName=self._table, Key=_key(thing, row))


def _key(thing: str, row: str) -> dict[str, Any]:
    return {"thing": {"S": thing}, "id": {"S": row}}


def _text(value: object) -> str:
    """A value as text that can be stored: UTF-8 has no half surrogate pairs, which JSON has."""
    return str(value).encode(errors="replace").decode()


def _milliseconds(item: Mapping[str, Any]) -> int:
    """The time of receipt. A rule that was changed by hand may leave it out: then the row is the oldest."""
    return int(float(item.get("receivedAt", {}).get("N", 0)))
