"""An AWS account in memory that is as strict as AWS: it takes no request that AWS would not take.

It stands where `Clients` stands, so all of the product's own code runs. Requests are checked against AWS's own
descriptions, as boto3 does, and by the rules that only the services check. Tables are moto's.
"""

import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import botocore.session
from botocore.exceptions import ClientError, ParamValidationError
from botocore.validate import ParamValidator

from thingbridge.aws.clients import Clients
from thingbridge.flows.unowned_requests import ELECTION_SHADOW, ELECTION_THING

_OPERATIONS: Final = {
    "iot": ("DescribeThing", "ListThings", "CreateThing", "UpdateThing", "ListTopicRules"),
    "iot-data": ("Publish", "UpdateThingShadow", "GetThingShadow"),
    "sqs": ("SendMessage", "GetQueueAttributes"),
    "logs": ("PutLogEvents", "CreateLogStream"),
    "secretsmanager": ("GetSecretValue",),
}
_THING_NAME: Final = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_ATTRIBUTE: Final = re.compile(r"[a-zA-Z0-9_.,@/:#=\[\]-]{0,800}")
_MAX_PUBLISHED: Final = 128 * 1024
_MAX_SHADOW: Final = 8 * 1024
_MAX_LEVELS: Final = 8


class NotAccepted(AssertionError):
    """The product sent something that AWS refuses whatever the state of the account: a fault of the product."""


def descriptions() -> Mapping[str, Any]:
    """AWS's description of the input of each operation, by boto3's method name."""
    session = botocore.session.get_session()
    found = {}
    for service, operations in _OPERATIONS.items():
        model = session.get_service_model(service)
        for name in operations:
            method = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
            found[method] = model.operation_model(name).input_shape
    return found


class Account:
    """An account with some things and no rules. `document`: the shadow `lorawan` of every thing; `secrets`: by ARN.

    `election`: the shadow in which the stacks elect the one that answers a request for a thing of none.

    `published`, `log` and `queued`: what was sent since `clear`.
    """

    def __init__(self, clients: Clients, shapes: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._clients, self._shapes, self.secrets = clients, shapes, secrets
        self.things: dict[str, dict[str, str]] = {}
        self.document: dict[str, Any] = {}
        self.election: dict[str, Any] = {}
        self.published: list[tuple[str, bytes]] = []
        self.log: list[dict[str, Any]] = []
        self.queued: list[str] = []

    def __call__(self, service: str) -> Any:
        return self._clients(service) if service == "dynamodb" else self

    def of(self, _arn: str, service: str) -> Any:
        """The same account: its secrets are all in one region."""
        return self(service)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        carry_out = getattr(type(self), f"_{method}")
        shape = self._shapes[method]

        def call(**request: Any) -> Any:
            report = ParamValidator().validate(request, shape)
            if report.has_errors():
                raise ParamValidationError(report=report.generate_report())
            return carry_out(self, **request)

        return call

    def clear(self) -> None:
        """Forget what was sent."""
        self.published, self.log, self.queued, self.election = [], [], [], {}

    # Things --------------------------------------------------------------------------------------------------------

    def _describe_thing(self, *, thingName: str) -> dict[str, Any]:  # noqa: N803
        _check_name(thingName)
        if thingName not in self.things:
            raise _refusal("DescribeThing", "ResourceNotFoundException", 404)
        return {"thingName": thingName, "attributes": dict(self.things[thingName])}

    def _list_things(self, *, attributeName: str, attributeValue: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        _check(_ATTRIBUTE.fullmatch(attributeValue), attributeValue)
        found = [name for name, values in self.things.items() if values.get(attributeName) == attributeValue]
        return {"things": [{"thingName": name, "attributes": dict(self.things[name])} for name in found]}

    def get_paginator(self, operation: str) -> "_Paginator":
        return _Paginator(getattr(self, operation))

    def _list_topic_rules(self, **_: Any) -> dict[str, Any]:
        return {"rules": []}

    def _create_thing(self, *, thingName: str, attributePayload: Any, **_: Any) -> None:  # noqa: N803
        _check_name(thingName)
        for value in attributePayload["attributes"].values():
            _check(_ATTRIBUTE.fullmatch(value), value)
        if thingName in self.things:
            raise _refusal("CreateThing", "ResourceAlreadyExistsException", 409)
        # Not kept: the next message finds the account as it was.

    def _update_thing(self, **_: Any) -> None:
        return None

    # Messages and shadows ------------------------------------------------------------------------------------------

    def _publish(self, *, topic: str, qos: int, payload: bytes) -> None:
        _check(len(topic.encode()) <= 256 and topic.count("/") <= 7 and not set("+#\0") & set(topic), topic)
        _check(qos == 1 and len(payload) <= _MAX_PUBLISHED, len(payload))
        self.published.append((topic, payload))

    def _update_thing_shadow(self, *, thingName: str, shadowName: str, payload: bytes) -> Any:  # noqa: N803
        _check_name(thingName)
        state = json.loads(payload)["state"]
        _check_shadow(state, 0)
        if (thingName, shadowName) == (ELECTION_THING, ELECTION_SHADOW):
            reported = {**self.election.get("state", {}).get("reported", {}), **state["reported"]}
            self.election = {"state": {"reported": reported}, "version": self.election.get("version", 0) + 1}
            return {"payload": io.BytesIO(b"{}")}
        _check(shadowName == "lorawan", shadowName)
        if len(payload) > _MAX_SHADOW:
            raise _refusal("UpdateThingShadow", "RequestEntityTooLargeException", 413)
        return {"payload": io.BytesIO(b"{}")}

    def _get_thing_shadow(self, *, thingName: str, shadowName: str) -> Any:  # noqa: N803
        _check_name(thingName)
        document = self.document
        if (thingName, shadowName) == (ELECTION_THING, ELECTION_SHADOW):
            document = self.election
        else:
            _check(shadowName == "lorawan", shadowName)
        if not document:
            raise _refusal("GetThingShadow", "ResourceNotFoundException", 404)
        return {"payload": io.BytesIO(json.dumps(document).encode())}

    # The rest ------------------------------------------------------------------------------------------------------

    def _send_message(self, *, MessageBody: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        _check(0 < len(MessageBody.encode()) <= 256 * 1024, len(MessageBody))
        self.queued.append(MessageBody)
        return {"MessageId": "message-1"}

    def _get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        return {"Attributes": dict.fromkeys(AttributeNames, "0")}

    def _put_log_events(self, *, logStreamName: str, logEvents: Any, **_: Any) -> None:  # noqa: N803
        _check(re.fullmatch(r"[^:*]{1,512}", logStreamName), logStreamName)
        for event in logEvents:
            _check(0 < len(event["message"].encode()) <= 256 * 1024, len(event["message"]))
            self.log.append({"stream": logStreamName, **json.loads(event["message"])})

    def _get_secret_value(self, *, SecretId: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"SecretString": self.secrets[SecretId], "VersionId": "1", "CreatedDate": datetime.now(UTC)}


class _Paginator:
    """All of a listing, in one page."""

    def __init__(self, listing: Callable[..., dict[str, Any]]) -> None:
        self._listing = listing

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        yield self._listing(**request)


def _refusal(operation: str, code: str, status: int) -> ClientError:
    answer = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)  # type: ignore[arg-type]


def _check(holds: object, given: object) -> None:
    if not holds:
        raise NotAccepted(f"AWS does not accept {given!r:.200}")


def _check_name(thing_name: str) -> None:
    _check(_THING_NAME.fullmatch(thing_name), thing_name)


def is_shadow_state(state: Any) -> bool:
    """Whether the Device Shadow service takes this as the `state` of a shadow."""
    try:
        _check_shadow(state, 0)
    except (NotAccepted, UnicodeEncodeError):
        return False
    return isinstance(state, dict) and all(isinstance(part, dict) for part in state.values())


def _check_shadow(value: Any, level: int) -> None:
    """What the Device Shadow service refuses, in `state` (level 0) and everything below it."""
    if isinstance(value, dict | list):
        _check(level <= _MAX_LEVELS or not value, "a shadow with so many levels")
        for part in value.values() if isinstance(value, dict) else value:
            _check(part is not None or isinstance(value, dict), "a list that contains null")
            _check_shadow(part, level + 1)
        for name in value if isinstance(value, dict) else ():
            name.encode()
    elif isinstance(value, str):
        value.encode()
    elif isinstance(value, int | float):
        _check(not isinstance(value, float) or math.isfinite(value), value)
