"""The directory's table: which thing an end device is. What its items mean is in `registry.directory`."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import answered, code, reasons, translate_errors
from thingbridge.registry import directory
from thingbridge.registry.directory import Fact, Surveyed

FACTS_AT_ONCE: Final = 50
"""Facts that are inserted in one call, of two items each at most (TransactWriteItems takes 100)."""

_KEYS: Final = {"#keys": "keys"}


class DirectoryTable:
    """The items of one table. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients, name: str) -> None:
        self._clients, self._name = clients, name

    def read(self, key: str, *, consistent: bool = False) -> Fact | None:
        """What is known of a device, None if it has no item. `consistent`: as it is now; half the price without."""
        item = self._get(key, consistent=consistent)
        return _fact(item) if item else None

    def write(self, key: str, fact: Fact, *, unless_other: bool = False) -> bool:
        """Write a fact, unless a newer one is known; returns whether it was written.

        `unless_other`: nor if another thing is known, however long ago.

        The keys of a thing are written before the fact, so that an event of the thing finds it.
        """
        if fact.thing_name is not None and fact.thing_name != key:
            self.add_key(fact.thing_name, key)
        values: dict[str, Any] = {":as_of": {"N": str(fact.as_of)}}
        update = "SET as_of = :as_of REMOVE thing, made_at"
        if fact.thing_name is not None:
            values |= {":thing": {"S": fact.thing_name}, ":made_at": {"N": str(fact.made_at)}}
            update = "SET as_of = :as_of, thing = :thing, made_at = :made_at"
        condition = "attribute_not_exists(as_of) OR as_of < :as_of"
        if unless_other:
            condition = f"({condition}) AND (attribute_not_exists(thing) OR thing = :thing)"
        return self._update(key, update, values, condition)

    def add_key(self, thing_name: str, key: str) -> None:
        """Record that a thing may stand under a key."""
        self._update(directory.key_of_reverse(thing_name), "ADD #keys :keys", {":keys": {"SS": [key]}}, None, _KEYS)

    def keys_of(self, thing_name: str) -> frozenset[str]:
        """The keys under which a thing stands or stood, apart from its own name."""
        item = self._get(directory.key_of_reverse(thing_name), consistent=True) or {}
        return frozenset(item.get("keys", {}).get("SS", ()))

    def survey(self, *, consistent: bool = False) -> Surveyed:
        """The last survey; zeros if there was none."""
        item = self._get(directory.SURVEY, consistent=consistent) or {}
        return Surveyed(*(float(item.get(name, {}).get("N", 0)) for name in ("at", "complete_until")))

    def set_survey(self, survey: Surveyed) -> None:
        """Record a survey."""
        values = {":at": {"N": str(int(survey.at))}, ":until": {"N": str(int(survey.complete_until))}}
        self._update(directory.SURVEY, "SET #at = :at, complete_until = :until", values, None, {"#at": "at"})

    def scan(self) -> Iterator[tuple[str, str | None]]:
        """Every device's key, and the name of its thing: a read of 8 KB, about a hundred devices, is half a unit."""
        request: dict[str, Any] = {"TableName": self._name, "ProjectionExpression": "device, thing, as_of"}
        while True:
            with translate_errors("read the directory"):
                answer = self._clients("dynamodb").scan(**request)
            for item in answer["Items"]:
                if "as_of" in item:
                    yield item["device"]["S"], item.get("thing", {}).get("S")
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def insert(self, facts: Mapping[str, Fact]) -> frozenset[str]:
        """Write facts of devices that have no item, at most `FACTS_AT_ONCE`; the keys of those that have one by now."""
        refused: set[str] = set()
        # The transaction writes all or nothing: what it names as the reason is left out of the next one.
        while left := {key: fact for key, fact in facts.items() if key not in refused}:
            writes = [(key, each) for key, fact in left.items() for each in self._inserts(key, fact)]
            with translate_errors("write the directory"):
                try:
                    self._clients("dynamodb").transact_write_items(TransactItems=[each for _, each in writes])
                except answered() as error:
                    if code(error) != "TransactionCanceledException":
                        raise
                    found = {key for (key, _), reason in zip(writes, reasons(error), strict=False) if reason != "None"}
                    if not found:
                        raise
                    refused |= found
                else:
                    break
        return frozenset(refused)

    # Inside ----------------------------------------------------------------------------------------------------------

    def _inserts(self, key: str, fact: Fact) -> Iterator[dict[str, Any]]:
        """The writes of a fact as those of a transaction."""
        item = {"device": {"S": key}, "as_of": {"N": str(fact.as_of)}}
        if fact.thing_name is not None:
            item |= {"thing": {"S": fact.thing_name}, "made_at": {"N": str(fact.made_at)}}
        absent = "attribute_not_exists(device)"
        yield {"Put": {"TableName": self._name, "Item": item, "ConditionExpression": absent}}
        if fact.thing_name not in (None, key):
            yield {
                "Update": {
                    "TableName": self._name,
                    "Key": {"device": {"S": directory.key_of_reverse(str(fact.thing_name))}},
                    "UpdateExpression": "ADD #keys :keys",
                    "ExpressionAttributeNames": _KEYS,
                    "ExpressionAttributeValues": {":keys": {"SS": [key]}},
                }
            }

    def _get(self, key: str, *, consistent: bool) -> Mapping[str, Any] | None:
        with translate_errors(f"read {key} in the directory"):
            answer = self._clients("dynamodb").get_item(
                TableName=self._name, Key={"device": {"S": key}}, ConsistentRead=consistent
            )
        item = answer.get("Item")
        return dict(item) if item else None

    def _update(
        self,
        key: str,
        update: str,
        values: Mapping[str, Any],
        condition: str | None,
        names: Mapping[str, str] | None = None,
    ) -> bool:
        request: dict[str, Any] = {
            "TableName": self._name,
            "Key": {"device": {"S": key}},
            "UpdateExpression": update,
            "ExpressionAttributeValues": dict(values),
        }
        if condition:
            request["ConditionExpression"] = condition
        if names:
            request["ExpressionAttributeNames"] = dict(names)
        with translate_errors(f"write {key} in the directory"):
            try:
                self._clients("dynamodb").update_item(**request)
            except answered() as error:
                if code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True


def _fact(item: Mapping[str, Any]) -> Fact:
    return Fact(
        item.get("thing", {}).get("S"),
        int(item.get("as_of", {}).get("N", 0)),
        int(item.get("made_at", {}).get("N", 0)),
    )
