"""The DynamoDB table of devices with messages that wait for their thing: which message is the last one that waits.

| Attribute | |
|---|---|
| `device` | the device id, key of the item |
| `last_message` | id of the message that joined the queue last |
| `expires` | when the queue has dropped that message (Unix seconds, the table's time to live) |

An item ends with the message that it names: while an earlier one is handled, the device still has messages that wait.
"""

from typing import Final

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import answered, code, translate_errors
from thingbridge.errors import Busy

KEPT_FOR_SECONDS: Final = 15 * 86_400
"""A day longer than the queue keeps a message."""


class WaitingDevices:
    """The items of one table. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients, table: str) -> None:
        self._clients, self._table = clients, table

    def has(self, device_id: str) -> bool:
        """Whether messages of the device wait. A message that joined a moment ago may not be seen yet."""
        return self._last_message(device_id) is not None

    def joined(self, device_id: str, message_id: str, now: float) -> None:
        """Store that a message of the device is the last one that waits. `now`: Unix seconds."""
        with translate_errors(f"store that messages of {device_id} wait"):
            self._clients("dynamodb").update_item(
                TableName=self._table,
                Key={"device": {"S": device_id}},
                UpdateExpression="SET last_message = :message, expires = :expires",
                ExpressionAttributeValues={
                    ":message": {"S": message_id},
                    ":expires": {"N": str(int(now) + KEPT_FOR_SECONDS)},
                },
            )

    def left(self, device_id: str, message_id: str) -> None:
        """Store that a message no longer waits; with the last one, the device has none that waits.

        Which one is the last is read first: a write that does not meet its condition counts like any other, and in a
        rush most messages have others behind them.
        """
        try:
            last = self._last_message(device_id, consistent=True)
        except Busy:
            last = message_id  # The condition of the deletion finds out as well.
        if last != message_id:
            return
        with translate_errors(f"store that no message of {device_id} waits"):
            try:
                self._clients("dynamodb").delete_item(
                    TableName=self._table,
                    Key={"device": {"S": device_id}},
                    ConditionExpression="last_message = :message",
                    ExpressionAttributeValues={":message": {"S": message_id}},
                )
            except answered() as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise

    def _last_message(self, device_id: str, *, consistent: bool = False) -> str | None:
        with translate_errors(f"look for waiting messages of {device_id}"):
            answer = self._clients("dynamodb").get_item(
                TableName=self._table, Key={"device": {"S": device_id}}, ConsistentRead=consistent
            )
        return str(answer["Item"]["last_message"]["S"]) if "Item" in answer else None
