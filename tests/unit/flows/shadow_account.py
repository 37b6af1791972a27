"""One thing's shadow in an AWS account in memory: with AWS IoT's limits and versions, a table, a queue and a clock.

It stands where `Clients` stands, so the adapters run. Unlike moto it refuses what is too large, dates each field by the
test's clock, and lets something else happen in the middle of a write. An emptied object stays, as the worst case.
"""

import io
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from tests.unit.conftest import Clock
from thingbridge.aws.queues import Queue
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things_log import ThingsLog
from thingbridge.flows.paced_shadow import PacedShadowWriter
from thingbridge.flows.shadow import ImmediateShadowWriter, RecordedShadows
from thingbridge.shadow.state import ShadowSettings

SHADOW_BYTES: Final = 8 * 1024
"""AWS IoT quota: desired and reported state together, without metadata."""

ROW_BYTES: Final = 400 * 1024
"""DynamoDB quota: an item."""

NOW: Final = 1_767_225_600.0
"""2026-01-01T00:00:00Z."""


def at(seconds: float) -> str:
    """The time so many seconds after `NOW`, as messages have it."""
    moment = datetime.fromtimestamp(NOW + seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond * 1000:09}Z"


@dataclass
class ShadowAccount:
    """The account. `interruptions`: what happens before the call with that number, instead of it if it raises."""

    clock: Clock = field(default_factory=lambda: Clock(NOW))
    state: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    version: int = 0
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    deferred: list[tuple[float, str]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    refusals: int = 0
    interruptions: dict[int, Callable[[], None]] = field(default_factory=dict)
    number: int = 0

    def __call__(self, _service: str) -> "ShadowAccount":
        return self

    @property
    def reported(self) -> dict[str, Any]:
        return dict((self.state or {}).get("reported", {}))

    @property
    def size(self) -> int:
        return len(json.dumps(self.state or {}, separators=(",", ":")).encode())

    def take_calls(self) -> dict[str, int]:
        taken = dict(self.calls)
        self.calls.clear()
        return taken

    # The writers of one execution environment, which shares nothing else with another one.

    def recorded_shadows(self) -> RecordedShadows:
        clients: Any = self
        return RecordedShadows(Shadows(clients, "lorawan"), ThingsLog(clients, "things"), sleep=lambda _: None)

    def immediate(self) -> ImmediateShadowWriter:
        return ImmediateShadowWriter(self.recorded_shadows(), now=self.clock)

    def paced(self, interval: int, **settings: Any) -> PacedShadowWriter:
        clients: Any = self
        return PacedShadowWriter(
            self.recorded_shadows(),
            ShadowStates(clients, "states", sleep=lambda _: None),
            Queue(clients, "queue"),
            ShadowSettings(min_interval_seconds=interval, **settings),
            self.clock,
        )

    # AWS IoT

    def update_thing_shadow(self, *, thingName: str, shadowName: str, payload: bytes) -> dict[str, Any]:  # noqa: N803
        self._called("UpdateThingShadow")
        assert (thingName, shadowName) == ("tank", "lorawan")
        update = json.loads(payload)
        if "version" in update and update["version"] != self.version:
            raise _error(409, "ConflictException")
        merged = _merged(self.state or {}, update["state"])
        if len(json.dumps(merged, separators=(",", ":")).encode()) > SHADOW_BYTES:
            self.refusals += 1
            raise _error(413, "RequestEntityTooLargeException")
        self.metadata = _merged(self.metadata, _dated(update["state"], int(self.clock.now)))
        self.state, self.version = merged, self.version + 1
        return {"payload": io.BytesIO()}

    def get_thing_shadow(self, *, thingName: str, shadowName: str) -> dict[str, Any]:  # noqa: N803
        self._called("GetThingShadow")
        assert (thingName, shadowName) == ("tank", "lorawan")
        if self.state is None:
            raise _error(404, "ResourceNotFoundException")
        document = {"state": self.state, "metadata": self.metadata, "version": self.version}
        return {"payload": io.BytesIO(json.dumps(document).encode())}

    # DynamoDB, SQS, CloudWatch Logs

    def get_item(self, *, Key: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        self._called("GetItem")
        row = self.rows.get(Key["thing"]["S"])
        return {"Item": dict(row)} if row else {}

    def update_item(self, *, Key: dict[str, Any], ExpressionAttributeValues: dict[str, Any], **_: Any) -> None:  # noqa: N803
        self._called("UpdateItem")
        known = self.rows.get(Key["thing"]["S"])
        if (known or {}).get("revision") != ExpressionAttributeValues.get(":known"):
            raise _error(400, "ConditionalCheckFailedException")
        if len(ExpressionAttributeValues[":state"]["S"]) > ROW_BYTES:
            raise _error(400, "ValidationException")
        self.rows[Key["thing"]["S"]] = {name: ExpressionAttributeValues[f":{name}"] for name in ("state", "revision")}

    def send_message(self, *, MessageBody: str, DelaySeconds: int, **_: Any) -> None:  # noqa: N803
        self._called("SendMessage")
        self.deferred.append((self.clock.now + DelaySeconds, MessageBody))

    def put_log_events(self, *, logEvents: list[dict[str, Any]], **_: Any) -> None:  # noqa: N803
        self.records.extend(json.loads(each["message"]) for each in logEvents)

    def events(self) -> list[str]:
        return [each["event"] for each in self.records]

    def _called(self, operation: str) -> None:
        self.calls[operation] += 1
        self.number += 1
        if happens := self.interruptions.pop(self.number, None):
            happens()


def throttled() -> None:
    """An interruption: AWS answers that it is overloaded."""
    raise _error(429, "ThrottlingException")


def _error(status: int, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}, code)


def _merged(known: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(known)
    for name, value in update.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            below = merged.get(name)
            merged[name] = _merged(below if isinstance(below, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def _dated(value: Any, second: int) -> Any:
    if isinstance(value, dict):
        return {name: _dated(each, second) for name, each in value.items()}
    if isinstance(value, list):
        return [_dated(each, second) for each in value]
    return None if value is None else {"timestamp": second}
