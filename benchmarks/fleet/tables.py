"""Tables of Amazon DynamoDB: items by their hash key, and the expressions that the product writes.

Understood: `SET a = :v`, `REMOVE a`, `ADD a :set`; conditions of `attribute_not_exists(a)`, `a = :v` and `a < :v`,
joined by OR, and such groups in parentheses joined by AND. Anything else fails the simulation, so that it is noticed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from thingbridge.aws.errors import AwsError

_CLAUSE: Final = re.compile(r"(SET|REMOVE|ADD) (.*?)(?= (?:SET|REMOVE|ADD) |$)")
_ABSENT: Final = re.compile(r"attribute_not_exists\((\S+)\)")
_COMPARISON: Final = re.compile(r"(\S+) ([=<]) (:\S+)")

Item = dict[str, dict[str, Any]]


class Tables:
    """The tables of an account. Items are kept as text: a million of them must fit into memory."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], str] = {}

    def get(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a GetItem."""
        found = self._items.get(_place(request["TableName"], request["Key"]))
        return {"Item": json.loads(found)} if found else {}

    def put(self, request: Mapping[str, Any]) -> None:
        """Carry out a PutItem, or a Put of a transaction: the hash key is the first attribute of the item."""
        (name, value), *_ = request["Item"].items()
        place = _place(request["TableName"], {name: value})
        self._check(place, request)
        self._items[place] = json.dumps(request["Item"])

    def update(self, request: Mapping[str, Any]) -> None:
        """Carry out an UpdateItem."""
        place = _place(request["TableName"], request["Key"])
        item = self._check(place, request) or dict(request["Key"])
        names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
        for kind, clause in _CLAUSE.findall(request["UpdateExpression"]):
            for part in clause.split(", "):
                name, *rest = part.split()
                name = names.get(name, name)
                if kind == "SET":
                    item[name] = values[rest[1]]
                elif kind == "ADD":
                    known = item.get(name, {"SS": []})["SS"]
                    item[name] = {"SS": sorted({*known, *values[rest[0]]["SS"]})}
                else:
                    item.pop(name, None)
        self._items[place] = json.dumps(item)

    def delete(self, request: Mapping[str, Any]) -> None:
        """Carry out a DeleteItem."""
        place = _place(request["TableName"], request["Key"])
        self._check(place, request)
        self._items.pop(place, None)

    def _check(self, place: tuple[str, str], request: Mapping[str, Any]) -> Item | None:
        """The item as it is. Raises AwsError if the condition of the request does not hold."""
        stored = self._items.get(place)
        item: Item | None = json.loads(stored) if stored else None
        condition = request.get("ConditionExpression")
        if condition and not all(_any_holds(each, item or {}, request) for each in _groups(condition)):
            raise AwsError("UpdateItem", 400, "ConditionalCheckFailedException", "The conditional request failed", {})
        return item


def _groups(condition: str) -> list[str]:
    return condition[1:-1].split(") AND (") if condition.startswith("(") else [condition]


def _any_holds(group: str, item: Item, request: Mapping[str, Any]) -> bool:
    return any(_holds(each, item, request) for each in group.split(" OR "))


def _holds(condition: str, item: Item, request: Mapping[str, Any]) -> bool:
    names = request.get("ExpressionAttributeNames", {})
    if absent := _ABSENT.fullmatch(condition):
        return names.get(absent[1], absent[1]) not in item
    compared = _COMPARISON.fullmatch(condition)
    if compared is None:
        raise NotImplementedError(condition)
    name, operator, placeholder = compared.groups()
    have, want = item.get(names.get(name, name)), request["ExpressionAttributeValues"][placeholder]
    if have is None:
        return False
    return bool(have == want if operator == "=" else int(have["N"]) < int(want["N"]))


def _place(table: str, key: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    parts: Sequence[str] = [value for each in key.values() for value in each.values()]
    return table, "\n".join(parts)
