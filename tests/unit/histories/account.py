"""What the product uses of an AWS account in a region, in memory: things that send events, shadows, tables and queues.

It stands where `Clients` stands, so all of the product's own code runs. What differs from AWS is the time: events wait
until a history delivers them. The adapters are tested on real answers in tests/unit/aws and tests/e2e.
"""

import copy
import io
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from local.things_stack.api.faults import Faults

Item = dict[str, Any]
"""An item of a table as DynamoDB has it: names, and values with their types."""

CODES = {
    400: "InvalidRequestException",
    403: "AccessDeniedException",
    429: "ThrottlingException",
    500: "InternalFailureException",
}


THING_TYPE = "lorawan"
"""The type of all things: the rule for registry events asks for it."""


@dataclass
class Message:
    """A message of a queue, and how often it was delivered."""

    body: str
    received: int = 0


def operation(carry_out: Callable[..., Any]) -> Callable[..., Any]:
    """An operation of the account, which `faults` may let fail: before it is carried out, or after."""

    @wraps(carry_out)
    def call(self: "Account", **request: Any) -> Any:
        self.called[carry_out.__name__] += 1
        self.before_call(carry_out.__name__)
        hit = self.faults.strike("AWS", carry_out.__name__)
        if hit and not hit.after:
            raise _error(carry_out.__name__, hit.status)
        answer = carry_out(self, **request)
        if hit:
            raise _error(carry_out.__name__, hit.status)
        return answer

    return call


def _error(name: str, status: int | None) -> Exception:
    if status is None:
        return ReadTimeoutError(endpoint_url="https://aws.example")
    answer = {"Error": {"Code": CODES[status], "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, _operation_name(name))


def _refusal(name: str, code: str, status: int = 404) -> ClientError:
    answer = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, _operation_name(name))


def _operation_name(method: str) -> str:
    """The API's name of a method: `describe_thing` → `DescribeThing`."""
    return method.title().replace("_", "")


def registry_queue(stack: str) -> str:
    """The URL of a stack's queue of registry events and work items."""
    return f"{stack}-registry"


def directory_queue(stack: str) -> str:
    """The URL of a stack's queue of events for its directory."""
    return f"{stack}-directory"


def sync_queue(stack: str) -> str:
    """The URL of a stack's queue of ticks and runs."""
    return f"{stack}-sync"


@dataclass
class Account:
    """A region of an account with the things of its `stacks`, each of which has a rule for registry events.

    `events_enabled`: whether changes of things send events now. `on_change`: called with the name and the attributes
    before and after each change of a thing that the product makes. `indexed`: the things that listings show, if these
    are not those of now. `before_call`: called with each operation, and may
    change anything before it is carried out.
    """

    stacks: tuple[str, ...]
    events_enabled: bool = True
    things: dict[str, dict[str, str]] = field(default_factory=dict)
    versions: Counter[str] = field(default_factory=Counter)
    ids: dict[str, str] = field(default_factory=dict)
    shadows: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    queues: dict[str, list[Message]] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    called: Counter[str] = field(default_factory=Counter)
    on_change: Callable[[str, Mapping[str, str], Mapping[str, str]], None] = lambda _name, _before, _after: None
    indexed: dict[str, dict[str, str]] | None = None
    tables: dict[str, dict[str, Item]] = field(default_factory=dict)
    now: Callable[[], float] = time.time
    before_call: Callable[[str], None] = lambda _operation: None

    def __post_init__(self) -> None:
        for stack in self.stacks:
            self.queues |= {registry_queue(stack): [], sync_queue(stack): [], directory_queue(stack): []}

    # The operations of boto3 -----------------------------------------------------------------------------------------

    def __call__(self, _service: str) -> "Account":
        """The client of a service: no two services have an operation of the same name."""
        return self

    @operation
    def describe_thing(self, *, thingName: str) -> dict[str, Any]:  # noqa: N803
        if thingName not in self.things:
            raise _refusal("describe_thing", "ResourceNotFoundException")
        return {**self._listed(thingName), "thingId": self.ids[thingName]}

    @operation
    def list_things(
        self,
        *,
        attributeName: str = "",  # noqa: N803
        attributeValue: str = "",  # noqa: N803
        thingTypeName: str = "",  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        """Things by an attribute, or all: they have one type. As the index has them, which may be behind."""
        indexed = self.things if self.indexed is None else self.indexed
        named = {
            name: has for name, has in indexed.items() if thingTypeName or has.get(attributeName) == attributeValue
        }
        return {
            "things": [
                {
                    "thingName": name,
                    "thingTypeName": THING_TYPE,
                    "attributes": dict(has),
                    "version": self.versions[name],
                }
                for name, has in named.items()
            ]
        }

    @operation
    def delete_thing(self, *, thingName: str, expectedVersion: int | None = None) -> None:  # noqa: N803
        if thingName not in self.things:
            return
        if expectedVersion not in (None, self.versions[thingName]):
            raise _refusal("delete_thing", "VersionConflictException", 409)
        before = self.things[thingName]
        self.delete(thingName)
        self.on_change(thingName, before, {})

    @operation
    def describe_event_configurations(self) -> dict[str, Any]:
        return {"eventConfigurations": {"THING": {"Enabled": True}}}

    def get_paginator(self, _operation: str) -> "Account":
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        yield self.list_things(**request)

    @operation
    def create_thing(self, *, thingName: str, attributePayload: Any, **_: Any) -> None:  # noqa: N803
        attributes = attributePayload["attributes"]
        if thingName not in self.things:
            self.put(thingName, attributes)
            self.on_change(thingName, {}, self.things[thingName])
        elif self.things[thingName] != attributes:
            raise _refusal("create_thing", "ResourceAlreadyExistsException", 409)

    @operation
    def update_thing(
        self,
        *,
        thingName: str,  # noqa: N803
        attributePayload: Any,  # noqa: N803
        expectedVersion: int | None = None,  # noqa: N803
        **_: Any,
    ) -> None:
        if thingName not in self.things:
            raise _refusal("update_thing", "ResourceNotFoundException")
        if expectedVersion not in (None, self.versions[thingName]):
            raise _refusal("update_thing", "VersionConflictException", 409)
        before = dict(self.things[thingName])
        self.put(thingName, (before if attributePayload.get("merge") else {}) | attributePayload["attributes"])
        self.on_change(thingName, before, self.things[thingName])

    @operation
    def update_thing_shadow(self, *, thingName: str, shadowName: str, payload: bytes) -> dict[str, Any]:  # noqa: N803
        reported = json.loads(payload)["state"]["reported"].get("provisioning") or {}
        merged = self.shadows.get(thingName, {}) | reported
        self.shadows[thingName] = {name: value for name, value in merged.items() if value is not None}
        return {"payload": io.BytesIO(b"{}")}

    @operation
    def get_thing_shadow(self, *, thingName: str, shadowName: str) -> dict[str, Any]:  # noqa: N803
        if thingName not in self.shadows:
            raise _refusal("get_thing_shadow", "ResourceNotFoundException")
        document = {"state": {"reported": {"provisioning": self.shadows[thingName]}}}
        return {"payload": io.BytesIO(json.dumps(document).encode())}

    @operation
    def publish(self, *, topic: str, payload: bytes, **_: Any) -> None:
        """A message for the subscribers, of whom there are none."""

    @operation
    def put_log_events(self, *, logEvents: list[dict[str, Any]], **_: Any) -> None:  # noqa: N803
        self.log += [json.loads(each["message"]) for each in logEvents]

    @operation
    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        return {"Attributes": {name: str(len(self.queues[QueueUrl])) for name in AttributeNames}}

    @operation
    def send_message(self, *, QueueUrl: str, MessageBody: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.queues[QueueUrl].append(Message(MessageBody))
        return {"MessageId": f"message-{len(self.queues[QueueUrl])}"}

    @operation
    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> dict[str, Any]:  # noqa: N803
        item = self._table(TableName, "get_item").get(Key["device"]["S"])
        return {"Item": copy.deepcopy(item)} if item else {}

    @operation
    def update_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Key: Item,  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        ExpressionAttributeValues: Item,  # noqa: N803
        ConditionExpression: str | None = None,  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str] | None = None,  # noqa: N803
    ) -> None:
        """The expressions of the directory: a condition is that a fact is newer, and perhaps about no other thing."""
        table = self._table(TableName, "update_item")
        item = table.setdefault(Key["device"]["S"], dict(Key))
        if ConditionExpression:
            values = ExpressionAttributeValues
            newer = int(values[":as_of"]["N"]) > int(item.get("as_of", {"N": "0"})["N"])
            other = "thing = :thing" in ConditionExpression and item.get("thing", values[":thing"]) != values[":thing"]
        if ConditionExpression and (other or not newer):
            raise _refusal("update_item", "ConditionalCheckFailedException", 400)
        sets, _, removed = UpdateExpression.partition(" REMOVE ")
        verb, _, changes = sets.partition(" ")
        for change in changes.split(", "):
            name, value = change.replace(" = ", " ").split(" ")
            name, given = (ExpressionAttributeNames or {}).get(name, name), ExpressionAttributeValues[value]
            before = item.get(name, {}).get("SS", [])
            item[name] = given if verb == "SET" else {"SS": sorted({*before, *given["SS"]})}
        for name in filter(None, removed.split(", ")):
            item.pop(name, None)

    @operation
    def transact_write_items(self, *, TransactItems: list[dict[str, Any]]) -> None:  # noqa: N803
        puts = [each.get("Put") for each in TransactItems]
        taken = [bool(put and put["Item"]["device"]["S"] in self.tables[put["TableName"]]) for put in puts]
        if any(taken):
            error = _refusal("transact_write_items", "TransactionCanceledException", 400)
            codes = ["ConditionalCheckFailed" if each else "None" for each in taken]
            error.response["CancellationReasons"] = [{"Code": each} for each in codes]  # type: ignore[typeddict-unknown-key]
            raise error
        for each in TransactItems:
            if put := each.get("Put"):
                self.tables[put["TableName"]][put["Item"]["device"]["S"]] = put["Item"]
            else:
                self.update_item(**each["Update"])

    @operation
    def scan(self, *, TableName: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Items": copy.deepcopy(list(self._table(TableName, "scan").values()))}

    def _table(self, name: str, asked: str) -> dict[str, Item]:
        if name not in self.tables:
            raise _refusal(asked, "ResourceNotFoundException", 400)
        return self.tables[name]

    def _listed(self, name: str) -> dict[str, Any]:
        """A thing as a listing contains it: without its id."""
        described = {"attributes": dict(self.things[name]), "version": self.versions[name]}
        return {"thingName": name, "thingTypeName": THING_TYPE, **described}

    # Changes that people make ----------------------------------------------------------------------------------------

    def put(self, name: str, attributes: Mapping[str, str]) -> None:
        """Create or change a thing; an empty value removes an attribute."""
        operation = "UPDATED" if name in self.things else "CREATED"
        self.things[name] = {key: value for key, value in attributes.items() if value}
        self.versions[name] += 1
        self.ids[name] = str(uuid.uuid4()) if operation == "CREATED" else self.ids[name]
        self._announce(operation, name, self.things[name])

    def delete(self, name: str) -> None:
        """Delete a thing and its shadow."""
        self.shadows.pop(name, None)
        self.versions.pop(name, None)
        self._announce("DELETED", name, self.things.pop(name))

    def _announce(self, operation: str, name: str, attributes: Mapping[str, str]) -> None:
        stack = attributes.get("stackName")
        if self.events_enabled and stack in self.stacks:
            event = {"operation": operation, "thingName": name, "attributes": dict(attributes)}
            self.queues[registry_queue(stack)].append(Message(json.dumps(event)))
        named = {each: attributes[each] for each in ("devEUI", "deviceID") if each in attributes}
        if self.events_enabled and named and not (operation == "CREATED" and attributes.get("devEUI") == name):
            # What the rules of modules/directory pass on, in every stack.
            body = json.dumps({"thingName": name, "at": int(self.now() * 1000), **named})
            for each in self.stacks:
                self.queues[directory_queue(each)].append(Message(body))
