"""Desired states on an account in process: what is claimed, sent and reported, and what is retried."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tests import events
from tests.unit.conftest import Clock
from thingbridge.aws.broker import Broker
from thingbridge.aws.clients import Clients
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import Busy
from thingbridge.flows.desired_state import DesiredStates
from thingbridge.flows.downlink import Rejections
from thingbridge.flows.shadow import RecordedShadows
from thingbridge.messaging.downlink import mark
from thingbridge.registry.attributes import DeviceReference
from thingbridge.shadow.state import SHADOW_NAME
from thingbridge.things_stack.errors import Answer, ThingsStackRefused

GROUP = "/thethings/lorawan/farm/things"


class Queue:
    """A downlink queue of The Things Stack in memory. The next `schedule` raises `error`, if one is set."""

    def __init__(self) -> None:
        self.downlinks: list[Mapping[str, Any]] = []
        self.error: Exception | None = None

    def schedule(
        self,
        device: DeviceReference,
        downlinks: Sequence[Mapping[str, Any]],
        *,
        replace: bool = False,
        repeated: bool = False,
    ) -> None:
        assert not replace
        if self.error:
            error, self.error = self.error, None
            raise error
        self.downlinks.extend(downlinks)

    def levels(self) -> list[Any]:
        return [each["decoded_payload"]["level"] for each in self.downlinks]


class DatedShadows(Shadows):
    """Shadows whose desired values keep the time of their change; moto dates all of them anew with every write."""

    changed: Any = None

    def document(self, thing_name: str) -> dict[str, Any] | None:
        found = super().document(thing_name)
        if found and self.changed:
            found["metadata"]["desired"] = self.changed
        return found


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def shadows(clients: Clients) -> DatedShadows:
    return DatedShadows(clients, SHADOW_NAME)


@pytest.fixture
def log(clients: Clients) -> ThingsLog:
    clients("logs").create_log_group(logGroupName=GROUP)
    return ThingsLog(clients, GROUP)


@pytest.fixture
def flow(iot: Any, clients: Clients, shadows: Shadows, log: ThingsLog, queue: Queue, clock: Clock) -> DesiredStates:
    attributes = {"devEUI": "A81758FFFE0312AB", "stackName": "farm"}
    iot.create_thing(thingName="tank", thingTypeName="lorawan", attributePayload={"attributes": attributes})
    return DesiredStates(
        stack_name="farm",
        f_port=20,
        things=Things(clients),
        shadows=shadows,
        recorded_shadows=RecordedShadows(shadows, log),
        queue=queue,
        rejections=Rejections("farm", Broker(clients), log),
        now=clock,
        sleep=clock.wait,
    )


Desire = Callable[[Any], dict[str, Any]]


@pytest.fixture
def desire(clients: Clients, shadows: DatedShadows, flow: DesiredStates) -> Desire:
    """Set desired values; returns the rule's output for the delta that follows."""

    def set_desired(values: Any) -> dict[str, Any]:
        state = json.dumps({"state": {"desired": {"decodedPayload": values}}}).encode()
        clients("iot-data").update_thing_shadow(thingName="tank", shadowName="lorawan", payload=state)
        shadows.changed = None
        document = shadows.document("tank")
        assert document
        shadows.changed = document["metadata"]["desired"]
        delta = {
            **events.load("shadow/delta"),
            "version": document["version"],
            # AWS IoT sends a delta with the write that causes it.
            "timestamp": document["timestamp"],
            "state": document["state"]["delta"],
            "metadata": document["metadata"]["desired"],
        }
        return events.rule_output(delta, "$aws/things/tank/shadow/name/lorawan/update/delta")

    return set_desired


def test_a_change_is_sent_and_reported_once_however_often_its_delta_arrives(
    flow: DesiredStates, desire: Desire, queue: Queue, shadows: Shadows
) -> None:
    event = desire({"level": 5})
    for _ in range(3):
        flow.handle(event)
    assert queue.levels() == [5]
    assert queue.downlinks[0]["f_port"] == 20
    assert shadows.reported("tank")["decodedPayload"] == {"level": 5}
    assert shadows.reported("tank")["deltaDownlink"]["state"] == "sent"


def test_a_change_whose_sending_was_interrupted_is_sent_when_its_delta_is_delivered_again(
    flow: DesiredStates, desire: Desire, queue: Queue, shadows: Shadows
) -> None:
    event = desire({"level": 5})
    queue.error = Busy("as arranged")
    with pytest.raises(Busy):
        flow.handle(event)
    assert shadows.reported("tank")["deltaDownlink"]["state"] == "sending"
    flow.handle(event)
    assert queue.levels() == [5]
    assert shadows.reported("tank")["deltaDownlink"]["state"] == "sent"


def test_a_newer_change_waits_for_the_one_that_is_being_sent(flow: DesiredStates, desire: Desire, queue: Queue) -> None:
    first = desire({"level": 5})
    queue.error = Busy("as arranged")
    with pytest.raises(Busy):
        flow.handle(first)
    second = desire({"level": 6})
    with pytest.raises(Busy):
        flow.handle(second)
    assert queue.levels() == []
    flow.handle(first)
    flow.handle(second)
    # The first one found the newer value already: the shadow decides.
    assert queue.levels() == [6]


def test_a_refused_change_is_reported_where_its_sender_looks_and_not_retried(
    flow: DesiredStates, desire: Desire, queue: Queue, shadows: Shadows, log: ThingsLog
) -> None:
    event = desire({"level": 5})
    queue.error = ThingsStackRefused("push", Answer(400, "pkg", "too_long", "it is too long"))
    flow.handle(event)
    flow.handle(event)
    assert queue.levels() == []
    reason = "push: The Things Stack answered 400: it is too long (too_long)"
    assert [(each["event"], each["reason"]) for each in log.entries("tank")] == [("downlink_rejected", reason)]
    assert log.entries("tank")[0]["correlation_id"] == mark(event)
    note = shadows.reported("tank")["deltaDownlink"]
    assert (note["state"], note["reason"]) == ("refused", reason)


def test_a_desired_state_that_is_not_an_object_is_rejected(
    flow: DesiredStates, desire: Desire, queue: Queue, log: ThingsLog
) -> None:
    flow.handle(desire("on"))
    assert [each["field"] for each in log.entries("tank")] == ["desired.decodedPayload"]
    assert queue.levels() == []


def test_a_delta_that_an_uplink_caused_costs_no_call(
    flow: DesiredStates, desire: Desire, queue: Queue, calls: Callable[[], dict[str, int]]
) -> None:
    event = desire({"level": 5})
    delta = json.loads(base64.b64decode(event["payload"]))
    calls()
    flow.handle(events.rule_output({**delta, "timestamp": delta["timestamp"] + 60}, event["topic"]))
    assert calls() == {}
    assert queue.levels() == []


def test_a_delta_of_another_stacks_thing_is_ignored(
    flow: DesiredStates, desire: Desire, iot: Any, queue: Queue, log: ThingsLog
) -> None:
    event = desire({"level": 5})
    iot.update_thing(thingName="tank", attributePayload={"attributes": {"stackName": "other"}})
    flow.handle(event)
    assert queue.levels() == []
    assert log.entries("tank") == []


def test_a_delta_that_can_not_be_read_is_recorded(flow: DesiredStates, log: ThingsLog) -> None:
    flow.handle(events.rule_output(b"[]", "$aws/things/tank/shadow/name/lorawan/update/delta"))
    assert [each["event"] for each in log.entries(None)] == ["shadow_delta_not_readable"]
