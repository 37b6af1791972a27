"""A stack as AWS shows it to its operator: its things, their shadows and log. The only code of the command that uses
boto3; what is told and asked of people is not here.

The region, the profile and `AWS_ENDPOINT_URL` are boto3's own.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from cli.errors import Failed
from handlers.sync import MESSAGE_GROUP
from thingbridge.aws_iot.errors import code
from thingbridge.aws_iot.things_log import stream
from thingbridge.messaging.shadow import SHADOW_NAME
from thingbridge.pacing import TokenBucket
from thingbridge.registry.attributes import Attribute

THREADS: Final = 16
"""Calls at the same time: 80 a second at up to 200 ms each."""

LISTS_PER_SECOND: Final = 8.0
"""80 % of AWS IoT's quota for ListThings, which the functions of the stack share."""

PAGE_SIZE: Final = 250
"""The most ListThings gives at once."""

_LOG_GROUPS: Final = "/thethings/lorawan/"
_LOG_GROUP_END: Final = "/things"
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "ForbiddenException", "UnauthorizedException"})
_EXPIRED: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
)


@dataclass(frozen=True)
class Thing:
    """A thing of the registry. `type_name` is None for one without a thing type."""

    name: str
    type_name: str | None
    attributes: dict[str, str]

    @property
    def stack_name(self) -> str | None:
        return self.attributes.get(Attribute.STACK_NAME)


class NameTaken(Exception):
    """There is a thing of that name already, with other attributes."""


class StackAccess:
    """One stack in one account and region. `calls` counts what AWS was asked, by operation, retries not counted."""

    def __init__(self, stack_name: str, *, profile: str | None = None, region: str | None = None) -> None:
        self.stack_name = stack_name
        self.calls: Counter[str] = Counter()
        # Set to None when there is none: an empty AWS_PROFILE would be looked for.
        self._session = boto3.Session(profile_name=profile or None, region_name=region or None)
        self._session.events.register("before-call", self._count)
        self._lists = TokenBucket(rate=LISTS_PER_SECOND)
        # Adaptive: when AWS throttles, all threads slow down together instead of each trying harder.
        config = Config(
            retries={"mode": "adaptive", "total_max_attempts": 8},
            max_pool_connections=THREADS,
            connect_timeout=5,
            read_timeout=30,
            tcp_keepalive=True,
        )
        # Made here, in one thread: making clients is not safe in several.
        self._iot = self._session.client("iot", config=config)
        self._data = self._session.client("iot-data", config=config)
        self._logs = self._session.client("logs", config=config)

    @property
    def region(self) -> str:
        return str(self._session.region_name)

    @property
    def log_group(self) -> str:
        return f"{_LOG_GROUPS}{self.stack_name}{_LOG_GROUP_END}"

    def must_exist(self) -> None:
        """Failed, naming the stacks there are, when this one was not applied here: its things would come to nothing."""
        pages = self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=_LOG_GROUPS)
        groups = [str(group["logGroupName"]) for page in pages for group in page["logGroups"]]
        stacks = [
            g.removeprefix(_LOG_GROUPS).removesuffix(_LOG_GROUP_END) for g in groups if g.endswith(_LOG_GROUP_END)
        ]
        if self.stack_name not in stacks:
            there = (
                f"those there are: {', '.join(sorted(stacks))}"
                if stacks
                else "there is none: choose another --region or --profile"
            )
            raise Failed(f"there is no stack {self.stack_name} in {self.region}: {there}")

    def things(self) -> Iterator[Thing]:
        """Every thing of the stack, page by page."""
        pages = self._iot.get_paginator("list_things").paginate(
            attributeName=str(Attribute.STACK_NAME),
            attributeValue=self.stack_name,
            PaginationConfig={"PageSize": PAGE_SIZE},
        )
        for page in pages:
            for each in page["things"]:
                yield Thing(each["thingName"], each.get("thingTypeName"), dict(each.get("attributes") or {}))
            if page.get("nextToken"):
                self._lists.acquire()

    def describe(self, name: str) -> Thing | None:
        """The thing of that name, of whatever stack; None without one."""
        try:
            found = self._iot.describe_thing(thingName=name)
        except self._iot.exceptions.ResourceNotFoundException:
            return None
        return Thing(found["thingName"], found.get("thingTypeName"), dict(found.get("attributes") or {}))

    def thing(self, name: str) -> Thing:
        """The stack's thing of that name. Failed without one, and when it is another stack's."""
        found = self.describe(name)
        if found is None:
            raise Failed(f"there is no thing {name}: `thingbridge things list` shows those of {self.stack_name}")
        if found.stack_name != self.stack_name:
            raise Failed(f"{name} is no thing of {self.stack_name}: {whose(found)}")
        return found

    def create(self, name: str, attributes: Mapping[str, str], type_name: str) -> None:
        """Create a thing of the stack. Raises NameTaken."""
        try:
            self._iot.create_thing(
                thingName=name,
                thingTypeName=type_name,
                attributePayload={"attributes": {**attributes, str(Attribute.STACK_NAME): self.stack_name}},
            )
        except self._iot.exceptions.ResourceAlreadyExistsException as error:
            raise NameTaken(name) from error
        except self._iot.exceptions.ResourceNotFoundException as error:
            raise Failed(
                f"there is no thing type {type_name} in {self.region}: name the stack's with --thing-type"
            ) from error

    def update(self, name: str, attributes: Mapping[str, str]) -> None:
        """Give a thing other values of these attributes; the others stay."""
        self._iot.update_thing(thingName=name, attributePayload={"attributes": dict(attributes), "merge": True})

    def delete(self, name: str) -> None:
        self._iot.delete_thing(thingName=name)

    def shadow(self, name: str) -> dict[str, Any]:
        """What the thing's shadow reports; empty when there is none."""
        try:
            answer = self._data.get_thing_shadow(thingName=name, shadowName=SHADOW_NAME)
        except self._data.exceptions.ResourceNotFoundException:
            return {}
        return dict(json.loads(answer["payload"].read()).get("state", {}).get("reported") or {})

    def log(self, name: str, limit: int) -> list[dict[str, Any]]:
        """The last entries of the thing's log stream, oldest first: `{"at": milliseconds, "level", "event", …}`."""
        if limit == 0:
            return []
        try:
            answer = self._logs.get_log_events(
                logGroupName=self.log_group, logStreamName=stream(name), limit=limit, startFromHead=False
            )
        except self._logs.exceptions.ResourceNotFoundException:
            return []
        return [{"at": event["timestamp"], **_entry(event["message"])} for event in answer["events"]]

    def start_sync(self, mode: str) -> str:
        """Ask the stack for a synchronisation in its turn; returns the run's id. Failed where it has none."""
        sqs = self._session.client("sqs")
        try:
            url = sqs.get_queue_url(QueueName=f"{self.stack_name}-sync.fifo")["QueueUrl"]
        except sqs.exceptions.QueueDoesNotExist as error:
            raise Failed(
                f"the stack {self.stack_name} does not synchronise: apply it with registry_sync = {{ enabled = true }}"
            ) from error
        tick = json.dumps({"mode": mode})
        sent = sqs.send_message(
            QueueUrl=url, MessageBody=tick, MessageGroupId=MESSAGE_GROUP, MessageDeduplicationId=str(uuid.uuid4())
        )
        return str(sent["MessageId"])

    def sync_log(self, since: float) -> Iterator[dict[str, Any]]:
        """What the function `sync` logged since then (Unix seconds); nothing before its first call."""
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{self.stack_name}-sync", startTime=int(since * 1000)
        )
        try:
            for page in pages:
                yield from (_entry(event["message"]) for event in page["events"])
        except self._logs.exceptions.ResourceNotFoundException:
            return

    def _count(self, model: Any, **_: Any) -> None:
        self.calls[model.name] += 1


def whose(thing: Thing) -> str:
    """Which stack's thing it is, as half a sentence."""
    return f"it is one of the stack {thing.stack_name}" if thing.stack_name else "it has no attribute stackName"


def stops_everything(error: Exception) -> bool:
    """Whether the next call would fail for the same reason: no rights, no credentials, no connection."""
    if isinstance(error, ClientError):
        return code(error) in _DENIED | _EXPIRED or "Signature" in code(error)
    return True


SENTENCES: Final = (BotoCoreError, ClientError)


def sentence(error: BotoCoreError | ClientError) -> str:
    """What AWS or boto3 says, and the mend, as one sentence."""
    match error:
        case ProfileNotFound():
            return f"{error}: `aws configure list-profiles` shows those there are"
        case NoRegionError():
            return "no AWS region is chosen: add --region, or set AWS_REGION"
        case NoCredentialsError():
            return "there are no AWS credentials: add --profile, or log in (`aws sso login`, `aws login`)"
        case UnauthorizedSSOTokenError() | TokenRetrievalError():
            return "the AWS login has expired: `aws sso login` renews it"
        case ConnectionError() | HTTPClientError():
            return f"AWS does not answer: {error} (AWS_ENDPOINT_URL, if it is set, leads elsewhere)"
        case ClientError():
            return _client_error(error)
    return str(error)


def _client_error(error: ClientError) -> str:
    told = error.response.get("Error", {}).get("Message", "")
    if code(error) in _EXPIRED:
        return f"AWS does not take these credentials ({code(error)}): log in again, or choose another --profile"
    if code(error) in _DENIED:
        return (
            f"AWS does not allow {error.operation_name}: ask for that permission, or choose another --profile ({told})"
        )
    return f"AWS refused {error.operation_name}: {code(error)}: {told}".rstrip(": ")


def _entry(message: str) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"event": message}
