"""The DynamoDB table of devices that may register themselves, each once.

| Attribute | |
|---|---|
| `thing` | the name, key of the item |
| `type`, `location` | what the device is; `location` only where the stack has locations |
| `used_by`, `used_at` | id of the certificate that the name was used with, and when (Unix seconds) |

What an entry must be is decided in `devices.admission`.
"""

from enum import StrEnum
from typing import Any

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import answered, code, translate_errors
from thingbridge.devices.admission import AllowedDevice, Entry


class Listed(StrEnum):
    """What putting a device on the list has changed. Nothing is changed about a name that is used."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    USED = "used"


class Unlisted(StrEnum):
    """What taking a name off the list has changed. `USED`: nothing, as the name was used."""

    REMOVED = "removed"
    ABSENT = "absent"
    USED = "used"


class AllowedDevices:
    """The list of one stack. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients, table: str) -> None:
        self._clients, self._table = clients, table

    def find(self, name: str) -> Entry | None:
        """The entry of a name as it is now, None if the name is not on the list."""
        with translate_errors(f"look for {name} among the allowed devices"):
            answer = self._clients("dynamodb").get_item(
                TableName=self._table, Key={"thing": {"S": name}}, ConsistentRead=True
            )
        return _entry(answer["Item"]) if "Item" in answer else None

    def use(self, device: AllowedDevice, certificate_id: str, now: float) -> bool:
        """Use a name with a certificate; with the same one, repeatedly. False if the entry has changed meanwhile."""
        values = {":certificate": certificate_id, ":type": device.type_name}
        is_same = "#type = :type AND " + (
            "#location = :location" if device.location else "attribute_not_exists(#location)"
        )
        if device.location:
            values[":location"] = device.location
        return (
            self._update(
                device.name,
                "SET used_by = :certificate, used_at = if_not_exists(used_at, :now)",
                f"{is_same} AND (attribute_not_exists(used_by) OR used_by = :certificate)",
                {name: {"S": value} for name, value in values.items()} | {":now": {"N": str(int(now))}},
            )
            is not None
        )

    def allow(self, device: AllowedDevice) -> Listed:
        """Put a device on the list. A name that was used stays used: a device that was deleted must not come back."""
        values, location = {":type": {"S": device.type_name}}, " REMOVE #location"
        if device.location:
            values[":location"], location = {"S": device.location}, ", #location = :location"
        before = self._update(device.name, f"SET #type = :type{location}", "attribute_not_exists(used_by)", values)
        return _listed(device, before)

    def allow_again(self, device: AllowedDevice) -> Listed:
        """Put a device on the list as one that was never used. The device itself is not changed."""
        values, location = {":type": {"S": device.type_name}}, " REMOVE used_by, used_at, #location"
        if device.location:
            values[":location"], location = {"S": device.location}, ", #location = :location REMOVE used_by, used_at"
        return _listed(device, self._update(device.name, f"SET #type = :type{location}", None, values))

    def disallow(self, name: str, *, used: bool) -> Unlisted:
        """Take a name off the list. Without its entry, a used name could be allowed again as if it were new.

        So one that was used is only taken off if `used`. The device itself is not changed.
        """
        condition = {} if used else {"ConditionExpression": "attribute_not_exists(used_by)"}
        with translate_errors(f"take {name} off the allowed devices"):
            try:
                answer = self._clients("dynamodb").delete_item(
                    TableName=self._table, Key={"thing": {"S": name}}, ReturnValues="ALL_OLD", **condition
                )
            except answered() as error:
                if code(error) == "ConditionalCheckFailedException":
                    return Unlisted.USED
                raise
        return Unlisted.REMOVED if answer.get("Attributes") else Unlisted.ABSENT

    def _update(
        self, name: str, expression: str, condition: str | None, values: dict[str, dict[str, str]]
    ) -> dict[str, Any] | None:
        """The item as it was before, None if the condition does not hold."""
        with translate_errors(f"change the entry of {name} among the allowed devices"):
            try:
                answer = self._clients("dynamodb").update_item(
                    TableName=self._table,
                    Key={"thing": {"S": name}},
                    UpdateExpression=expression,
                    ExpressionAttributeNames={"#type": "type", "#location": "location"},
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_OLD",
                    **({"ConditionExpression": condition} if condition else {}),
                )
            except answered() as error:
                if code(error) == "ConditionalCheckFailedException":
                    return None
                raise
        return dict(answer.get("Attributes", {}))


def _listed(device: AllowedDevice, before: dict[str, Any] | None) -> Listed:
    if before is None:
        return Listed.USED
    if not before:
        return Listed.ADDED
    return Listed.UNCHANGED if _entry(before) == Entry(device) else Listed.CHANGED


def _entry(item: dict[str, Any]) -> Entry:
    found = {name: value["S"] for name, value in item.items() if "S" in value}
    device = AllowedDevice(found["thing"], found.get("type", ""), found.get("location"))
    return Entry(device, found.get("used_by"))
