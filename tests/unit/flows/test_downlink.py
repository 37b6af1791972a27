"""Flow `downlink`: requests become downlinks of The Things Stack, or an answer that says why not."""

import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any, cast

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iotdata import iotdata_backends

from handlers import composition
from local.things_stack import ThingsStack as Simulation
from tests import events
from tests.unit.conftest import APPLICATION, AnswerWith, Clock
from tests.unit.invocation import Invocation
from thingbridge.aws.broker import Broker
from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import NotPermitted
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.stacks import Stacks
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.errors import Busy, Deferred, Refused
from thingbridge.flows.desired_state import DesiredStates
from thingbridge.flows.downlink import DownlinkQueue, DownlinkRequests, PacedQueue, Rejections
from thingbridge.flows.downlink_formatters import DownlinkFormatters
from thingbridge.flows.unowned_requests import ELECTION_SHADOW, ELECTION_THING, MOST_ENTRIES, UnownedRequests
from thingbridge.messaging.downlink import NotSendable, marked
from thingbridge.pacing import Pace
from thingbridge.registry.attributes import DeviceReference
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import Answer, ApiKeyRefused, NotFound, ThingsStackBusy, ThingsStackRefused

GROUP = "/thethings/lorawan/farm/things"
WAITING = {
    "DOWNLINKS_TABLE": "farm-downlinks",
    "SENDING_QUEUE_URL": "https://sqs/farm-sending.fifo",
    "DOWNLINK": json.dumps(
        {"concurrency": 2, "hold_seconds": 0.5, "maximum_age_seconds": 3600, "rate_per_minute": None}
    ),
}
REQUEST = events.load("rule_output/downlink_request")
DEVICE = DeviceReference("tank-7", "A81758FFFE0312AB", named=True)


class Queue:
    """Requests that were scheduled, in memory. `error` is raised instead, if it is set."""

    def __init__(self) -> None:
        self.requests: list[tuple[DeviceReference, Sequence[Mapping[str, Any]], bool]] = []
        self.repeated: list[bool] = []
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
        self.repeated.append(repeated)


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
    assert (answer["field"], answer["reason"]) == (
        None,
        "push: The Things Stack answered 400: it is too long (too_long)",
    )


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


def test_an_error_of_aws_is_raised_and_not_shown_to_the_sender(
    flow: DownlinkRequests, queue: Queue, answer_with: AnswerWith
) -> None:
    queue.error = NotPermitted("take frame counters: AccessDeniedException: arn:aws:iam::111122223333:role/farm")
    with pytest.raises(NotPermitted):
        flow.handle(REQUEST)
    queue.error = Refused("write a session: ValidationException: arn:aws:dynamodb:eu-west-1:111122223333:table/farm")
    with pytest.raises(Refused):
        flow.handle(REQUEST)
    answer_with("iot", "DescribeThing", 403, "AccessDeniedException")
    with pytest.raises(NotPermitted):
        flow.handle(REQUEST)
    assert rejections() == []


def test_a_refused_api_key_and_a_session_that_takes_nothing_are_answered(flow: DownlinkRequests, queue: Queue) -> None:
    for error in (ApiKeyRefused("push", Answer(403, "pkg/auth", "rights", "no right")), NotSendable("has to join")):
        queue.error = error
        flow.handle(REQUEST)
    reasons = [answer["reason"] for _, answer in rejections()]
    assert reasons == ["push: The Things Stack answered 403: no right (rights)", "has to join"]


# Things of no stack ---------------------------------------------------------------------------------------------------

CASE = json.loads((Path(__file__).parents[2] / "data/cases/5-downlink-to-thing-without-stackname.json").read_text())
AT = 1_795_617_584_000
"""Milliseconds since 1970."""


def case_request(at: int = AT) -> dict[str, Any]:
    return {**events.rule_output(CASE["request"]["payload"], CASE["request"]["topic"]), "receivedAt": at}


@pytest.fixture
def stacks(iot: Any, clients: Clients, queue: Queue, log: ThingsLog) -> list[DownlinkRequests]:
    """Three stacks of the account, each of which receives every request, and a thing that belongs to none of them."""
    names = ("barn", "farm", "vine-yard")
    for name in names:
        create_stack(iot, name.replace("-", "_"))
    thing = CASE["thing"]
    iot.create_thing(
        thingName=thing["name"], thingTypeName=thing["thingType"], attributePayload={"attributes": thing["attributes"]}
    )
    return [requests_of(name, clients, queue, log) for name in names]


def test_the_uplink_of_a_thing_of_no_stack_is_recorded_in_its_log(
    stacks: list[DownlinkRequests], clients: Clients, log: ThingsLog
) -> None:
    stack_name = CASE["uplink_received_by_stack"]
    upstream = composition.upstream(
        {
            "STACK_NAME": stack_name,
            "THINGS_LOG_GROUP": GROUP,
            "THING_TYPE_NAME": CASE["thing"]["thingType"],
            "THING_NAME_SCHEME": "DevEUI",
            "DIRECTORY_TABLE": "directory",
            "SHADOW": "{}",
        },
        clients,
    )
    uplink = events.load("things_stack/uplink")
    ids = {**uplink["end_device_ids"], "dev_eui": CASE["thing"]["attributes"]["devEUI"]}
    upstream.handle(events.rule_output({**uplink, "end_device_ids": ids}, f"thethings/lorawan/{stack_name}/uplink"))
    (entry,) = log.entries(CASE["thing"]["name"])
    assert CASE["expected"]["recorded_for_the_uplink"] in entry["reason"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_sender_of_a_request_for_a_thing_of_no_stack_learns_it_once(
    stacks: list[DownlinkRequests], queue: Queue, log: ThingsLog, order: Sequence[int]
) -> None:
    expected = CASE["expected"]
    for late, number in enumerate(order):
        stacks[number].handle(case_request(AT + 700 * late))
    assert len(rejections()) == expected["answers"]
    ((topic, answer),) = rejections()
    assert (topic, answer["field"]) == (expected["rejected_on"], expected["field"])
    assert answer["request"] == CASE["request"]["payload"]
    assert [each["event"] for each in log.entries(CASE["thing"]["name"])] == ["downlink_rejected"]
    assert queue.requests == []


def test_a_stack_that_is_repeated_answers_again_and_the_others_do_not(
    stacks: list[DownlinkRequests], answer_with: AnswerWith
) -> None:
    barn, farm, _ = stacks
    broken = replace(barn, rejections=replace(barn.rejections, broker=cast(Any, BrokenBroker())))
    with pytest.raises(Busy):
        broken.handle(case_request())
    farm.handle(case_request(AT + 300))
    assert rejections() == []
    barn.handle(case_request())
    farm.handle(case_request(AT + 300))
    assert [answer["stackName"] for _, answer in rejections()] == ["barn"]


class BrokenBroker:
    def publish(self, _topic: str, _payload: bytes) -> None:
        raise Busy("as arranged")


def test_equal_requests_are_answered_each_unless_they_come_within_seconds(stacks: list[DownlinkRequests]) -> None:
    for at in (AT, AT + 60_000):
        for stack in stacks:
            stack.handle(case_request(at))
    assert len(rejections()) == 2


@pytest.mark.parametrize("answered", [7, {"": 7}, {"x": {"by": "barn"}}, {"x": {"by": "barn", "at": "noon"}}])
def test_a_shadow_of_answers_that_somebody_wrote_into_does_not_stop_the_answers(
    stacks: list[DownlinkRequests], clients: Clients, answered: object
) -> None:
    Shadows(clients, ELECTION_SHADOW).report(ELECTION_THING, {"answered": answered})
    for stack in stacks:
        stack.handle(case_request())
    assert len(rejections()) == 1


def test_many_answered_requests_stay_within_the_size_of_a_shadow(
    stacks: list[DownlinkRequests], clients: Clients
) -> None:
    for number in range(MOST_ENTRIES + 10):
        request = events.rule_output({"bytes": "AQ==", "fPort": number + 1}, "lorawan/valve-9/downlink/push")
        stacks[0].handle({**request, "receivedAt": AT + number})
    reported = Shadows(clients, ELECTION_SHADOW).reported(ELECTION_THING)
    assert len(reported["answered"]) == MOST_ENTRIES
    assert len(json.dumps(reported)) < 4096
    assert len(rejections()) == MOST_ENTRIES + 10


class Contended:
    """A shadow that another stack writes just before each of the first writes by version."""

    def __init__(self, shadows: Shadows, writes: list[dict[str, Any]]) -> None:
        self._shadows, self._writes = shadows, writes

    def document(self, thing_name: str) -> dict[str, Any] | None:
        return self._shadows.document(thing_name)

    def report(self, thing_name: str, reported: Mapping[str, Any], *, version: int | None = None) -> bool:
        if version and self._writes:
            self._shadows.report(thing_name, self._writes.pop(0))
        return self._shadows.report(thing_name, reported, version=version)


def test_stacks_that_write_at_once_elect_one(stacks: list[DownlinkRequests], clients: Clients) -> None:
    shadows, farm = Shadows(clients, ELECTION_SHADOW), stacks[1]
    other = {"answered": {"another request": {"by": "barn", "at": AT / 1000}}}
    mine = farm.unowned
    contended = replace(farm, unowned=replace(mine, shadows=cast(Any, Contended(shadows, [other, other]))))
    contended.handle(case_request())
    assert len(rejections()) == 1
    key = next(each for each in shadows.reported(ELECTION_THING)["answered"] if each != "another request")
    # The other stack was ahead with this very request.
    ahead = {"answered": {key: {"by": "barn", "at": AT / 1000 + 100}}}
    contended = replace(farm, unowned=replace(mine, shadows=cast(Any, Contended(shadows, [ahead]))))
    contended.handle(case_request(AT + 100_000))
    assert len(rejections()) == 1


def test_a_request_for_a_thing_whose_stack_is_gone_is_answered_by_one_of_the_others(
    stacks: list[DownlinkRequests], iot: Any
) -> None:
    attributes = {"attributes": {"devEUI": "0011AA22BB33CC13", "stackName": "gone"}}
    iot.create_thing(thingName="valve-10", thingTypeName="lorawan", attributePayload=attributes)
    for stack in stacks:
        stack.handle(events.rule_output({"bytes": "AQ=="}, "lorawan/valve-10/downlink/push"))
    ((_, answer),) = rejections()
    assert answer["field"] == "stackName"
    assert "gone, which is not a stack of this account and region" in answer["reason"]


@pytest.mark.parametrize("request_", [{"thingName": "nowhere", "bytes": "AQ=="}, {"bytes": "AQ=="}])
def test_a_request_for_a_thing_that_does_not_exist_is_answered_by_one_stack(
    stacks: list[DownlinkRequests], request_: dict[str, Any]
) -> None:
    for stack in stacks:
        stack.handle({**events.rule_output(request_, "lorawan/downlink"), "receivedAt": AT})
    assert [answer["field"] for _, answer in rejections()] == ["thingName"]


# Marks ----------------------------------------------------------------------------------------------------------------


def test_a_request_carries_the_same_correlation_id_each_time_it_is_handled_and_equal_requests_differ(
    flow: DownlinkRequests, queue: Queue
) -> None:
    for at in (AT, AT, AT + 1):
        flow.handle({**REQUEST, "receivedAt": at})
    ids = [downlinks[0]["correlation_ids"] for _, downlinks, _ in queue.requests]
    assert all(each[:-1] == ids[0][:-1] and each[-1].startswith("thingbridge:") for each in ids)
    assert ids[0] == ids[1] != ids[2]


def test_only_a_request_that_may_have_been_handled_before_is_looked_for_in_the_queue(
    flow: DownlinkRequests, queue: Queue
) -> None:
    for repeated in (False, True):
        flow.handle({**REQUEST, "receivedAt": AT}, repeated=repeated)
    assert queue.repeated == [False, True]


# Age ------------------------------------------------------------------------------------------------------------------


def test_a_request_that_has_waited_for_too_long_is_answered_instead_of_sent(
    flow: DownlinkRequests, queue: Queue, log: ThingsLog
) -> None:
    for age in (3600, 3601):
        late = replace(flow, maximum_age_seconds=3600, now=lambda age=age: AT / 1000 + age)  # type: ignore[misc]
        late.handle({**REQUEST, "receivedAt": AT})
    assert len(queue.requests) == 1
    ((topic, answer),) = rejections()
    assert (topic, answer["field"]) == ("lorawan/tank-7/downlink/rejected", None)
    assert answer["reason"].startswith("was not confirmed by The Things Stack within 3600 seconds")
    assert answer["request"] == json.loads(base64.b64decode(REQUEST["payload"]))
    assert [each["event"] for each in log.entries("tank-7")] == ["downlink_rejected"]


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
    DownlinkQueue(open_client(), DownlinkFormatters()).schedule(reference, (DOWNLINK,))
    assert len(simulation.network.queue(APPLICATION, device)) == 1


def test_a_device_whose_id_the_thing_names_is_not_searched(
    device: str, open_client: Callable[..., ThingsStack]
) -> None:
    with pytest.raises(NotFound):
        DownlinkQueue(open_client(), DownlinkFormatters()).schedule(DEVICE, (DOWNLINK,))


def test_a_push_beyond_the_limit_of_the_application_is_busy_and_accepted_a_minute_later(
    simulation: Simulation, device: str, open_client: Callable[..., ThingsStack]
) -> None:
    reference = DeviceReference(device, "A81758FFFE0312AB", named=True)
    queue = DownlinkQueue(open_client(), DownlinkFormatters())
    simulation.limit_downlinks(1)
    try:
        queue.schedule(reference, (DOWNLINK,))
        with pytest.raises(ThingsStackBusy, match="429") as busy:
            queue.schedule(reference, (DOWNLINK,))
        assert not busy.value.uncertain
        simulation.advance(60)
        queue.schedule(reference, (DOWNLINK,))
    finally:
        simulation.limit_downlinks(None)
    assert len(simulation.network.queue(APPLICATION, device)) == 2


def test_a_refused_request_and_its_failed_downlink_have_one_correlation_id(
    flow: DownlinkRequests,
    iot: Any,
    simulation: Simulation,
    device: str,
    open_client: Callable[..., ThingsStack],
    log: ThingsLog,
) -> None:
    simulation.network.forget(APPLICATION, device)
    simulation.network.published.clear()
    queue = DownlinkQueue(open_client(), DownlinkFormatters())
    several = {"downlinks": [{"bytes": "AQ==", "correlationIDs": ["order:1"]}, {"bytes": "Ag=="}]}
    iot.update_thing(thingName="tank-7", attributePayload={"attributes": {"deviceID": device}, "merge": True})
    replace(flow, queue=queue).handle(events.rule_output(several, "lorawan/tank-7/downlink/push"))
    ((_, answer),) = rejections()
    assert "no_device_session" in answer["reason"]
    failed = [each.message for each in simulation.network.published]
    assert [each["downlink_failed"]["error"]["name"] for each in failed] == ["no_device_session"] * 2
    assert all(answer["correlationID"] in each["correlation_ids"] for each in failed)
    assert "order:1" in failed[0]["correlation_ids"]
    assert [each["correlation_id"] for each in log.entries("tank-7")] == [answer["correlationID"]]


def test_an_output_is_handled_as_a_request_unless_it_is_a_delta_and_deltas_are_configured(
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
        **WAITING,
    }
    attributes = {"devEUI": "A81758FFFE0312AB", "deviceID": device, "stackName": "farm"}
    iot.create_thing(thingName="tank-7", thingTypeName="lorawan", attributePayload={"attributes": attributes})
    flow = composition.downlink(environment, clients)(Invocation()).flow
    at = int(1000 * time.time())
    flow(REQUEST).handle({**REQUEST, "receivedAt": at}, repeated=False)
    assert [each["f_port"] for each in simulation.network.queue(APPLICATION, device)] == [15]
    delta = events.load("rule_output/shadow_delta")
    assert isinstance(flow(delta), DownlinkRequests)
    flow = composition.downlink({**environment, "DELTA_F_PORT": "20"}, clients)(Invocation()).flow
    assert isinstance(flow(delta), DesiredStates)
    assert isinstance(flow(REQUEST), DownlinkRequests)


def test_the_pace_follows_the_limit_that_the_things_stack_reports(
    simulation: Simulation, device: str, open_client: Callable[..., ThingsStack], clock: Clock
) -> None:
    reference = DeviceReference(device, "A81758FFFE0312AB", named=True)
    client = open_client(remaining=300)
    pace = Pace(rate=None, callers=2, now=clock, sleep=clock.wait)
    queue = PacedQueue(DownlinkQueue(client, DownlinkFormatters()), client, pace)
    simulation.limit_downlinks(10)
    try:
        for _ in range(3):
            queue.schedule(reference, (DOWNLINK,))
    finally:
        simulation.limit_downlinks(None)
    # Two callers share 80 % of ten a minute.
    assert clock.now == pytest.approx(2 * 60 * 2 / 8)
    short = PacedQueue(DownlinkQueue(open_client(), DownlinkFormatters()), open_client(), pace)
    with pytest.raises(Deferred):
        short.schedule(reference, (DOWNLINK,))


def test_a_push_that_was_accepted_without_an_answer_is_not_sent_twice(
    simulation: Simulation, device: str, open_client: Callable[..., ThingsStack]
) -> None:
    reference = DeviceReference(device, "A81758FFFE0312AB", named=True)
    queue = DownlinkQueue(open_client(), DownlinkFormatters(), sleep=lambda _seconds: None)
    for fault in ({"reset": True, "after": True}, {"status": 504, "after": True}):
        simulation.network.push(APPLICATION, device, [], replace=True)
        simulation.faults.add(method="POST", path="/down/push", **fault)
        queue.schedule(reference, (marked(DOWNLINK, "thingbridge:1"), marked(DOWNLINK, "thingbridge:1")))
        assert len(simulation.network.queue(APPLICATION, device)) == 2
        queue.schedule(reference, (marked(DOWNLINK, "thingbridge:1"),), repeated=True)
        assert len(simulation.network.queue(APPLICATION, device)) == 2
        simulation.faults.clear()


def test_a_push_that_was_not_accepted_is_repeated(
    simulation: Simulation, device: str, open_client: Callable[..., ThingsStack]
) -> None:
    reference = DeviceReference(device, "A81758FFFE0312AB", named=True)
    simulation.faults.add(method="POST", path="/down/push", status=503, times=2)
    queue = DownlinkQueue(open_client(), DownlinkFormatters(), sleep=lambda _seconds: None)
    queue.schedule(reference, (marked(DOWNLINK, "thingbridge:1"),))
    assert len(simulation.network.queue(APPLICATION, device)) == 1
