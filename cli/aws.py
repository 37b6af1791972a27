"""An applied stack as the commands see it, and AWS's errors as sentences. The calls are those of thingbridge.aws."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import typer
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ProfileNotFound,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from cli.errors import Failed
from cli.runtime import Clock, Runtime
from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import NotPermitted, code
from thingbridge.aws.functions import Functions
from thingbridge.aws.logs import Logs
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things import Thing, Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import BadInput, Misconfigured, ThingbridgeError
from thingbridge.registry.attributes import Attribute, reference
from thingbridge.shadow.state import SHADOW_NAME

LISTS_PER_SECOND: Final = 8.0
"""80 % of AWS IoT's quota for ListThings, which the functions of the stack share."""

_LOG_GROUPS: Final = "/thethings/lorawan/"
_LOG_GROUP_END: Final = "/things"
_EXPIRED: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
)

ERRORS: Final = (BotoCoreError, ThingbridgeError)
"""What a call of AWS raises, and making a client."""

_DEFAULT_ID: Final = re.compile(r"eui-([0-9a-f]{16})")
"""The device id of a device without a chosen one (thingbridge.lorawan.identifiers)."""


class AppliedStack:
    """One stack in one account and region: the adapters that read and change it, and failures in sentences."""

    def __init__(self, name: str, clients: Clients, clock: Clock) -> None:
        self.name, self.clients, self.clock = name, clients, clock
        self.things = Things(clients)
        self.shadows = Shadows(clients, SHADOW_NAME)
        self.logs = Logs(clients)
        self.functions = Functions(clients)
        self.things_log = ThingsLog(clients, f"{_LOG_GROUPS}{name}{_LOG_GROUP_END}")
        self._lists = clock.pace(LISTS_PER_SECOND)

    @classmethod
    def open(cls, context: typer.Context, name: str, profile: str | None, region: str | None) -> AppliedStack:
        """The stack that a command was started for. Nothing is called yet."""
        runtime = Runtime.of(context)
        return cls(name, runtime.connect(profile, region), runtime.clock)

    @property
    def region(self) -> str:
        return str(self.clients("iot").meta.region_name)

    def must_exist(self) -> None:
        """Raise Failed, naming the existing stacks, when this one was not applied here: its things would do nothing.

        A stack exists where its log of things does.
        """
        groups = self.logs.groups(_LOG_GROUPS)
        stacks = sorted(
            g.removeprefix(_LOG_GROUPS).removesuffix(_LOG_GROUP_END) for g in groups if g.endswith(_LOG_GROUP_END)
        )
        if self.name not in stacks:
            existing = (
                f"the stacks there are {', '.join(stacks)}"
                if stacks
                else "no stack exists there; choose another --region or --profile"
            )
            raise Failed(f"the stack {self.name} does not exist in {self.region}: {existing}")

    def default_frequency_plan_id(self) -> str:
        """The frequency plan of devices whose things name none; empty if it may not be read."""
        try:
            return self.functions.environment(f"{self.name}-registry").get("DEFAULT_FREQUENCY_PLAN_ID", "")
        except ERRORS:
            return ""

    def all_things(self) -> Iterator[Thing]:
        """Every thing of the stack, page by page."""
        return self.things.of_stack(self.name, self._lists.acquire)

    def thing(self, name: str) -> Thing:
        """The stack's thing of that name. Failed when it does not exist, or belongs to another stack."""
        found = self.things.describe(name)
        if found is None:
            raise Failed(f"the thing {name} does not exist: `thingbridge things list` shows those of {self.name}")
        if stack_of(found) != self.name:
            raise Failed(f"the thing {name} is not part of the stack {self.name}: {owner(found)}")
        return found

    def things_of_device(self, attributes: Mapping[str, str]) -> list[Thing]:
        """Every thing that stands for the device of these attributes: by its DevEUI, or in this stack by its id.

        Three calls: the DevEUI is searched in upper and in lower case.
        """
        try:
            device = reference(attributes)
        except BadInput:
            return []
        for _ in range(3):
            self._lists.acquire()
        found = [each for each in self.things.with_device_id(device.device_id) if stack_of(each) == self.name]
        if device.dev_eui:
            found += self.things.with_dev_eui(device.dev_eui)
        elif default := _DEFAULT_ID.fullmatch(device.device_id):
            # A thing without a device id stands for the device with the id that its DevEUI gives it.
            found += [each for each in self.things.with_dev_eui(default[1].upper()) if not _device_id(each)]
        return list({thing.name: thing for thing in found}.values())

    def create(self, name: str, attributes: Mapping[str, str], type_name: str) -> bool:
        """Create a thing of the stack; False when another thing has the name. Failed when the type does not exist."""
        try:
            return self.things.create(name, {**attributes, str(Attribute.STACK_NAME): self.name}, type_name)
        except Misconfigured as error:
            if isinstance(error.__cause__, ClientError) and code(error.__cause__) == "ResourceNotFoundException":
                raise Failed(
                    f"the thing type {type_name} does not exist in {self.region}: "
                    "give the stack's thing type with --thing-type"
                ) from error
            raise


def stack_of(thing: Thing) -> str | None:
    """The name of the stack that a thing belongs to."""
    return thing.attributes.get(Attribute.STACK_NAME)


def _device_id(thing: Thing) -> str | None:
    return thing.attributes.get(Attribute.DEVICE_ID)


def owner(thing: Thing) -> str:
    """Which stack a thing belongs to, as half a sentence."""
    name = stack_of(thing)
    return f"it belongs to the stack {name}" if name else "it has no attribute stackName"


def stops_everything(error: ThingbridgeError) -> bool:
    """Whether the next call would fail for the same reason: permissions, credentials, or the connection."""
    cause = error.__cause__
    if isinstance(cause, ClientError):
        return isinstance(error, NotPermitted) or code(cause) in _EXPIRED or "Signature" in code(cause)
    return isinstance(cause, BotoCoreError) and not isinstance(cause, ParamValidationError)


def sentence(error: BotoCoreError | ThingbridgeError) -> str:
    """What AWS or boto3 reports, and the fix, as one sentence."""
    match error.__cause__ if isinstance(error, ThingbridgeError) else error:
        case ProfileNotFound() as cause:
            return f"{cause}: `aws configure list-profiles` lists the profiles"
        case NoRegionError():
            return "no AWS region is set: add --region, or set AWS_REGION"
        case NoCredentialsError():
            return "no AWS credentials were found: add --profile, or log in (`aws sso login`, `aws login`)"
        case UnauthorizedSSOTokenError() | TokenRetrievalError():
            return "the AWS login has expired: renew it with `aws sso login`"
        case (ConnectionError() | HTTPClientError()) as cause:
            return f"AWS does not answer: {cause} (check --region, and AWS_ENDPOINT_URL if it is set)"
        case ClientError() as cause if code(cause) in _EXPIRED or not _names_its_fix(error):
            return _client_error(cause, permitted=not isinstance(error, NotPermitted))
    return str(error)


def _names_its_fix(error: Exception) -> bool:
    return isinstance(error, Misconfigured) and not isinstance(error, NotPermitted)


def _client_error(error: Any, *, permitted: bool) -> str:
    reason = error.response.get("Error", {}).get("Message", "")
    if code(error) in _EXPIRED:
        return f"AWS does not accept these credentials ({code(error)}): log in again, or choose another --profile"
    if not permitted:
        return (
            f"AWS does not allow {error.operation_name}: request that permission, or choose another --profile "
            f"({reason})"
        )
    return f"AWS refused {error.operation_name}: {code(error)}: {reason}".rstrip(": ")
