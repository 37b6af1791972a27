"""An AWS account in memory for devices with readings: their classic shadows, a table, a topic of SNS, and a clock.

It stands where `Clients` stands, so the adapters run. A call can be made to fail, before or after it takes effect.
"""

import io
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from tests import events
from tests.unit.conftest import Clock
from tests.unit.telemetry.sensors import NOW, TYPES
from thingbridge.aws.broker import Broker
from thingbridge.aws.notifications import Notifications
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things_log import ThingsLog
from thingbridge.devices import topics
from thingbridge.devices.topics import Source
from thingbridge.flows.telemetry import RememberedSettings, Telemetry

DEVICE: Final = "hall-3"
SETTINGS_SECONDS: Final = 300


@dataclass
class TelemetryAccount:
    """The account. `failing`: operations that fail the next time; those in `unnoticed` take effect all the same."""

    clock: Clock = field(default_factory=lambda: Clock(NOW / 1000))
    shadow: dict[str, Any] | None = None
    version: int = 0
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    published: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    notified: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    failing: set[str] = field(default_factory=set)
    unnoticed: set[str] = field(default_factory=set)

    def __call__(self, _service: str) -> "TelemetryAccount":
        return self

    def environment(self, types: Any = TYPES, *, notifies: bool = True) -> Telemetry:
        """The flow of one execution environment, which shares nothing else with another one."""
        clients: Any = self
        shadows = Shadows(clients, None)
        return Telemetry(
            stack_name="farm",
            types=types,
            settings=RememberedSettings(shadows, SETTINGS_SECONDS, self.clock),
            states=ShadowStates(clients, "states", subject="alert", sleep=lambda _: None),
            shadows=shadows,
            broker=Broker(clients),
            notifications=Notifications(clients, "arn:aws:sns:eu-west-1:111122223333:alerts") if notifies else None,
            log=ThingsLog(clients, "things"),
            now=self.clock,
            sleep=lambda _: None,
        )

    @property
    def reported(self) -> dict[str, Any]:
        return dict((self.shadow or {}).get("reported", {}))

    @property
    def records(self) -> list[dict[str, Any]]:
        return [body for topic, body in self.published if topic.startswith("farm/record/")]

    @property
    def levels(self) -> list[str]:
        """The levels that were notified, in this order."""
        return [json.loads(each["Message"])["alert_level"] for each in self.notified]

    def take_calls(self) -> dict[str, int]:
        taken = dict(self.calls)
        self.calls.clear()
        return taken

    def desire(self, **settings: Any) -> None:
        """What a person sets in the shadow."""
        self.update_thing_shadow(
            thingName=DEVICE, payload=json.dumps({"state": {"desired": settings}}).encode(), counted=False
        )

    # AWS IoT

    def publish(self, **request: Any) -> dict[str, Any]:
        if "TopicArn" in request:
            return self._do("Notify", lambda: self.notified.append(request))
        return self._do("Publish", lambda: self.published.append((request["topic"], json.loads(request["payload"]))))

    def get_thing_shadow(self, *, thingName: str) -> dict[str, Any]:  # noqa: N803
        self.calls["GetThingShadow"] += 1
        assert thingName == DEVICE
        if self.shadow is None:
            raise _error(404, "ResourceNotFoundException")
        return {"payload": io.BytesIO(json.dumps({"state": self.shadow, "version": self.version}).encode())}

    def update_thing_shadow(self, *, thingName: str, payload: bytes, counted: bool = True) -> dict[str, Any]:  # noqa: N803
        assert thingName == DEVICE
        update = json.loads(payload)
        if "version" in update and update["version"] != self.version:
            self.calls["UpdateThingShadow"] += 1
            raise _error(409, "ConflictException")

        def merge() -> None:
            self.shadow = _merged(self.shadow or {}, update["state"])
            self.version += 1

        if counted:
            self._do("UpdateThingShadow", merge)
        else:
            merge()
        return {"payload": io.BytesIO()}

    # DynamoDB and logs

    def get_item(self, *, Key: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        self.calls["GetItem"] += 1
        row = self.rows.get(Key["thing"]["S"])
        return {"Item": dict(row)} if row else {}

    def update_item(
        self,
        *,
        Key: dict[str, Any],  # noqa: N803
        ConditionExpression: str,  # noqa: N803
        ExpressionAttributeValues: dict[str, Any],  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        row, values = self.rows.get(Key["thing"]["S"]), ExpressionAttributeValues
        absent = ConditionExpression.startswith("attribute_not_exists")
        if absent != (row is None) or (row and row["revision"] != values[":known"]):
            self.calls["UpdateItem"] += 1
            raise _error(400, "ConditionalCheckFailedException")
        after = {"state": values[":state"], "revision": values[":revision"]}
        return self._do("UpdateItem", lambda: self.rows.update({Key["thing"]["S"]: after}))

    def put_log_events(self, *, logStreamName: str, logEvents: Any, **_: Any) -> None:  # noqa: N803
        self.calls["PutLogEvents"] += 1
        self.log += [{"stream": logStreamName, **json.loads(each["message"])} for each in logEvents]

    def _do(self, operation: str, act: Any) -> dict[str, Any]:
        self.calls[operation] += 1
        fails = operation in self.failing
        self.failing.discard(operation)
        if not fails or operation in self.unnoticed:
            act()
        if fails:
            raise _error(500, "InternalFailure")
        return {}


def reading(body: Any, at: int | None = NOW, *, type_name: str = "temperature", device: str = DEVICE) -> dict[str, Any]:
    """The rule's output for a reading that AWS IoT received at that time; None: for one that a rule failed on."""
    topic = topics.sensor("farm", type_name, device) if type_name != "status" else topics.status("farm", device)
    event = events.rule_output(body if isinstance(body, bytes) else {**body}, topic)
    assert topics.source(topic, "farm") == Source(type_name, device)
    return event if at is None else {**event, "aws_timestamp": at}


def _merged(into: Any, update: Any) -> Any:
    merged = dict(into)
    for name, value in update.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            merged[name] = _merged(merged.get(name) or {}, value)
        else:
            merged[name] = value
    return merged


def _error(status: int, code: str) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Operation")
