"""An AWS account as flows call it: registry, broker, shadows and logs behind boto3's methods, with quotas.

Calls take time, and one above a quota is answered as AWS does. When it is tried again is the product's own code
(`thingbridge.aws.retries`, which follows botocore). What invokes a function is in `functions`.
"""

from __future__ import annotations

import io
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol, TypeVar

from benchmarks.fleet.engine import Clock
from benchmarks.fleet.tables import Tables
from thingbridge.aws.errors import AwsError
from thingbridge.aws.retries import Retries

QUOTAS: Final[Mapping[str, int]] = {
    "CreateThing": 100,
    "DescribeThing": 350,
    "ListThings": 10,
    "UpdateThing": 100,
    "Publish": 20_000,
    "UpdateThingShadow": 4_000,
    "GetThingShadow": 4_000,
    "CreateLogStream": 50,
    "PutLogEvents": 5_000,
    "GetItem": 24_000,
    "UpdateItem": 4_000,
}
"""Calls per second of an account in a large region (Service Quotas of AWS IoT Core and CloudWatch Logs), and what a new
on-demand table of DynamoDB serves: 12,000 units read, which are twice as many eventually consistent reads.

Publish counts messages of The Things Stack as well. AWS adds up what reads and writes a shadow."""

ADDED_UP: Final = {"GetThingShadow": "UpdateThingShadow", "PutItem": "UpdateItem", "DeleteItem": "UpdateItem"}

SECONDS: Final[Mapping[str, float]] = {
    "CreateThing": 0.06,
    "DescribeThing": 0.025,
    "ListThings": 0.10,
    "UpdateThing": 0.05,
    "Publish": 0.010,
    "UpdateThingShadow": 0.012,
    "GetThingShadow": 0.010,
    "CreateLogStream": 0.05,
    "PutLogEvents": 0.02,
    "ChangeMessageVisibility": 0.010,
    "GetQueueUrl": 0.010,
    "SendMessage": 0.012,
    "GetQueueAttributes": 0.010,
    "GetItem": 0.005,
    "PutItem": 0.008,
    "UpdateItem": 0.008,
    "DeleteItem": 0.008,
}
"""Usual duration of a call within a region; each call takes 50 to 150 % of it. Estimates: what breaks first is a quota,
not these."""

Result = TypeVar("Result")


class Quotas:
    """Calls of each second, counted and refused above the quota. Calls need not come in order of time."""

    def __init__(self, limits: Mapping[str, int] = QUOTAS) -> None:
        self.limits = dict(limits)
        self.refused: Counter[str] = Counter()
        self.first_refused: dict[str, float] = {}
        self._granted: defaultdict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))

    def take(self, operation: str, at: float) -> bool:
        """Whether a call is granted at a time."""
        operation = ADDED_UP.get(operation, operation)
        granted, second = self._granted[operation], int(at)
        if granted[second] >= self.limits.get(operation, 1 << 62):
            self.refused[operation] += 1
            self.first_refused[operation] = min(at, self.first_refused.get(operation, at))
            return False
        granted[second] += 1
        return True

    def calls(self, operation: str, since: float = 0, until: float = 1e12) -> int:
        """Granted calls of a period."""
        return sum(count for second, count in self._granted[operation].items() if since <= second < until)

    def share(self, operation: str, since: float, until: float) -> float:
        """Used share of a quota in a period of whole seconds."""
        return self.calls(operation, since, until) / (self.limits[operation] * max(1.0, until - since))

    def operations(self) -> list[str]:
        """What was called."""
        return sorted(self._granted)


class Registry:
    """Things by name. They are kept as text: a million of them must fit into memory."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[str, str, Mapping[str, str]], None]] = []
        self._things: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._things)

    def __contains__(self, name: str) -> bool:
        return name in self._things

    def attributes(self, name: str) -> dict[str, str] | None:
        """A thing's attributes, None if there is no such thing."""
        found = self._things.get(name)
        return None if found is None else dict(json.loads(found))

    def create(self, name: str, attributes: Mapping[str, str]) -> bool:
        """Create a thing; False if one of that name has other attributes."""
        text = json.dumps(attributes)
        if (found := self._things.get(name)) is not None:
            return found == text
        self._things[name] = text
        for listener in self.listeners:
            listener("CREATED", name, attributes)
        return True

    def update(self, name: str, attributes: Mapping[str, str]) -> None:
        """Merge attributes into a thing's."""
        merged = {**(self.attributes(name) or {}), **attributes}
        self._things[name] = json.dumps(merged)
        for listener in self.listeners:
            listener("UPDATED", name, merged)

    def with_dev_eui(self, dev_eui: str) -> Iterator[str]:
        """Names of things with a DevEUI: here, a thing is named after its DevEUI, or has another name on purpose."""
        if dev_eui in self._things:
            yield dev_eui


class Sent(Protocol):
    """A queue that a function sends messages to, which see `queues`."""

    def __len__(self) -> int:
        """How many messages wait."""

    def send(self, at: float, body: Any, group: str = "", deduplication_id: str = "") -> None:
        """Accept a message."""


class Account:
    """One account and region. `clock`: of the caller. `queues`: by their URL, for those that functions call."""

    def __init__(self, clock: Clock, quotas: Quotas | None = None) -> None:
        self.clock = clock
        self.quotas = quotas or Quotas()
        self.registry = Registry()
        self.tables = Tables()
        self.queues: dict[str, Sent] = {}
        self.log_streams: set[str] = set()
        self.delays: dict[str, float] = {}

    def clients(self) -> Any:
        """The clients of one execution environment, for `thingbridge.aws.clients.Clients`."""
        return Clients(self)

    def answer(self, operation: str, answer: Callable[[], Result]) -> Result:
        """The answer to a call, after its duration. Raises AwsError above the quota."""
        self.clock.sleep(SECONDS[operation] * (0.5 + random.random()) * self.clock.slowness)
        if not self.quotas.take(operation, self.clock.at):
            raise AwsError(operation, 429, "ThrottlingException", "Rate exceeded", {})
        return answer()


class Clients:
    """What `thingbridge.aws.clients.Clients` is for a flow: a service's name to its client. All services in one."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._retries: dict[str, Retries] = {}
        self._service = ""

    def __call__(self, service: str) -> Clients:
        self._service = service
        if service not in self._retries:
            self._retries[service] = Retries(self._account.clock.sleep)
        return self

    def try_at_most(self, service: str, attempts: int) -> None:
        self._retries[service] = Retries(self._account.clock.sleep, attempts)

    def _call(self, operation: str, answer: Callable[[], Result]) -> Result:
        account = self._account
        return self._retries[self._service].carry_out(lambda: account.answer(operation, answer))

    # AWS IoT

    def describe_thing(self, *, thingName: str) -> dict[str, Any]:  # noqa: N803
        return self._call("DescribeThing", lambda: self._described(thingName))

    def _described(self, name: str) -> dict[str, Any]:
        attributes = self._account.registry.attributes(name)
        if attributes is None:
            raise AwsError("DescribeThing", 404, "ResourceNotFoundException", f"{name} not found", {})
        return {"thingName": name, "thingTypeName": "lorawan", "attributes": attributes, "version": 1, "thingId": name}

    def get_paginator(self, _operation: str) -> Clients:
        return self

    def paginate(self, *, attributeName: str, attributeValue: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        def found() -> dict[str, Any]:
            names = self._account.registry.with_dev_eui(attributeValue) if attributeName == "devEUI" else ()
            return {"things": [self._described(name) for name in names]}

        yield self._call("ListThings", found)

    def create_thing(self, *, thingName: str, attributePayload: Mapping[str, Any], **_: str) -> None:  # noqa: N803
        def create() -> None:
            if not self._account.registry.create(thingName, attributePayload["attributes"]):
                raise AwsError("CreateThing", 409, "ResourceAlreadyExistsException", f"{thingName} exists", {})

        self._call("CreateThing", create)

    def update_thing(self, *, thingName: str, attributePayload: Mapping[str, Any], **_: Any) -> None:  # noqa: N803
        self._call("UpdateThing", lambda: self._account.registry.update(thingName, attributePayload["attributes"]))

    # AWS IoT's data plane

    def publish(self, **_: Any) -> None:
        self._call("Publish", lambda: None)

    def update_thing_shadow(self, **_: Any) -> dict[str, Any]:
        return self._call("UpdateThingShadow", lambda: {"payload": io.BytesIO(b"{}")})

    def get_thing_shadow(self, **_: Any) -> dict[str, Any]:
        return self._call("GetThingShadow", lambda: {"payload": io.BytesIO(b"{}")})

    # Amazon CloudWatch Logs: every thing has a stream of its own, which its first entry finds missing

    def put_log_events(self, *, logStreamName: str, **_: Any) -> None:  # noqa: N803
        self._call("PutLogEvents", lambda: self._found(logStreamName))

    def _found(self, stream: str) -> None:
        if stream not in self._account.log_streams:
            raise AwsError("PutLogEvents", 400, "ResourceNotFoundException", "no such stream", {})

    def create_log_stream(self, *, logStreamName: str, **_: Any) -> None:  # noqa: N803
        self._call("CreateLogStream", lambda: self._account.log_streams.add(logStreamName))

    # Amazon SQS

    def get_queue_url(self, *, QueueName: str) -> dict[str, str]:  # noqa: N803
        return self._call("GetQueueUrl", lambda: {"QueueUrl": QueueName})

    def change_message_visibility(self, *, ReceiptHandle: str, VisibilityTimeout: float, **_: str) -> None:  # noqa: N803
        def change() -> None:
            self._account.delays[ReceiptHandle] = VisibilityTimeout

        self._call("ChangeMessageVisibility", change)

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        def count() -> dict[str, Any]:
            names = iter(AttributeNames)
            waiting = {next(names): str(len(self._account.queues[QueueUrl]))}
            return {"Attributes": {**dict.fromkeys(names, "0"), **waiting}}

        return self._call("GetQueueAttributes", count)

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MessageBody: str,  # noqa: N803
        MessageGroupId: str = "",  # noqa: N803
        MessageDeduplicationId: str = "",  # noqa: N803
    ) -> dict[str, str]:
        def send() -> dict[str, str]:
            queue, at = self._account.queues[QueueUrl], self._account.clock.at
            queue.send(at, MessageBody, MessageGroupId, MessageDeduplicationId)
            return {"MessageId": MessageDeduplicationId}

        return self._call("SendMessage", send)

    # Amazon DynamoDB

    def get_item(self, **request: Any) -> dict[str, Any]:
        return self._call("GetItem", lambda: self._account.tables.get(request))

    def put_item(self, **request: Any) -> None:
        self._call("PutItem", lambda: self._account.tables.put(request))

    def update_item(self, **request: Any) -> None:
        self._call("UpdateItem", lambda: self._account.tables.update(request))

    def delete_item(self, **request: Any) -> None:
        self._call("DeleteItem", lambda: self._account.tables.delete(request))
