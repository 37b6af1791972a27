"""Flow `downlink`: requests become downlinks of The Things Stack, or an answer that says why not."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iotdata import iotdata_backends

from handlers import composition
from local.things_stack import ThingsStack as Simulation
from tests import events
from tests.unit.conftest import APPLICATION, AnswerWith
from thingbridge.aws.broker import Broker
from thingbridge.aws.clients import Clients
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.stacks import Stacks
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import Busy
from thingbridge.flows.desired_state import DesiredStates
from thingbridge.flows.downlink import DownlinkQueue, DownlinkRequests, Rejections
from thingbridge.flows.unowned_requests import ELECTION_SHADOW, ELECTION_THING, UnownedRequests
from thingbridge.registry.attributes import DeviceReference
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import Answer, NotFound, ThingsStackRefused

GROUP = "/thethings/lorawan/farm/things"
REQUEST = events.load("rule_output/downlink_request")
DEVICE = DeviceReference("tank-7", "A81758FFFE0312AB", named=True)


class Queue:
    """Requests that were scheduled, in memory. `error` is raised instead, if it is set."""

    def __init__(self) -> None:
        self.requests: list[tuple[DeviceReference, Sequence[Mapping[str, Any]], bool]] = []
        self.error: Exception | None = None

    def schedule(
        self,
        device: DeviceReference,
        downlinks: Sequence[Mapping[str, Any]],
        *,
        replace: bool = False,
        repeated: bool = False,
    ) -> None:
        if self.error:
            raise self.error
        self.requests.append((device, downlinks, replace))


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def log(clients: Clients) -> ThingsLog:
    clients("logs").create_log_group(logGroupName=GROUP)
    return ThingsLog(clients, GROUP)


@pytest.fixture
def flow(iot: Any, clients: Clients, queue: Queue, log: ThingsLog) -> DownlinkRequests:
    """The flow of the stack `farm`, which has the thing `tank-7`; the thing `theirs` is of another stack."""
    create_stack(iot, "farm")
    create_stack(iot, "other")
    for name, stack_name in (("tank-7", "farm"), ("theirs", "other")):
        attributes = {"devEUI": "A81758FFFE0312AB", "deviceID": "tank-7", "stackName": stack_name}
        iot.create_thing(thingName=name, thingTypeName="lorawan", attributePayload={"attributes": attributes})
    return requests_of("farm", clients, queue, log)


def requests_of(stack_name: str, clients: Clients, queue: Queue, log: ThingsLog) -> DownlinkRequests:
    """The flow of a stack of the account, which has its rule for requests."""
    stacks, shadows = Stacks(clients), Shadows(clients, ELECTION_SHADOW)
    return DownlinkRequests(
        stack_name,
        Things(clients),
        queue,
        UnownedRequests(stack_name, stacks, shadows, sleep=lambda _seconds: None),
        Rejections(stack_name, Broker(clients), log),
    )


def create_stack(iot: Any, name: str) -> None:
    """The rule for requests that a stack has. moto wants a thing for each shadow; AWS does not."""
    sql = "SELECT topic() AS topic FROM 'lorawan/downlink'"
    iot.create_topic_rule(ruleName=f"{name}_downlink", topicRulePayload={"sql": sql, "actions": []})
    iot.create_thing(thingName=ELECTION_THING)


def rejections() -> list[tuple[str, dict[str, Any]]]:
    payloads = iotdata_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].published_payloads
    return [(topic, json.loads(payload)) for topic, payload in payloads]


def test_a_request_is_scheduled_for_the_device_of_the_thing(flow: DownlinkRequests, queue: Queue) -> None:
    flow.handle(REQUEST)
    ((device, (downlink,), replace),) = queue.requests
    assert (device, replace) == (DEVICE, False)
    assert (downlink["f_port"], downlink["frm_payload"]) == (15, "Kgc=")
    assert rejections() == []


def test_a_replace_request_replaces_the_queue(flow: DownlinkRequests, queue: Queue) -> None:
    flow.handle(events.rule_output(events.load("downlink_request/several"), "lorawan/tank-7/downlink/replace"))
    ((_, downlinks, replace),) = queue.requests
    assert (len(downlinks), replace) == (2, True)


def test_a_request_for_another_stacks_thing_is_left_to_that_stack(flow: DownlinkRequests, queue: Queue) -> None:
    for request in ({"thingName": "theirs", "bytes": "AQ=="}, {"thingName": "theirs", "fPort": "bad"}):
        flow.handle(events.rule_output(request, "lorawan/downlink"))
    assert queue.requests == []
    assert rejections() == []


@pytest.mark.parametrize(
    ("request_", "topic", "field"),
    [
        ({"thingName": "tank-7", "bytes": "!"}, "lorawan/tank-7/downlink/rejected", "bytes"),
        ({"thingName": "gone", "bytes": "AQ=="}, "lorawan/gone/downlink/rejected", "thingName"),
        ({"bytes": "AQ=="}, "lorawan/downlink/rejected", "thingName"),
    ],
)
def test_a_bad_request_is_answered_and_recorded(
    flow: DownlinkRequests, queue: Queue, log: ThingsLog, request_: dict[str, Any], topic: str, field: str
) -> None:
    flow.handle(events.rule_output(request_, "lorawan/downlink"))
    ((published_on, answer),) = rejections()
    assert published_on == topic
    assert (answer["stackName"], answer["field"], answer["request"]) == ("farm", field, request_)
    (entry,) = log.entries(request_.get("thingName"))
    assert (entry["event"], entry["field"]) == ("downlink_rejected", field)
    assert queue.requests == []


def test_a_refusal_of_the_things_stack_is_answered_and_not_retried(flow: DownlinkRequests, queue: Queue) -> None:
    queue.error = ThingsStackRefused("push", Answer(400, "pkg", "too_long", "it is too long"))
    flow.handle(REQUEST)
    ((topic, answer),) = rejections()
    assert topic == "lorawan/tank-7/downlink/rejected"
    assert (answer["field"], answer["reason"]) == (None, "push: The Things Stack answered 400: it is too long")


def test_a_busy_things_stack_or_registry_is_raised_so_that_the_request_is_retried(
    flow: DownlinkRequests, queue: Queue, answer_with: AnswerWith
) -> None:
    queue.error = Busy("as arranged")
    with pytest.raises(Busy):
        flow.handle(REQUEST)
    answer_with("iot", "DescribeThing", 429, "ThrottlingException")
    with pytest.raises(Busy):
        flow.handle(REQUEST)
    assert rejections() == []


# The queue of The Things Stack ---------------------------------------------------------------------------------------


@pytest.fixture
def device(simulation: Simulation) -> Any:
    """The end device `barn-1` in the simulation; its DevEUI is that of the thing."""
    ids = {"device_id": "barn-1", "dev_eui": "A81758FFFE0312AB", "join_eui": "A81758FFFE000001"}
    simulation.register_device(APPLICATION, **ids, app_key="0123456789ABCDEF0123456789ABCDEF")
    simulation.network.join(APPLICATION, "barn-1")
    simulation.network.uplink(APPLICATION, "barn-1")
    yield "barn-1"
    for server in (simulation.servers.application, simulation.servers.network, simulation.servers.join):
        server.devices.pop((APPLICATION, "barn-1"), None)
    simulation.servers.identity.devices.pop((APPLICATION, "barn-1"), None)
    simulation.network.forget(APPLICATION, "barn-1")


DOWNLINK = {"f_port": 15, "frm_payload": "Kgc=", "priority": "NORMAL"}


def test_a_device_of_another_id_is_found_by_its_dev_eui(
    simulation: Simulation, device: str, open_client: Callable[..., ThingsStack]
) -> None:
    reference = DeviceReference("eui-a81758fffe0312ab", "A81758FFFE0312AB", named=False)
    DownlinkQueue(open_client()).schedule(reference, (DOWNLINK,))
    assert len(simulation.network.queue(APPLICATION, device)) == 1


def test_a_device_whose_id_the_thing_names_is_not_searched(
    device: str, open_client: Callable[..., ThingsStack]
) -> None:
    with pytest.raises(NotFound):
        DownlinkQueue(open_client()).schedule(DEVICE, (DOWNLINK,))


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 5000


def test_an_event_is_handled_as_a_request_unless_it_is_a_delta_and_deltas_are_configured(
    clients: Clients, simulation: Simulation, device: str, iot: Any, log: ThingsLog
) -> None:
    key = clients("secretsmanager").create_secret(Name="key", SecretString=simulation.create_api_key(APPLICATION))
    environment = {
        "STACK_NAME": "farm",
        "THINGS_LOG_GROUP": GROUP,
        "CLUSTER_ADDRESS": simulation.url,
        "IDENTITY_SERVER_ADDRESS": simulation.url,
        "APPLICATION_ID": APPLICATION,
        "API_KEY_SECRET_ARN": key["ARN"],
    }
    attributes = {"devEUI": "A81758FFFE0312AB", "deviceID": device, "stackName": "farm"}
    iot.create_thing(thingName="tank-7", thingTypeName="lorawan", attributePayload={"attributes": attributes})
    build = composition.downlink(environment, clients)
    build(Context(), REQUEST).handle(REQUEST)
    assert [each["f_port"] for each in simulation.network.queue(APPLICATION, device)] == [15]
    delta = events.load("rule_output/shadow_delta")
    assert isinstance(build(Context(), delta), DownlinkRequests)
    build = composition.downlink({**environment, "DELTA_F_PORT": "20"}, clients)
    assert isinstance(build(Context(), delta), DesiredStates)
    assert isinstance(build(Context(), REQUEST), DownlinkRequests)
