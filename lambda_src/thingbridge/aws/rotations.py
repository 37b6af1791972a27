"""The DynamoDB table of rotations whose old certificates have not ended: one row per device, its last rotation.

| Attribute | |
|---|---|
| `thing`, `thing_id` | the device: name, key of the row, and id of its thing |
| `certificate`, `replaces` | ids of the new certificate, and of those that the device had before |
| `end_at` | when the old ones end at the latest, if a person has set that |
| `first_new`, `last_new`, `last_old` | when the device connected with the new certificate, and with an old one |
| `kept` | why the old ones could not be ended |
| `revision` | grows with each change |

Times are in milliseconds. What follows from them is decided in `devices.rotation`.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import answered, code, translate_errors
from thingbridge.devices.rotation import Rotation

_TIMES: Final = ("end_at", "first_new", "last_new", "last_old")


class Rotations:
    """The rotations of one stack. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients, table: str) -> None:
        self._clients, self._table = clients, table

    def find(self, thing_name: str) -> Rotation | None:
        """The last rotation of a device as it is now, None if nothing is left to end."""
        with translate_errors(f"look for the last rotation of {thing_name}"):
            answer = self._clients("dynamodb").get_item(
                TableName=self._table, Key={"thing": {"S": thing_name}}, ConsistentRead=True
            )
        return _rotation(answer["Item"]) if "Item" in answer else None

    def all(self) -> Iterator[Rotation]:
        """Every rotation whose old certificates have not ended, page by page."""
        with translate_errors("list the rotations"):
            for page in self._clients("dynamodb").get_paginator("scan").paginate(TableName=self._table):
                yield from (_rotation(item) for item in page["Items"])

    def record(self, rotation: Rotation) -> None:
        """Record a rotation in the place of the last one of its device."""
        self._write(rotation, {"revision": "if_not_exists(revision, :none) + :one"}, {":none": 0, ":one": 1}, None)

    def change(self, before: Rotation, after: Rotation) -> Rotation | None:
        """Replace a rotation as it was read; None if it has changed since, and nothing was written.

        The revision alone does not show that: it begins anew once a rotation was forgotten.
        """
        after = replace(after, revision=before.revision + 1)
        numbers = {":revision": after.revision, ":known": before.revision}
        written = self._write(
            after, {"revision": ":revision"}, numbers, "revision = :known AND certificate = :certificate"
        )
        return after if written else None

    def forget(self, rotation: Rotation) -> None:
        """Delete a rotation, unless another one has been recorded since."""
        self._delete(
            rotation.thing,
            ConditionExpression="certificate = :certificate",
            ExpressionAttributeValues={":certificate": {"S": rotation.certificate}},
        )

    def delete(self, thing_name: str) -> None:
        """Delete whatever is recorded of a device; nothing counts as deleted."""
        self._delete(thing_name)

    def _delete(self, thing_name: str, **condition: Any) -> None:
        with translate_errors(f"delete the last rotation of {thing_name}"):
            try:
                self._clients("dynamodb").delete_item(
                    TableName=self._table, Key={"thing": {"S": thing_name}}, **condition
                )
            except answered() as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise

    def _write(
        self, rotation: Rotation, expressions: dict[str, str], numbers: dict[str, int], condition: str | None
    ) -> bool:
        """Write every attribute, and remove those without a value. False if the condition does not hold."""
        values: dict[str, dict[str, Any]] = {name: {"N": str(number)} for name, number in numbers.items()}
        removed = []
        for name, value in _attributes(rotation).items():
            if value is None:
                removed.append(name)
            else:
                expressions[name], values[f":{name}"] = f":{name}", value
        expression = "SET " + ", ".join(f"{name} = {value}" for name, value in expressions.items())
        with translate_errors(f"record the rotation of {rotation.thing}"):
            try:
                self._clients("dynamodb").update_item(
                    TableName=self._table,
                    Key={"thing": {"S": rotation.thing}},
                    UpdateExpression=expression + (f" REMOVE {', '.join(removed)}" if removed else ""),
                    ExpressionAttributeValues=values,
                    **({"ConditionExpression": condition} if condition else {}),
                )
            except answered() as error:
                if code(error) != "ConditionalCheckFailedException":
                    raise
                return False
        return True


def _attributes(rotation: Rotation) -> dict[str, dict[str, Any] | None]:
    times = {name: getattr(rotation, name) for name in _TIMES}
    return {
        "thing_id": {"S": rotation.thing_id},
        "certificate": {"S": rotation.certificate},
        "replaces": {"SS": list(rotation.replaces)} if rotation.replaces else None,
        "kept": {"S": rotation.kept} if rotation.kept else None,
        **{name: None if at is None else {"N": str(round(at * 1000))} for name, at in times.items()},
    }


def _rotation(item: dict[str, Any]) -> Rotation:
    return Rotation(
        thing=item["thing"]["S"],
        thing_id=item["thing_id"]["S"],
        certificate=item["certificate"]["S"],
        replaces=tuple(sorted(item["replaces"]["SS"])) if "replaces" in item else (),
        kept=item["kept"]["S"] if "kept" in item else "",
        revision=int(item["revision"]["N"]),
        **{name: int(item[name]["N"]) / 1000 for name in _TIMES if name in item},
    )
